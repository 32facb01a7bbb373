import { createHash } from "node:crypto";
import { isAirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import type { Timing } from "../shared/retry.ts";
import type { VaultReader } from "../shared/stores.ts";
import { readStoredObject } from "./download.ts";
import type { Finding, Report } from "./findings.ts";
import { createHashIndex } from "./hash-index.ts";
import { readLedgers, type LedgerEnd } from "./ledger-reader.ts";
import type { ObjectTable } from "./object-table.ts";
import { prefetch } from "./prefetch.ts";
import { storedObjectOf, type StoredObject } from "./stored-object.ts";

/** Each with one range of 8 MiB: 64 MiB in memory. */
const OBJECTS_AT_ONCE = 8;

export interface ReadTotals {
  readonly objects: number;
  readonly bytes: number;
}

export interface ReadContext {
  readonly reader: VaultReader;
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly report: Report;
  readonly drained: () => Promise<void>;
  readonly onRead: (doneBytes: number, totalBytes: number) => void;
}

/** Reads every byte of every object that the ledgers record and the vault holds, and compares the digests. */
export async function readObjects(
  context: ReadContext,
  table: ObjectTable,
  ends: ReadonlyMap<string, LedgerEnd | null>,
  totalBytes: number,
): Promise<ReadTotals> {
  let objects = 0;
  let bytes = 0;
  const load = async (object: StoredObject, signal: AbortSignal): Promise<readonly [StoredObject, Finding | null]> => [
    object,
    await compareDigest(object, context, signal),
  ];
  const all = recordedObjects(context, table, ends);
  for await (const [object, finding] of prefetch(all, OBJECTS_AT_ONCE, load, context.signal)) {
    if (finding !== null) context.report(finding);
    objects += 1;
    bytes += object.sizeBytes;
    context.onRead(bytes, totalBytes);
    await context.drained();
  }
  return { objects, bytes };
}

/** Each name once, as far as the ledgers were verified; what the vault does not hold is known already. */
async function* recordedObjects(
  { reader, movers, signal }: ReadContext,
  table: ObjectTable,
  ends: ReadonlyMap<string, LedgerEnd | null>,
): AsyncGenerator<StoredObject, void, undefined> {
  const done = createHashIndex();
  const upToEnd = (mover: string): { upTo: number } => ({ upTo: ends.get(mover)?.segment ?? 0 });
  for await (const item of readLedgers(reader, movers, signal, upToEnd)) {
    if (item.kind === "problem") continue; // reported when the ledgers were verified
    const { header, entries } = item.segment;
    for (const entry of entries) {
      const object = storedObjectOf(entry, header.mover, header.segment);
      if (object !== null && table.isSeen(object.vaultName) && done.insert(object.vaultName).isNew) yield object;
    }
  }
}

async function compareDigest(
  object: StoredObject,
  { reader, timing }: ReadContext,
  signal: AbortSignal,
): Promise<Finding | null> {
  const finding = (message: string, code: Finding["code"] = "object-corrupt"): Finding => ({
    code,
    subject: object.vaultName,
    message,
    mover: object.mover,
    segment: object.segment,
  });
  const hash = createHash("sha256");
  try {
    for await (const piece of readStoredObject(reader, object, timing, signal, { rangesAhead: 1 })) hash.update(piece);
  } catch (error) {
    if (isAirlockError(error, "object-corrupt")) return finding(error.message);
    // an archived class, or a key of the customer's: nothing is known of its bytes
    if (isAirlockError(error, "object-unreadable")) return finding(error.message, "object-unreadable");
    throw error;
  }
  const digest = hash.digest("hex");
  return digest === object.sha256
    ? null
    : finding(`its bytes have the digest ${digest}, the ledger recorded ${object.sha256}`);
}
