import { Option, type Command } from "commander";
import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import { ROLES, SOURCES } from "./audit-choices.ts";
import type { AuditOptions } from "./audit-options.ts";
import type { DrillOptions, Invocation } from "./drill-command.ts";
import type { KeygenOptions } from "./keygen-command.ts";
import type { KitOptions } from "./kit-command.ts";
import type { LsOptions } from "./ls-command.ts";
import type { ReportOptions } from "./report-command.ts";
import type { RestoreOptions } from "./restore-command.ts";
import type { StatusOptions } from "./status-command.ts";
import type { VerifyOptions } from "./verify-command.ts";

const TIME_HELP = "by the ledger's time, UTC: 2026-11-21, 2026-11-21T02:15, …; a day or minute means all of it";

export const PROGRAM = {
  name: "airlock",
  description: "lists, restores and verifies what an Airlock vault holds",
} as const;

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Each command brings its own code: `--version` and `--help` need none of it. */
export function declareCommands(program: Command, io: Io, invocation: Invocation): void {
  program.hook("preAction", (_, action) => {
    if (invocation.command === null || action.name() === "drill") return;
    throw new AirlockError("usage", `${action.name()} runs no command`, { remedy: "leave out the --" });
  });
  program
    .command("keygen")
    .description("make an age identity; its recipient goes into the hosts' configuration")
    .option("--pq", "post-quantum keys (ML-KEM-768 with X25519)")
    .option("--out <FILE>", "write the identity to this new file, and only the recipient to standard output")
    .action(async (options: KeygenOptions) => (await import("./keygen-command.ts")).runKeygen(io, options));

  program
    .command("kit")
    .description("make the emergency kit to print, or verify what the paper says; a kit is a secret")
    .option("--out <KIT.pdf>", "write the kit to this new file, mode 0600")
    .option("--verify", "have the printed identity typed or scanned back, and try it on what the vault holds")
    .option("--identity <FILE>", "the age identity; `-` reads it from standard input; without it, it is asked for")
    .option("--recipient <RECIPIENT>", "with --verify: compare with this recipient, and ask no vault")
    .option("--without-key", "leave the key that reads the vault out of the kit")
    .option("--offline", "make the kit without asking the vault: nothing is tried, and no end of the ledger is noted")
    .action(async (options: KitOptions) => (await import("./kit-command.ts")).runKit(io, options));

  program
    .command("ls")
    .description("list what the vault holds")
    .argument("[HOST[/SET]]", "only this host or set; without a set, the newest of each are shown")
    .option("--at <TIME>", `what was there then, ${TIME_HELP}`)
    .option("--since <TIME>", "only what came then or later; with --at: between the two")
    .option("--limit <N>", "so many of each set, the newest; default: 10, of a named set 1000, with --json all")
    .option("--all", "all of each set")
    .option("--rebuild-index", "read the ledgers whole, and forget what the local index knew of them")
    .action(async (what: string | undefined, options: LsOptions) =>
      (await import("./ls-command.ts")).runLs(io, what, options),
    );

  program
    .command("restore")
    .description("restore the newest object of a set, or of every set of a host, after verifying it")
    .argument("<HOST[/SET]>", "the set, the whole key of one object, or a host: each set into a folder of its name")
    .option("--at <TIME>", `the newest that was there then, ${TIME_HELP}`)
    .option("--to <DIR>", "where to; `-` writes the decoded bytes to standard output", ".")
    .option("--identity <FILE>", "the age identity or its 24 words; `-` reads standard input; without it you are asked")
    .option("--only <PATH>", "of an archive only this member, or folder with what is in it; may be repeated", collect)
    .option("--list", "name an archive's members, and restore nothing")
    .option("--devices", "restore device nodes, too (as root)")
    .option("--max-size <SIZE>", "how large it may get; by default 200 times what is stored, or 1GiB")
    .option("--thaw <DAYS>", "ask for copies of objects in an archive class, readable so long; needs s3:RestoreObject")
    .addOption(
      new Option("--tier <TIER>", "how fast they come, and what it costs").choices(["expedited", "standard", "bulk"]),
    )
    .option("--wait", "wait until they are there, which takes minutes or hours")
    .option("--raw", "the stored bytes as they are: neither decrypted nor unpacked")
    .option("--unverified", "also what no signature of the host, or no whole ledger, vouches for")
    .action(async (what: string, options: RestoreOptions) =>
      (await import("./restore-command.ts")).runRestore(io, what, options),
    );

  program
    .command("drill")
    .summary("restore some sets to be thrown away again, and record how it went")
    .description(
      "Restores the newest object of a random sample of sets, or of those named, into a scratch folder, which is removed; " +
        "records the result for `airlock report`. Says nothing where all is well and nobody looks: made for cron.",
    )
    .usage("[options] [HOST[/SET]] [--run -- COMMAND…]")
    .argument("[HOST[/SET]]", "this set, or every set of this host, instead of a sample")
    .option("--sample <N>", "how many sets are drawn", "3")
    .option("--largest <SIZE>", "draw none that is stored larger")
    .option("--max-size <SIZE>", "how large each may get; by default 200 times what is stored, or 1GiB")
    .option("--identity <FILE>", "the age identity or its 24 words; `-` reads standard input; without it you are asked")
    .option("--run", "run the command behind `--` in the folder of each; it passes if the command exits with 0")
    .option("--run-limit <DURATION>", "how long it may take", "1h")
    .option("--scratch <DIR>", "where the scratch folder is made; default: $TMPDIR or /tmp")
    .option("--results <DIR>", "where the result is written; default: ~/.local/state/airlock/drills")
    .action(async (what: string | undefined, options: DrillOptions) =>
      (await import("./drill-command.ts")).runDrill(io, what, invocation, options),
    );

  program
    .command("verify")
    .description("verify ledgers, signatures and what the vault holds; exit 5 on any finding")
    .option("--locks", "check every object's lock, not a sample of 100")
    .option("--read", "read every byte of every object, too")
    .option("--since <FILE>", "the ledgers have to hold what this checkpoint saw: an end that was cut off is found")
    .option(
      "--checkpoint <FILE>",
      "write what was seen to this file, to be kept elsewhere; an earlier one is compared first",
    )
    .action(async (options: VerifyOptions) => (await import("./verify-command.ts")).runVerify(io, options));

  program
    .command("status")
    .description("show whether backups still come and ledgers still grow, from the vault alone; exit 5 if not")
    .option("--quiet", "say nothing while all is as expected (for cron)")
    .action(async (options: StatusOptions) => (await import("./status-command.ts")).runStatus(io, options));

  program
    .command("audit")
    .description("try, without harm, what somebody who got this key could do; exit 7 if more than its role should")
    .addOption(new Option("--role <ROLE>", "what the key is for").choices(ROLES).makeOptionMandatory())
    .option("--credentials <SOURCE>", `the key: ${SOURCES}; default for the operator: the configured one`)
    .option("--bucket <BUCKET>", "the drop-zone or vault; default for the vault: the configured one")
    .option("--region <REGION>", "the bucket's region")
    .option("--endpoint <URL>", "another S3 store than AWS's own")
    .option("--path-style", "https://endpoint/bucket instead of https://bucket.endpoint")
    .option("--allow-plaintext", "an http:// endpoint beyond this machine")
    .option("--bucket-owner <ACCOUNT>", "refuse another account's bucket: 12 digits")
    .option("--checksums <MODE>", "auto, or required-only for stores that reject the default checksums")
    .option("--host <HOST>", "in the drop-zone: whose key it is, or at whose place the mover's is tried")
    .option("--foreign", "a host that writes by other means than Airlock: without the create-only condition")
    .option("--readback", "a mover with `verify: readback`, which may read what it archived")
    .option("--queue-url <URL>", "the queue of the drop-zone's events, to be tried as well")
    .action(async (options: AuditOptions) => (await import("./audit-command.ts")).runAudit(io, options));

  program
    .command("report")
    .description("write one self-contained HTML page: freshness, exposure, volume, holds, alarms, ledger, last drill")
    .requiredOption("--out <FILE>", "where to; a file that is there is replaced")
    .option("--days <N>", "how far the charts look back", "90")
    .option("--drills <DIR>", "where `airlock drill` keeps its results")
    .action(async (options: ReportOptions) => (await import("./report-command.ts")).runReport(io, options));
}
