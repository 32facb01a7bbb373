/** The three programs' command lines as they declare them themselves: what manual pages and completions are made of. */
import type { Command, Option } from "commander";
import { declareProgram, type Io } from "../shared/cli.ts";
import { VERSION } from "../shared/version.ts";
import { declareCommands as declareMover, PROGRAM as MOVER } from "../mover/commands.ts";
import { declareCommands as declareOperator, PROGRAM as OPERATOR } from "../operator/commands.ts";
import { declareCommands as declareUploader, PROGRAM as UPLOADER } from "../uploader/commands.ts";
import type { Role } from "./roles.ts";

/** Only what a command does asks for it, and none is run here. */
const NO_IO = {} as Io;

export function commandLineOf({ folder }: Role): Command {
  if (folder === "uploader") {
    const program = declareProgram({ ...UPLOADER, version: VERSION, process });
    declareUploader(program, NO_IO, { command: null, owner: "" });
    return program;
  }
  if (folder === "mover") {
    const program = declareProgram({ ...MOVER, version: VERSION, process });
    declareMover(program, NO_IO, 0, () => 0n);
    return program;
  }
  const defaultConfig = "~/.config/airlock/operator.yaml";
  const program = declareProgram({ ...OPERATOR, defaultConfig, version: VERSION, process });
  declareOperator(program, NO_IO, { command: null, pid: 0 });
  return program;
}

/** `--help` included, which the parser adds only when it prints. */
export function optionsOf(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command);
}

/** Whether a file's or folder's name is expected, going by the word that stands for it. */
export function takesPath(placeholder: string): boolean {
  return /FILE|FOLDER|DIR|PATH|\.pdf/.test(placeholder);
}
