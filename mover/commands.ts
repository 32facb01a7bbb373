import type { Command } from "commander";
import type { Io } from "../shared/cli.ts";
import type { InitOptions } from "./init-command.ts";
import type { RunOptions } from "./run-command.ts";
import type { StatusOptions } from "./status-command.ts";

export const PROGRAM = {
  name: "airlock-mover",
  description: "moves what hosts upload from the drop-zone into the vault",
  defaultConfig: "/etc/airlock/mover.yaml",
} as const;

/** Each command brings its own code: `--version` and `--help` need none of it. `monotonicNs`: the system's clock that is never set. */
export function declareCommands(program: Command, io: Io, pid: number, monotonicNs: () => bigint): void {
  program
    .command("init")
    .description("make the mover's key pair and a configuration; print the policies of its two keys")
    .requiredOption("--id <ID>", "the mover's name in the ledger")
    .requiredOption("--drop-zone <BUCKET>", "the bucket that hosts upload to")
    .requiredOption("--vault <BUCKET>", "the bucket that keeps the backups")
    .requiredOption("--region <REGION>", "the drop-zone's region")
    .option("--vault-region <REGION>", "the vault's region; default: the drop-zone's")
    .option("--endpoint <URL>", "the drop-zone's S3 endpoint; default: AWS's own")
    .option("--vault-endpoint <URL>", "the vault's S3 endpoint; default: AWS's own")
    .option("--unversioned", "the drop-zone keeps no versions")
    .option(
      "--readback",
      "what is archived is read again, for a vault that takes altered bytes; its key may then read it",
    )
    .option("--queue-url <URL>", "the SQS queue that the drop-zone's events go to")
    .option("--share <I/N>", "one of N movers: this one has the I-th share of the hosts")
    .option("--state <FOLDER>", "lock and status", "/var/lib/airlock-mover")
    .action(async (options: InitOptions) => (await import("./init-command.ts")).runInit(io, options));

  program
    .command("run")
    .description(
      "move everything that arrives, until told to stop (SIGTERM finishes what is under way; a second one does not); SIGHUP reads the configuration again",
    )
    .option("--once", "move what is there, and end")
    .action(async (options: RunOptions) =>
      (await import("./run-command.ts")).runRun(io, options, pid, { monotonicNs }),
    );

  program
    .command("check")
    .description("find out what both stores do and what both keys can do; exit 7 when a key can do more than it should")
    .action(async () => (await import("./check-command.ts")).runCheck(io, pid));

  program
    .command("status")
    .description("what the daemon last said of itself: hosts, freshness, exposure, holds, backlog")
    .option("--holds", "list what is held, up to 100 objects per host and reason")
    .option("--watch", "again about every second, until Ctrl-C")
    .action(async (options: StatusOptions) => (await import("./status-command.ts")).runStatus(io, options));

  program
    .command("release")
    .description("let held objects in despite the reason for which they are held; the running daemon does it")
    .argument("<KEY...>", "as `status --holds` lists it: KEY, or KEY@VERSION")
    .action(async (keys: string[]) => (await import("./request-command.ts")).runRequest(io, "release", keys));

  program
    .command("discard")
    .description("remove held objects from the drop-zone for good, with a record; the running daemon does it")
    .argument("<KEY...>", "as `status --holds` lists it: KEY, or KEY@VERSION")
    .action(async (keys: string[]) => (await import("./request-command.ts")).runRequest(io, "discard", keys));
}
