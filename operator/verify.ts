import type { PublicKey } from "../shared/keys.ts";
import { parseSegment } from "../shared/ledger.ts";
import type { Timing } from "../shared/retry.ts";
import type { VaultReader } from "../shared/stores.ts";
import { checkEntry } from "./check-entry.ts";
import type { Finding } from "./findings.ts";
import { readLedgers, type LedgerEnd, type LedgerProblem } from "./ledger-reader.ts";
import { createObjectTable, type ObjectTable } from "./object-table.ts";
import { prefetch } from "./prefetch.ts";
import { readObjects, type ReadTotals } from "./read-objects.ts";
import { createSequences, type Sequences } from "./sequences.ts";
import { listVault, type Unrecorded } from "./list-vault.ts";
import { withSigners, type SignedItem } from "./signed-segments.ts";
import type { StoredObject } from "./stored-object.ts";

/** An object becomes visible just before it is recorded; one that is younger than this is no finding. */
const IN_FLIGHT_MS = 10 * 60_000;

export interface VerifyContext {
  readonly reader: VaultReader;
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly hosts: ReadonlyMap<string, readonly PublicKey[]>;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly report: (finding: Finding) => void;
  /** Resolves when what was reported has been taken; asked between steps, since findings may be without number. */
  readonly drained: () => Promise<void>;
  readonly onRead: (doneBytes: number, totalBytes: number) => void;
}

export interface MoverSummary {
  readonly mover: string;
  readonly segments: number;
  readonly entries: number;
  /** Worth keeping elsewhere: a later ledger that does not lead here was cut off or rewritten. */
  readonly head: { readonly segment: number; readonly digest: string } | null;
}

export interface VerifySummary {
  readonly movers: readonly MoverSummary[];
  /** Objects that the ledgers record, and their stored bytes. */
  readonly objects: number;
  readonly bytes: number;
  /** Of these, objects that no host's signature was to be expected for. */
  readonly unsigned: number;
  /** Epochs of all hosts. */
  readonly epochs: number;
  /** What the movers themselves recorded as findings, by code. */
  readonly recordedFindings: ReadonlyMap<string, number>;
  /** Objects that no ledger records yet and that are too young for it to mean anything. */
  readonly inFlight: number;
  /** null: bytes were not asked for. */
  readonly read: ReadTotals | null;
}

interface MoverState {
  segments: number;
  entries: number;
  end: LedgerEnd | null;
}

interface Books {
  readonly table: ObjectTable;
  readonly sequences: Sequences;
  readonly movers: Map<string, MoverState>;
  readonly recordedFindings: Map<string, number>;
  objects: number;
  bytes: number;
  unsigned: number;
}

/**
 * Verifies the vault against the operator's own keys: first the ledgers, then a listing, so that whatever a ledger
 * records was there before the listing began; then what the ledgers recorded meanwhile.
 */
export async function verify(context: VerifyContext, readBytes: boolean): Promise<VerifySummary> {
  const books: Books = {
    table: createObjectTable(),
    sequences: createSequences(),
    movers: new Map([...context.movers.keys()].map((mover) => [mover, { segments: 0, entries: 0, end: null }])),
    recordedFindings: new Map(),
    objects: 0,
    bytes: 0,
    unsigned: 0,
  };
  for await (const item of withSigners(
    readLedgers(context.reader, context.movers, context.signal),
    context.hosts,
    context.signal,
  )) {
    enterItem(books, item, context, (object, number) => recordObject(books, object, number, context));
    await context.drained();
  }
  const ends = new Map([...books.movers].map(([mover, { end }]) => [mover, end]));
  const unrecorded = await listVault(context, books.table);
  const inFlight = await settleUnrecorded(books, unrecorded, context);
  for (const hole of books.sequences.holes()) context.report(hole);
  await reportMissing(books, context);
  const read = readBytes ? await readObjects(context, books.table, ends, books.bytes) : null;
  return {
    movers: [...books.movers].map(([mover, { segments, entries, end }]) => ({
      mover,
      segments,
      entries,
      head: end === null ? null : { segment: end.segment, digest: end.digest },
    })),
    objects: books.objects,
    bytes: books.bytes,
    unsigned: books.unsigned,
    epochs: books.sequences.epochs,
    recordedFindings: books.recordedFindings,
    inFlight,
    read,
  };
}

function enterItem(
  books: Books,
  { item, signers }: SignedItem,
  context: VerifyContext,
  record: (object: StoredObject, moverNumber: number) => void,
): void {
  if (item.kind === "problem") {
    context.report(findingOf(item));
    return;
  }
  const { header, entries, digest } = item.segment;
  const state = books.movers.get(header.mover) ?? { segments: 0, entries: 0, end: null };
  books.movers.set(header.mover, state);
  state.segments += 1;
  state.entries += entries.length;
  state.end = { segment: header.segment, digest, index: entries.at(-1)?.index ?? state.end?.index ?? 0 };
  const moverNumber = [...books.movers.keys()].indexOf(header.mover);
  for (const entry of entries) {
    for (const { code } of entry.findings)
      books.recordedFindings.set(code, (books.recordedFindings.get(code) ?? 0) + 1);
    const { object, statement, findings } = checkEntry(
      entry,
      header.mover,
      header.segment,
      context.hosts,
      signers.get(entry.index) ?? null,
    );
    for (const finding of findings) context.report(finding);
    if (statement !== null) {
      for (const finding of books.sequences.see(statement, header.mover, header.segment)) context.report(finding);
    }
    if (object !== null) record(object, moverNumber);
  }
}

function recordObject(books: Books, object: StoredObject, mover: number, context: VerifyContext): void {
  const { vaultName, vaultVersionId, sizeBytes, sha256, segment } = object;
  const before = books.table.size;
  const agrees = books.table.record(vaultName, { sizeBytes, sha256, versionId: vaultVersionId, mover, segment });
  if (!agrees) {
    context.report({
      code: "entry-conflict",
      subject: vaultName,
      message: `entry ${object.index}: the same name is recorded with another size or digest before`,
      mover: object.mover,
      segment,
    });
  }
  if (books.table.size > before) countObject(books, object);
}

function countObject(books: Books, object: StoredObject): void {
  books.objects += 1;
  books.bytes += object.sizeBytes;
  if (object.signed === null) books.unsigned += 1;
}

/** What the ledgers recorded while the vault was listed accounts for most of what seemed to be unrecorded. */
async function settleUnrecorded(books: Books, unrecorded: Unrecorded, context: VerifyContext): Promise<number> {
  const recordedSince = new Set<string>();
  const after = (mover: string): { after: LedgerEnd | null } => ({ after: books.movers.get(mover)?.end ?? null });
  for await (const signed of withSigners(
    readLedgers(context.reader, context.movers, context.signal, after),
    context.hosts,
    context.signal,
  )) {
    // What concerns a whole ledger was reported the first time.
    if (signed.item.kind === "problem" && signed.item.segment === null) continue;
    enterItem(books, signed, context, (object) => {
      if (books.table.isRecorded(object.vaultName) || recordedSince.has(object.vaultName)) return;
      recordedSince.add(object.vaultName);
      countObject(books, object);
    });
  }
  let inFlight = 0;
  for (const { name, lastModified } of unrecorded.objects) {
    if (recordedSince.has(name)) continue;
    if (context.timing.now() - lastModified.getTime() < IN_FLIGHT_MS) {
      inFlight += 1;
      continue;
    }
    context.report({
      code: "object-unrecorded",
      subject: name,
      message: "no ledger records this object",
      mover: null,
      segment: null,
    });
  }
  if (unrecorded.more > 0) {
    const message = `no ledger records these ${unrecorded.more} further objects`;
    context.report({ code: "object-unrecorded", subject: "archive/", message, mover: null, segment: null });
  }
  return inFlight;
}

/** The table knows where what is missing was recorded, not its name: those segments are read once more. */
async function reportMissing(books: Books, { reader, report, drained, signal }: VerifyContext): Promise<void> {
  const movers = [...books.movers.keys()];
  const reported = new Set<string>();
  for (const [number, segments] of books.table.unseen()) {
    const mover = movers[number] ?? "";
    const store = reader.ledgerOf(mover);
    const load = async (segment: number, loadSignal: AbortSignal): Promise<ReturnType<typeof parseSegment>> =>
      parseSegment(await store.readSegment(segment, loadSignal), mover, segment);
    for await (const { header, entries } of prefetch(
      [...segments].toSorted((a, b) => a - b),
      16,
      load,
      signal,
    )) {
      for (const { vault, index } of entries) {
        if (vault === null || books.table.isSeen(vault.name) || !books.table.isRecorded(vault.name)) continue;
        if (reported.has(vault.name)) continue;
        reported.add(vault.name);
        const message = `entry ${index}: the vault does not hold this object`;
        report({ code: "object-missing", subject: vault.name, message, mover, segment: header.segment });
      }
      await drained();
    }
  }
}

function findingOf({ code, mover, segment, subject, message }: LedgerProblem): Finding {
  return { code, subject, message, mover, segment };
}
