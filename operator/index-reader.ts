import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite";
import type { Code } from "../shared/errors.ts";
import type { Disposition, EntryFinding, ExposureOrigin, Holds } from "../shared/ledger.ts";
import type { EncodingStep } from "../shared/statement.ts";
import type { ListedObject, StatementWord } from "./listed-object.ts";
import type { Selector } from "./selector.ts";

/** Which objects are meant; times are the ledger's, both ends included. null: without a limit. */
export interface ObjectFilter {
  readonly selector: Selector | null;
  readonly since: Date | null;
  readonly until: Date | null;
}

export const ALL_OBJECTS: ObjectFilter = { selector: null, since: null, until: null };

/** A host's set, or what lies in the first folders of foreign keys, summed up. */
export interface ListedSet {
  readonly id: number;
  readonly host: string;
  /** null: foreign objects. */
  readonly set: string | null;
  /** `host/set`; of foreign objects the first folders of their keys. Host text: may hold anything. */
  readonly group: string;
  readonly objects: number;
  readonly bytes: number;
  /** When the first and the last of them were recorded. */
  readonly firstAt: Date;
  readonly lastAt: Date;
  /** How many there are of each result, by {@link StatementWord}. */
  readonly statements: ReadonlyMap<StatementWord, number>;
}

/** What a mover noticed and recorded; its codes are those of `docs/operations.md`. */
export interface ListedFinding extends EntryFinding {
  readonly at: Date;
  readonly mover: string;
  readonly segment: number;
  /** The entry's number. */
  readonly index: number;
}

export interface ListedHolds {
  readonly at: Date;
  readonly mover: string;
  readonly segment: number;
  readonly holds: Holds;
}

const OBJECT = `SELECT objects.*, movers.name AS moverName, host, sets.name AS setName, grouping
  FROM objects JOIN sets ON sets.id = setId JOIN movers ON movers.id = mover`;

/** The sets that hold something of what is meant, by name. */
export function listSets(sql: DatabaseSync, filter: ObjectFilter): readonly ListedSet[] {
  const { where, values } = conditionsOf(filter);
  const names = new Map(
    sql
      .prepare("SELECT * FROM sets")
      .all()
      .map((row) => [row.id, row]),
  );
  const unproven = countUnproven(sql, filter);
  const sums = sql
    .prepare(
      `SELECT setId, count(*) AS objects, sum(size) AS bytes, min(at) AS firstAt, max(at) AS lastAt
       FROM objects WHERE ${where} GROUP BY setId`,
    )
    .all(values);
  const sets = sums.map(({ setId, objects, bytes, firstAt, lastAt }): ListedSet => {
    const { host, name, grouping } = names.get(setId ?? null) ?? {};
    const statements = new Map(unproven.get(Number(setId)));
    const others = [...statements.values()].reduce((sum, count) => sum + count, 0);
    if (others < Number(objects)) statements.set("verified", Number(objects) - others);
    return {
      id: Number(setId),
      host: String(host),
      set: textOf(name),
      group: String(grouping),
      objects: Number(objects),
      bytes: Number(bytes),
      firstAt: dateOf(firstAt),
      lastAt: dateOf(lastAt),
      statements,
    };
  });
  return sets.toSorted((a, b) => compare(a.group, b.group) || compare(a.set ?? "", b.set ?? ""));
}

/** By set: how many objects' statements are not verified, by what they are. */
function countUnproven(sql: DatabaseSync, filter: ObjectFilter): ReadonlyMap<number, Map<StatementWord, number>> {
  const { where, values } = conditionsOf(filter);
  const rows = sql
    .prepare(
      `SELECT setId, statement, count(*) AS objects FROM objects
       WHERE ${where} AND statement <> 'verified' GROUP BY setId, statement`,
    )
    .all(values);
  const counts = new Map<number, Map<StatementWord, number>>();
  for (const { setId, statement, objects } of rows) {
    const ofSet = counts.get(Number(setId)) ?? new Map<StatementWord, number>();
    // written by toListedObject
    counts.set(Number(setId), ofSet.set(statement as StatementWord, Number(objects)));
  }
  return counts;
}

/** Objects of one set, each at its earliest record, newest first. */
export function* listObjectsOf(
  sql: DatabaseSync,
  { id }: Pick<ListedSet, "id">,
  filter: ObjectFilter,
  limit = Infinity,
): Generator<ListedObject, void, undefined> {
  const { where, values } = conditionsOf(filter);
  // SQLite takes a negative limit for none
  const rows = sql
    .prepare(`${OBJECT} WHERE ${where} AND setId = :id ORDER BY at DESC, objects.id DESC LIMIT :limit`)
    .iterate({ ...values, id, limit: limit === Infinity ? -1 : limit });
  for (const row of rows) yield objectOf(row);
}

/** In the order in which the ledgers tell of them. */
export function* listFindings(sql: DatabaseSync): Generator<ListedFinding, void, undefined> {
  const rows = sql
    .prepare("SELECT findings.*, name FROM findings JOIN movers ON movers.id = mover ORDER BY findings.id")
    .iterate();
  for (const row of rows) {
    yield {
      at: dateOf(row.at),
      mover: String(row.name),
      segment: Number(row.segment),
      index: Number(row.entry),
      code: String(row.code),
      ...(row.host === null ? {} : { host: String(row.host) }),
      ...(row.setName === null ? {} : { set: String(row.setName) }),
      ...(row.epoch === null ? {} : { epoch: String(row.epoch) }),
      ...(row.seq === null ? {} : { seq: Number(row.seq) }),
      ...(row.detail === null ? {} : { detail: String(row.detail) }),
    };
  }
}

/** Each mover's counts of held objects, as often as they changed; a mover's last ones are those that count now. */
export function* listHolds(sql: DatabaseSync): Generator<ListedHolds, void, undefined> {
  const rows = sql
    .prepare(
      `SELECT name, segment, writtenAt, holds FROM segments JOIN movers ON movers.id = mover
       WHERE holds IS NOT NULL ORDER BY mover, segment`,
    )
    .iterate();
  for (const row of rows) {
    yield {
      at: dateOf(row.writtenAt),
      mover: String(row.name),
      segment: Number(row.segment),
      holds: JSON.parse(String(row.holds)) as Holds, // written by the index's own writer, from a parsed segment
    };
  }
}

function conditionsOf({ selector, since, until }: ObjectFilter): {
  readonly where: string;
  readonly values: Record<string, SQLInputValue>;
} {
  const where = ["isFirst = 1"];
  const values: Record<string, SQLInputValue> = {};
  if (since !== null) {
    where.push("at >= :since");
    values.since = since.getTime();
  }
  if (until !== null) {
    where.push("at <= :until");
    values.until = until.getTime();
  }
  if (selector !== null) {
    where.push("setId IN (SELECT id FROM sets WHERE host = :host)");
    values.host = selector.host;
  }
  if (selector !== null && selector.path !== null) {
    const [first = "", ...rest] = selector.path.split("/");
    // a foreign key without a folder is of the group that is called as its host
    where.push("setId IN (SELECT id FROM sets WHERE grouping IN (:group, :host))");
    values.group = `${selector.host}/${first}`;
    // whole segments only; a set that is meant whole needs no look at its keys
    const isWhole = rest.length === 0 ? "setId IN (SELECT id FROM sets WHERE grouping = :group) OR " : "";
    where.push(`(${isWhole}key = :path OR substr(key, 1, length(:path) + 1) = :path || '/')`);
    values.path = `${selector.host}/${selector.path}`;
  }
  return { where: where.join(" AND "), values };
}

function objectOf(row: Record<string, SQLOutputValue>): ListedObject {
  // The words are what the index's own writer took from parsed entries.
  return {
    host: String(row.host),
    set: textOf(row.setName),
    group: String(row.grouping),
    name: String(row.name),
    at: dateOf(row.at),
    bucket: String(row.bucket),
    key: String(row.key),
    versionId: textOf(row.versionId),
    etag: String(row.etag),
    lastModified: dateOf(row.lastModified),
    sizeBytes: Number(row.size),
    sha256: Buffer.from(row.sha256 as Uint8Array).toString("hex"),
    vaultName: String(row.vaultName),
    vaultVersionId: textOf(row.vaultVersionId),
    exposureMs: row.exposureMs === null ? null : Number(row.exposureMs),
    exposureFrom: row.exposureFrom as ExposureOrigin | null,
    disposition: row.disposition as Disposition,
    mover: String(row.moverName),
    segment: Number(row.segment),
    index: Number(row.entry),
    statement: row.statement as StatementWord,
    statementError: row.statementError as Code | null,
    hostKey: textOf(row.hostKey),
    encoding: encodingOf(textOf(row.encoding)),
    startedAt: textOf(row.startedAt),
    epoch: textOf(row.epoch),
    seq: row.seq === null ? null : Number(row.seq),
  };
}

function encodingOf(text: string | null): readonly EncodingStep[] | null {
  if (text === null) return null;
  return text === "" ? [] : (text.split(",") as EncodingStep[]); // as above
}

function textOf(value: SQLOutputValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function dateOf(value: SQLOutputValue | undefined): Date {
  return new Date(Number(value));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
