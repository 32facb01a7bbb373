#!/usr/bin/env node
import { runProgram } from "../shared/cli.ts";
import { VERSION } from "../shared/version.ts";
import { declareCommands } from "./commands.ts";

await runProgram({
  name: "airlock-mover",
  version: VERSION,
  description: "moves what hosts upload from the drop-zone into the vault",
  defaultConfig: "/etc/airlock/mover.yaml",
  process,
  commands: (program, io) => declareCommands(program, io, process.pid),
});
