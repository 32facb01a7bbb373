#!/usr/bin/env -S node --max-semi-space-size=8
// What is young is half of this heap otherwise: 64 MiB, mostly of garbage that is collected later. V8 takes the
// size at its start only (MiB; three such spaces).
import { runProgram } from "../shared/cli.ts";
import { VERSION } from "../shared/version.ts";
import { declareCommands, PROGRAM } from "./commands.ts";

void runProgram({
  ...PROGRAM,
  version: VERSION,
  process,
  commands: (program, io) => declareCommands(program, io, process.pid, () => process.hrtime.bigint()),
});
