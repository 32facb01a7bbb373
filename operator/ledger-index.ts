import type { DatabaseSync } from "node:sqlite";
import { isAirlockError } from "../shared/errors.ts";
import { segmentDigest } from "../shared/ledger.ts";
import type { VaultReader } from "../shared/stores.ts";
import type { OperatorConfig } from "./config.ts";
import { openIndexFile } from "./index-file.ts";
import { dropMover, dropOtherKeys } from "./index-keys.ts";
import {
  ALL_OBJECTS,
  listFindings,
  listHolds,
  listObjectsOf,
  listSets,
  type ListedFinding,
  type ListedHolds,
  type ListedSet,
  type ObjectFilter,
} from "./index-reader.ts";
import { createIndexWriter, type IndexWriter } from "./index-writer.ts";
import { ledgerProblem, readLedger, type LedgerEnd, type LedgerProblem } from "./ledger-reader.ts";
import type { ListedObject } from "./listed-object.ts";
import { withSigners } from "./signed-segments.ts";

/** As much as an interruption can cost. */
const ENTRIES_PER_COMMIT = 20_000;

export interface IndexOptions {
  readonly reader: VaultReader;
  readonly config: Pick<OperatorConfig, "movers" | "hosts">;
  /** Where what was verified is kept; null: nowhere. */
  readonly file: string | null;
  /** Begins with an empty index, whatever it remembers. */
  readonly rebuild?: boolean;
  readonly signal: AbortSignal;
  /** Told of each segment that has to be read, and of what is done otherwise than expected. */
  readonly onSegment?: (mover: string, segment: number, entries: number) => void;
  readonly onRemark?: (remark: string) => void;
}

/** One mover's ledger, as far as it could be read. */
export interface IndexedLedger {
  readonly mover: string;
  readonly segments: number;
  readonly entries: number;
  /** Of its last segment. null: there is none. */
  readonly head: { readonly segment: number; readonly digest: string; readonly writtenAt: Date } | null;
}

/**
 * Everything that the ledgers say and that is proven: each segment is signed by a listed key, each statement was verified
 * with the host's. What lies behind damage is in it too, as far as it is signed; `problems` then tells of the damage.
 */
export interface LedgerIndex extends Disposable {
  /** Of all configured movers. */
  readonly ledgers: readonly IndexedLedger[];
  /** What is wrong with the ledgers; none: all of it is proven. */
  readonly problems: readonly LedgerProblem[];
  /** By name. */
  sets(filter?: ObjectFilter): readonly ListedSet[];
  /** Of one set, each object once, at its earliest record; newest first. Read it to its end before the next. */
  objects(set: Pick<ListedSet, "id">, filter?: ObjectFilter, limit?: number): Iterable<ListedObject>;
  /** What the movers noticed, in the ledgers' order. */
  findings(): Iterable<ListedFinding>;
  /** Counts of held objects, as often as they changed. */
  holds(): Iterable<ListedHolds>;
}

/**
 * Brings the local index up to the vault's ledgers and opens it. The vault decides: a ledger is taken from the index only
 * while the vault holds, byte for byte, the last segment that was indexed, whose digest commits to all before it; only
 * what follows it is read. Where that segment is gone or another, the whole ledger is read anew and the difference is a
 * problem, this time and every time until the index is rebuilt. What lies behind damage is never kept.
 */
export async function openLedgerIndex(options: IndexOptions): Promise<LedgerIndex> {
  const { config, file, onRemark = () => undefined } = options;
  const { sql, unkept } = openIndexFile(file);
  if (unkept !== null) onRemark(`${unkept}: the ledgers are read whole`);
  try {
    sql.exec("BEGIN IMMEDIATE");
    if (options.rebuild === true) for (const { mover } of ledgersOf(sql)) dropMover(sql, mover);
    else if (dropOtherKeys(sql, config.movers, config.hosts))
      onRemark("the configured keys have changed: what was verified with others is read anew");
    sql.exec("COMMIT");
    const problems = await readOn(sql, options);
    return openReading(sql, [...config.movers.keys()], problems);
  } catch (error) {
    sql.close();
    throw error;
  }
}

function openReading(sql: DatabaseSync, movers: readonly string[], problems: readonly LedgerProblem[]): LedgerIndex {
  const known = new Map(ledgersOf(sql).map((ledger) => [ledger.mover, ledger]));
  return {
    ledgers: movers.map((mover) => known.get(mover) ?? { mover, segments: 0, entries: 0, head: null }),
    problems,
    sets: (filter = ALL_OBJECTS) => listSets(sql, filter),
    objects: (set, filter = ALL_OBJECTS, limit) => listObjectsOf(sql, set, filter, limit),
    findings: () => listFindings(sql),
    holds: () => listHolds(sql),
    // what was not committed was not to be kept
    [Symbol.dispose]: () => sql.close(),
  };
}

/** First what is in order, which is kept; then, as far as there is damage, what lies behind it, which is not. */
async function readOn(sql: DatabaseSync, options: IndexOptions): Promise<readonly LedgerProblem[]> {
  const { reader, config, signal } = options;
  const problems: LedgerProblem[] = [];
  const damaged: string[] = [];
  const untrue: string[] = [];
  const writer = createIndexWriter(sql, config.hosts, config.movers);
  const present = new Set(await reader.listMovers(signal));
  for (const mover of present.difference(config.movers)) {
    problems.push(ledgerProblem("mover-unknown", mover, null, UNKNOWN));
  }
  for (const mover of config.movers.keys()) {
    const end = endOf(sql, mover);
    const changed = end === null ? null : await compareHead(reader, mover, end, signal);
    if (changed !== null) {
      problems.push(changed);
      untrue.push(mover);
    } else if (!present.has(mover)) problems.push(ledgerProblem("mover-silent", mover, null, SILENT));
    else if (!(await enterIntact(sql, writer, mover, options))) damaged.push(mover);
  }
  if (damaged.length + untrue.length === 0) return problems;
  sql.exec("BEGIN IMMEDIATE");
  for (const mover of untrue) dropMover(sql, mover);
  // rows that were dropped have no ids any more
  const second = untrue.length === 0 ? writer : createIndexWriter(sql, config.hosts, config.movers);
  for (const mover of [...damaged, ...untrue]) problems.push(...(await enterDamaged(sql, second, mover, options)));
  return problems;
}

const UNKNOWN = "the vault holds a ledger of a mover that is not configured";
const SILENT = "this mover is configured and has no ledger in the vault";

/** The same problem that every later reading would meet, or null: the vault still holds what was indexed. */
async function compareHead(
  reader: VaultReader,
  mover: string,
  { segment, digest }: LedgerEnd,
  signal: AbortSignal,
): Promise<LedgerProblem | null> {
  const seen = `segment ${segment} of mover ${mover}, which was verified here before with the digest ${digest},`;
  try {
    const now = segmentDigest(await reader.ledgerOf(mover).readSegment(segment, signal));
    if (now === digest) return null;
    return ledgerProblem("ledger-rewritten", mover, segment, `${seen} is another now: ${now}`);
  } catch (error) {
    if (isAirlockError(error, "not-found"))
      return ledgerProblem("ledger-rolled-back", mover, segment, `${seen} is gone`);
    if (isAirlockError(error, "ledger-corrupt"))
      return ledgerProblem("ledger-rewritten", mover, segment, `${seen} can't be read any more`);
    throw error;
  }
}

/** Enters what follows. @returns false where it met damage, before which all is entered. */
async function enterIntact(
  sql: DatabaseSync,
  writer: IndexWriter,
  mover: string,
  options: IndexOptions,
): Promise<boolean> {
  const { reader, config, signal, onSegment } = options;
  const items = readLedger(reader, mover, config.movers.get(mover) ?? [], signal, { after: endOf(sql, mover) });
  let uncommitted = 0;
  let isIntact = true;
  sql.exec("BEGIN IMMEDIATE");
  try {
    for await (const { item, signed } of withSigners(items, config.hosts, signal)) {
      isIntact = item.kind === "segment" && item.intact && item.signer !== null;
      if (item.kind === "problem" || !isIntact) break;
      enterWhole(sql, () => writer.enter(item.segment, signed));
      onSegment?.(mover, item.segment.header.segment, item.segment.entries.length);
      uncommitted += item.segment.entries.length + 1;
      if (uncommitted < ENTRIES_PER_COMMIT) continue;
      sql.exec("COMMIT; BEGIN IMMEDIATE");
      uncommitted = 0;
    }
  } finally {
    // An interruption, or a store that no longer answers, does not undo what was verified.
    if (sql.isTransaction) sql.exec("COMMIT");
  }
  return isIntact;
}

/** A segment that is entered in part must not be kept. */
function enterWhole(sql: DatabaseSync, enter: () => void): void {
  try {
    enter();
  } catch (error) {
    // SQLite rolls back by itself on some errors (a full disk); then there is no transaction left to end.
    if (sql.isTransaction) sql.exec("ROLLBACK");
    throw error;
  }
}

/** Enters what a listed key signed, whatever is wrong around it, in the transaction that is never committed. */
async function enterDamaged(
  sql: DatabaseSync,
  writer: IndexWriter,
  mover: string,
  options: IndexOptions,
): Promise<readonly LedgerProblem[]> {
  const { reader, config, signal, onSegment } = options;
  const problems: LedgerProblem[] = [];
  const items = readLedger(reader, mover, config.movers.get(mover) ?? [], signal, { after: endOf(sql, mover) });
  for await (const { item, signed } of withSigners(items, config.hosts, signal)) {
    if (item.kind === "problem") {
      problems.push(item);
      continue;
    }
    if (item.signer === null) continue; // nothing in it is proven
    writer.enter(item.segment, signed);
    onSegment?.(mover, item.segment.header.segment, item.segment.entries.length);
  }
  return problems;
}

function endOf(sql: DatabaseSync, mover: string): LedgerEnd | null {
  const row = sql
    .prepare(
      `SELECT segment, digest, lastIndex FROM segments JOIN movers ON movers.id = mover
       WHERE name = ? ORDER BY segment DESC LIMIT 1`,
    )
    .get(mover);
  if (row === undefined) return null;
  return { segment: Number(row.segment), digest: hexOf(row.digest), index: Number(row.lastIndex) };
}

function ledgersOf(sql: DatabaseSync): readonly IndexedLedger[] {
  const rows = sql
    .prepare(
      `SELECT name, max(segment) AS segment, digest, writtenAt, count(*) AS segments, sum(entries) AS entries
       FROM segments JOIN movers ON movers.id = mover GROUP BY mover`,
    )
    .all();
  return rows.map(({ name, segment, digest, writtenAt, segments, entries }) => ({
    mover: String(name),
    segments: Number(segments),
    entries: Number(entries),
    head: { segment: Number(segment), digest: hexOf(digest), writtenAt: new Date(Number(writtenAt)) },
  }));
}

/** The index's own writer makes these blobs. */
function hexOf(blob: unknown): string {
  return Buffer.from(blob as Uint8Array).toString("hex");
}
