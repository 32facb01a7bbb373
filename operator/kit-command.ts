import { identityToRecipient } from "age-encryption";
import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import { createFile } from "../shared/files.ts";
import { printable } from "../shared/printable.ts";
import { readAccessKey } from "../shared/s3/read-credentials.ts";
import { VERSION } from "../shared/version.ts";
import { readOperatorConfig } from "./config.ts";
import { identityToWords } from "./identity-words.ts";
import { readIdentities } from "./identity.ts";
import { fingerprintKit, formatFingerprint, recipientId, type Kit } from "./kit.ts";
import { runKitVerify } from "./kit-verify-command.ts";
import type { LedgerProblem } from "./ledger-reader.ts";
import { warnOfLedger } from "./ledger-warnings.ts";
import { openVault } from "./open-vault.ts";
import { requireFree } from "./place.ts";
import { readBeginnings, surveyVault, tryIdentity, type Opened, type Survey } from "./survey.ts";
import { identityInput } from "./terminal.ts";

export interface KitOptions {
  readonly out?: string;
  readonly verify?: true;
  readonly identity?: string;
  readonly recipient?: string;
  readonly offline?: true;
  /** commander's form of --without-key. */
  readonly withoutKey?: true;
}

/** `airlock kit --out KIT.pdf`, `airlock kit --verify` */
export async function runKit(io: Io, options: KitOptions): Promise<void> {
  const { out, verify, recipient, offline, withoutKey } = options;
  if ((out === undefined) === (verify === undefined)) {
    throw new AirlockError("usage", "a kit is either made or verified", {
      remedy: "give --out KIT.pdf, or --verify",
    });
  }
  if (out === undefined) {
    if (offline === true || withoutKey === true) {
      throw new AirlockError("usage", "--offline and --without-key are for making a kit", {
        remedy: "leave them out; --recipient verifies without asking the vault",
      });
    }
    await runKitVerify(io, options);
    return;
  }
  if (recipient !== undefined) {
    throw new AirlockError("usage", "--recipient is for --verify", {
      remedy: "leave it out: a kit is made from the identity",
    });
  }
  await makeKit(io, out, options);
}

async function makeKit(io: Io, out: string, options: KitOptions): Promise<void> {
  await requireFree(out);
  const config = await readOperatorConfig(io.configFile);
  // before anything secret is asked for or anything long is done
  const readKey = options.withoutKey === true ? null : await readAccessKey(config.vault);
  const identity = await readOneIdentity(io, options.identity ?? null);
  const warnings = warnOfLedger(io);
  const looked = options.offline === true ? null : await look(io, identity, (problem) => warnings.add(problem));
  const kit: Kit = {
    madeAt: new Date(),
    version: VERSION,
    vault: config.vault,
    readKey,
    identity,
    words: identityToWords(identity),
    recipient: await identityToRecipient(identity),
    movers: config.movers,
    hosts: config.hosts,
    seen: looked?.survey ?? null,
  };
  // a megabyte of typesetting, which no other command needs
  const { drawKit } = await import("./kit-pdf.ts");
  await createFile(out, await drawKit(kit), { mode: 0o600 });
  warnings.end();
  io.print(madeValue(out, kit, looked), () => describeMade(out, kit, looked));
  if (warnings.isDamaged) io.exitWith(5);
}

async function readOneIdentity(io: Io, from: string | null): Promise<string> {
  const [identity, ...others] = await readIdentities(from, identityInput(io));
  if (identity !== undefined && others.length === 0) return identity;
  throw new AirlockError("usage", `these are ${others.length + 1} identities, and a kit is for one`, {
    remedy: "make a kit for each",
  });
}

interface Looked extends Opened {
  readonly survey: Survey;
  readonly unreadable: readonly string[];
}

/** With the read key that will be printed, so that it is known to work. */
async function look(io: Io, identity: string, onLedgerProblem: (problem: LedgerProblem) => void): Promise<Looked> {
  await using vault = await openVault(io);
  const { reader, config } = vault;
  const survey = await surveyVault({ reader, config, signal: io.abort, onLedgerProblem });
  const { sealed, unreadable } = await readBeginnings(reader, survey.encrypted, io.abort);
  return { survey, unreadable, ...(await tryIdentity(identity, sealed)) };
}

function madeValue(file: string, kit: Kit, looked: Looked | null): object {
  return {
    file,
    fingerprint: fingerprintKit(kit),
    madeAt: kit.madeAt.toISOString(),
    recipient: kit.recipient,
    recipientId: recipientId(kit.recipient),
    accessKeyId: kit.readKey?.accessKeyId ?? null,
    heads: looked?.survey.heads ?? null,
    opens: looked?.opens ?? null,
    opensNot: looked?.opensNot ?? null,
    unreadable: looked?.unreadable ?? null,
  };
}

function describeMade(file: string, kit: Kit, looked: Looked | null): string {
  const lines = [
    `${printable(file)}: print it, and delete it once the paper is verified; it holds every secret of a restore`,
    `  fingerprint  ${formatFingerprint(fingerprintKit(kit))}`,
    `  recipient    ${kit.recipient.length > 80 ? `${kit.recipient.slice(0, 32)}…` : kit.recipient}, id ${formatFingerprint(recipientId(kit.recipient))}`,
    ...describeOpened(looked),
    "  next         airlock kit --verify, with the paper in your hand",
  ];
  return lines.join("\n");
}

function describeOpened(looked: Looked | null): readonly string[] {
  if (looked === null) return ["  WARNING      the vault was not asked: neither the key nor the identity was tried"];
  const { opens, opensNot, unreadable } = looked;
  const line = (label: string, text: string, sets: readonly string[]): readonly string[] =>
    sets.length === 0 ? [] : [`  ${label.padEnd(11)}  ${text} ${sets.map(printable).join(", ")}`];
  return [
    ...line("opens", "the newest of", opens),
    ...line("WARNING", "the identity does not open the newest of", opensNot),
    ...line("WARNING", "not tried, since it can't be read now: the newest of", unreadable),
    ...(opens.length + opensNot.length === 0
      ? ["  WARNING      nothing encrypted is in the vault: the identity was not tried"]
      : []),
  ];
}
