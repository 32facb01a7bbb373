#!/usr/bin/env node
import { homedir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../shared/cli.ts";
import { VERSION } from "../shared/version.ts";
import { declareCommands } from "./commands.ts";

void runProgram({
  name: "airlock",
  version: VERSION,
  description: "lists, restores and verifies what an Airlock vault holds",
  defaultConfig: join(homedir(), ".config", "airlock", "operator.yaml"),
  process,
  commands: declareCommands,
});
