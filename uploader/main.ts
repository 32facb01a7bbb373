#!/usr/bin/env -S node --max-semi-space-size=8
// What is young is half of this heap otherwise. V8 takes the size at its start only (MiB; three such spaces).
import { runProgram } from "../shared/cli.ts";
import { VERSION } from "../shared/version.ts";
import { declareCommands, PROGRAM } from "./commands.ts";
import { ownerOf } from "./process-owner.ts";

// What follows `--` is a command to run, with options of its own; the parser would not tell it from paths.
const { argv, pid } = process;
const separator = argv.indexOf("--");
const command = separator === -1 ? null : argv.slice(separator + 1);
if (separator !== -1) process.argv = argv.slice(0, separator);

void runProgram({
  ...PROGRAM,
  version: VERSION,
  process,
  commands: (program, io) => declareCommands(program, io, { command, owner: ownerOf(pid) }),
});
