import { Argument, Option, type Command } from "commander";
import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import { runCheck } from "./check-command.ts";
import { runInit, type InitOptions } from "./init-command.ts";
import { runPut, type PutOptions } from "./put-command.ts";
import { runStatus } from "./status-command.ts";

/** What `main.ts` knows of this process. */
export interface Invocation {
  /** What stood behind `--`; null where there was none. */
  readonly command: readonly string[] | null;
  /** See `process-owner.ts`. */
  readonly owner: string;
}

export function declareCommands(program: Command, io: Io, { command, owner }: Invocation): void {
  program.hook("preAction", (_, action) => {
    if (command === null || action.name() === "put") return;
    throw new AirlockError("usage", `${action.name()} runs no command`, { remedy: "leave out the --" });
  });
  program
    .command("put")
    .summary("store one object now")
    .description(
      "Stores a file, a folder (as a tar archive), standard input, or what a command writes if it exits with 0.",
    )
    .usage("[options] --set <SET> PATH… | - | -- COMMAND…")
    .addArgument(new Argument("[PATH...]", "files and folders; - for standard input"))
    .requiredOption("--set <SET>", "the set that it belongs to")
    .option("--name <NAME>", "its name, without encoding suffixes; default: the path's own, or the set's")
    .action((paths: string[], options: PutOptions) => runPut(paths, command, options, io, owner));
  program
    .command("init")
    .summary("make this host's key and configuration; print its IAM policy")
    .description(
      "Makes the host's key pair and a configuration where they are not there yet, begins a new sequence of statements, and prints the IAM policy of this host's access key.",
    )
    .option("--host <HOST>", "this host's name; default: the machine's")
    .option("--bucket <BUCKET>", "the drop-zone")
    .option("--region <REGION>", "the drop-zone's region")
    .option("--endpoint <URL>", "for S3 stores other than AWS")
    .option("--profile <PROFILE>", "the profile in ~/.aws that has this host's access key")
    .option("--recipient <RECIPIENT...>", "who can decrypt: age1…, as `airlock keygen` prints it")
    .option("--no-encrypt", "store readable to anyone with the vault")
    .option("--signing-key <FILE>", "default: host.key beside the configuration")
    .addOption(
      new Option("--spool <FOLDER>", "what is not stored yet, and the sequence").default("/var/lib/airlock-uploader"),
    )
    .action((options: InitOptions) => runInit(options, io, owner));
  program
    .command("check")
    .summary("prove what this host's key can and cannot do")
    .description("Tries, without harm, what this host's access key must be able to do and what it must not.")
    .action(() => runCheck(io, owner));
  program
    .command("status")
    .summary("last success per set, sequence")
    .description("Shows the last success of each set and where the sequence of statements is.")
    .action(() => runStatus(io, owner));
}
