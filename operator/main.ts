#!/usr/bin/env node
import { homedir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../shared/cli.ts";
import { VERSION } from "../shared/version.ts";
import { declareCommands, PROGRAM } from "./commands.ts";

// What follows `--` is a command to run, with options of its own; the parser would not tell it from ours.
const { argv, pid } = process;
const separator = argv.indexOf("--");
const command = separator === -1 ? null : argv.slice(separator + 1);
if (separator !== -1) process.argv = argv.slice(0, separator);

void runProgram({
  ...PROGRAM,
  version: VERSION,
  defaultConfig: join(homedir(), ".config", "airlock", "operator.yaml"),
  process,
  commands: (program, io) => declareCommands(program, io, { command, pid }),
});
