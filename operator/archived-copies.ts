import { AirlockError, isAirlockError } from "../shared/errors.ts";
import { formatBytes } from "../shared/config/units.ts";
import type { Timing } from "../shared/retry.ts";
import type { ArchivedObjects, ArchiveTier, Readability, VaultReader } from "../shared/stores.ts";
import { prefetch } from "./prefetch.ts";
import type { StoredObject } from "./stored-object.ts";

const AT_ONCE = 8;
/** A HEAD each; the fastest tier takes minutes. */
const POLL_MS = 60_000;

export interface ArchiveContext {
  readonly reader: VaultReader;
  readonly archived: ArchivedObjects;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  /** For so many days copies are asked for; null: they are not. */
  readonly thawDays: number | null;
  readonly tier: ArchiveTier;
  /** Whether to wait until they are there. */
  readonly waits: boolean;
  /** For the person at the terminal, or in a log: waiting takes hours. */
  readonly tell: (sentence: string) => void;
}

/** An object whose bytes can't be had yet. */
export interface PendingCopy {
  readonly object: StoredObject;
  readonly storageClass: string;
  readonly isAskedFor: boolean;
}

/**
 * Finds which of the objects lie in an archive class and, where that was wanted, asks for copies that can be read.
 * @returns those that can't be read yet, by their names in the vault
 * @throws {AirlockError} `access-denied` where the key may not ask; `usage` for a tier that a class does not have
 */
export async function requestCopies(
  objects: readonly StoredObject[],
  context: ArchiveContext,
): Promise<ReadonlyMap<string, PendingCopy>> {
  const pending = new Map<string, PendingCopy>();
  const look = async (object: StoredObject, signal: AbortSignal) => {
    const state = await readState(object, { ...context, signal }).catch((error: unknown): Readability => {
      // a HEAD's 404 has no body, and so says as little as a proxy's: reading the object tells
      if (isAirlockError(error, "store-unavailable")) return { state: "readable" };
      throw error;
    });
    return [object, state] as const;
  };
  for await (const [object, found] of prefetch(objects, AT_ONCE, look, context.signal)) {
    if (found.state === "readable") continue;
    const { storageClass } = found;
    pending.set(object.vaultName, { object, storageClass, isAskedFor: found.state === "under-way" });
  }
  const { thawDays, tier } = context;
  if (thawDays === null) return pending;
  for (const copy of pending.values()) timeOf(copy, tier);
  const ask = async (copy: PendingCopy, signal: AbortSignal): Promise<PendingCopy> => {
    if (!copy.isAskedFor) await requestCopy(copy, thawDays, { ...context, signal });
    return { ...copy, isAskedFor: true };
  };
  for await (const copy of prefetch([...pending.values()], AT_ONCE, ask, context.signal)) {
    pending.set(copy.object.vaultName, copy);
  }
  return pending;
}

/** Waits until the object can be read. @throws {AirlockError} `archive-class` where nobody waits, or nobody asked */
export async function awaitCopy(copy: PendingCopy | undefined, context: ArchiveContext): Promise<void> {
  if (copy === undefined) return;
  const { object } = copy;
  if (!copy.isAskedFor || !context.waits) throw notReadable(copy, context);
  context.tell(`${object.group} can be read in ${timeOf(copy, context.tier)}; waiting`);
  while ((await readState(object, context)).state !== "readable") {
    await context.timing.sleep(POLL_MS * (0.5 + context.timing.random() / 2), context.signal);
  }
}

async function readState(object: StoredObject, { reader, archived, signal }: ArchiveContext): Promise<Readability> {
  const { vaultName, vaultVersionId } = object;
  try {
    const found = await archived.readReadability(vaultName, vaultVersionId, signal);
    if (found.state === "readable" || object.sizeBytes === 0) return { state: "readable" };
    try {
      (await reader.openObject(vaultName, vaultVersionId, { first: 0, last: 0 }, signal)).close();
      return { state: "readable" }; // a store for which the class is a name and no more
    } catch (error) {
      if (isAirlockError(error, "object-unreadable")) return found;
      throw error;
    }
  } catch (error) {
    // what can't be looked at is for the one who reads it to judge
    if (isAirlockError(error, "not-found", "request-invalid", "object-unreadable")) return { state: "readable" };
    throw error;
  }
}

async function requestCopy({ object }: PendingCopy, days: number, context: ArchiveContext): Promise<void> {
  const { archived, tier, signal } = context;
  try {
    await archived.requestCopy(object.vaultName, object.vaultVersionId, { days, tier }, signal);
  } catch (cause) {
    if (!isAirlockError(cause, "access-denied")) throw cause;
    throw new AirlockError(
      "access-denied",
      "it lies in an archive class, and this key may not ask for a copy that can be read",
      {
        subject: object.vaultName,
        remedy: `have somebody who may (s3:RestoreObject) run: ${commandFor(object, days, context)} and then restore again`,
        cause,
      },
    );
  }
}

function notReadable(copy: PendingCopy, context: ArchiveContext): AirlockError {
  const { object, storageClass, isAskedFor } = copy;
  const when = timeOf(copy, context.tier);
  if (isAskedFor) {
    return new AirlockError(
      "archive-class",
      `it lies in the class ${storageClass}; a copy was asked for and comes within ${when}`,
      {
        subject: object.vaultName,
        remedy: "run the same command again then, or with --wait now",
      },
    );
  }
  return new AirlockError(
    "archive-class",
    `it lies in the class ${storageClass} (${formatBytes(object.sizeBytes)}): a copy that can be read has to be asked for, and comes within ${when}`,
    {
      subject: object.vaultName,
      remedy: `ask for it with --thaw 3 and a key that has s3:RestoreObject, or have somebody who has it run: ${commandFor(object, 3, context)}`,
    },
  );
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html */
type Times = Readonly<Record<ArchiveTier, string | null>>;
const SHALLOW: Times = { expedited: "5 minutes", standard: "5 hours", bulk: "12 hours" };
const DEEP: Times = { expedited: null, standard: "12 hours", bulk: "48 hours" };
const TIMES: ReadonlyMap<string, Times> = new Map([
  ["GLACIER", SHALLOW],
  ["ARCHIVE_ACCESS", SHALLOW],
  ["DEEP_ARCHIVE", DEEP],
  ["DEEP_ARCHIVE_ACCESS", DEEP],
]);

function timeOf({ object, storageClass }: PendingCopy, tier: ArchiveTier): string {
  const time = TIMES.get(storageClass)?.[tier] ?? null;
  if (time !== null) return time;
  throw new AirlockError("usage", `the class ${storageClass} has no tier ${tier}`, {
    subject: object.vaultName,
    remedy: "leave out --tier, or ask for --tier bulk",
  });
}

const TIER_NAMES = { expedited: "Expedited", standard: "Standard", bulk: "Bulk" } satisfies Record<ArchiveTier, string>;

function commandFor(
  { vaultName, vaultVersionId }: StoredObject,
  days: number,
  { reader, tier }: ArchiveContext,
): string {
  const version = vaultVersionId === null ? "" : ` --version-id ${quote(vaultVersionId)}`;
  const request = `{"Days":${days},"GlacierJobParameters":{"Tier":"${TIER_NAMES[tier]}"}}`;
  return `aws s3api restore-object --bucket ${reader.bucket} --key ${quote(vaultName)}${version} --restore-request ${quote(request)}`;
}

/** For a shell: what a ledger says may hold anything. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
