import { identityToRecipient } from "age-encryption";
import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import { printable } from "../shared/printable.ts";
import { readIdentityText } from "./identity.ts";
import { formatFingerprint, recipientId } from "./kit.ts";
import { warnOfLedger } from "./ledger-warnings.ts";
import { openVault } from "./open-vault.ts";
import { readPrintedIdentity } from "./printed-identity.ts";
import { readBeginnings, surveyVault, tryIdentity, type Opened, type SealedObjects } from "./survey.ts";
import { identityInput } from "./terminal.ts";

export interface KitVerifyOptions {
  readonly identity?: string;
  readonly recipient?: string;
}

/** `airlock kit --verify [--recipient RECIPIENT] [--identity FILE|-]` */
export async function runKitVerify(io: Io, { identity: from, recipient }: KitVerifyOptions): Promise<void> {
  const read = (): Promise<string> => readIdentityText(from ?? null, identityInput(io));
  const { identity, opened } =
    recipient === undefined ? await verifyByVault(io, read) : await verifyByRecipient(recipient, read);
  const own = await identityToRecipient(identity);
  const value = { recipient: own, recipientId: recipientId(own), ...opened };
  io.print(value, () => describe(own, opened));
  if ((opened?.opensNot.length ?? 0) > 0) io.exitWith(6);
}

interface Verified {
  readonly identity: string;
  /** null: compared by the recipient alone. */
  readonly opened: (Opened & Pick<SealedObjects, "unreadable">) | null;
}

const RECIPIENT = /^age1[0-9a-z]{50,4000}$/;

async function verifyByRecipient(recipient: string, read: () => Promise<string>): Promise<Verified> {
  if (!RECIPIENT.test(recipient)) {
    throw new AirlockError("usage", "--recipient is not an age recipient", {
      remedy: "give it whole, as it stands under `encrypt` in a host's configuration: age1…",
    });
  }
  const matches = async (identity: string): Promise<boolean> => (await identityToRecipient(identity)) === recipient;
  return { identity: await readPrintedIdentity(await read(), matches), opened: null };
}

/** What hosts really encrypt to is shown by what they have stored. */
async function verifyByVault(io: Io, read: () => Promise<string>): Promise<Verified> {
  const warnings = warnOfLedger(io);
  await using vault = await openVault(io);
  const { reader, config } = vault;
  const survey = await surveyVault({
    reader,
    config,
    signal: io.abort,
    onLedgerProblem: (problem) => warnings.add(problem),
  });
  warnings.end();
  const { sealed, unreadable } = await readBeginnings(reader, survey.encrypted, io.abort);
  if (sealed.length === 0) {
    throw new AirlockError("entry-missing", "the vault holds nothing encrypted that the identity could be tried on", {
      remedy: "give --recipient, as it stands under `encrypt` in a host's configuration",
    });
  }
  const matches = async (identity: string): Promise<boolean> => (await tryIdentity(identity, sealed)).opens.length > 0;
  const identity = await readPrintedIdentity(await read(), matches);
  return { identity, opened: { ...(await tryIdentity(identity, sealed)), unreadable } };
}

function describe(recipient: string, opened: Verified["opened"]): string {
  const shown = recipient.length > 80 ? `${recipient.slice(0, 32)}…` : recipient;
  const sets = (label: string, names: readonly string[] = []): readonly string[] =>
    names.length === 0 ? [] : [`  ${label.padEnd(10)} ${names.map(printable).join(", ")}`];
  return [
    "the printed identity is right",
    `  recipient  ${shown}, id ${formatFingerprint(recipientId(recipient))}`,
    ...sets("opens", opened?.opens),
    ...sets("opens not", opened?.opensNot),
    ...sets("not tried", opened?.unreadable),
  ].join("\n");
}
