import { Argument, Option, type Command } from "commander";
import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import type { InitOptions } from "./init-command.ts";
import type { PutOptions } from "./put-command.ts";

/** What `main.ts` knows of this process. */
export interface Invocation {
  /** What stood behind `--`; null where there was none. */
  readonly command: readonly string[] | null;
  /** See `process-owner.ts`. */
  readonly owner: string;
}

export const PROGRAM = {
  name: "airlock-uploader",
  description: "Pushes backups into the drop-zone with a key that can only create.",
  defaultConfig: "/etc/airlock/uploader.yaml",
} as const;

/** Each command brings its own code: `--version` and `--help` need none of it. */
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
    .action(async (paths: string[], options: PutOptions) =>
      (await import("./put-command.ts")).runPut(paths, command, options, io, owner),
    );
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
    .action(async (options: InitOptions) => (await import("./init-command.ts")).runInit(options, io, owner));
  program
    .command("check")
    .summary("prove what this host's key can and cannot do")
    .description("Tries, without harm, what this host's access key must be able to do and what it must not.")
    .action(async () => (await import("./check-command.ts")).runCheck(io, owner));
  program
    .command("run")
    .summary("the agent: schedules, watched folders, spool")
    .description(
      "Runs each set by its schedule, takes files from watched folders, sends what waits in the spool, and checks this host's key weekly, until a signal ends it.",
    )
    .action(async () => (await import("./run-command.ts")).runRun(io, owner));
  program
    .command("run-set")
    .summary("run one set now")
    .description(
      "Runs a set of the configuration in the foreground, then sends what earlier runs left in the spool. Ends with 0 once the store has confirmed it.",
    )
    .argument("<SET>", "a set of the configuration")
    .action(async (set: string) => (await import("./run-set-command.ts")).runRunSet(set, io, owner));
  program
    .command("status")
    .summary("last success and next run per set, spool, sequence")
    .description("Shows how each set is doing, what waits in the spool, and where the sequence of statements is.")
    .action(async () => (await import("./status-command.ts")).runStatus(io, owner));
}
