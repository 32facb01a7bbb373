import type { SQLOutputValue } from "node:sqlite";
import { encodingSteps, parseStatement, type EncodingStep, type SignedStatement } from "../shared/statement.ts";
import type { MultipartUpload, UploadedPart } from "../shared/stores.ts";
import { integer, text, type UploaderDatabase } from "./database.ts";
import { isOwnerAlive } from "./process-owner.ts";
import type { UploadSource } from "./publish-context.ts";
import type { WaitingObject } from "./spool.ts";

/** How far the publishing of a waiting object had come. */
export interface UploadProgress {
  /** Issued for this object: a request that publishes it may have been sent. */
  readonly signed: SignedStatement | null;
  readonly upload: { readonly begun: MultipartUpload; readonly partBytes: number } | null;
  /** Those that the store has confirmed. */
  readonly parts: readonly UploadedPart[];
}

/**
 * The rows of what waits. `writing`: its file is not whole yet; `waiting`: it is; `done`: the object is published or
 * given up, so that file and row can go, by whoever comes by. Each method is one transaction; those called `…Alongside`
 * are part of their caller's.
 */
export interface WaitingTable {
  /** What counts against the limit. `waitingBytes`: without what is being written. */
  readRoom(): { readonly usedBytes: number; readonly waitingBytes: number };
  /** A row in `writing`, claimed. */
  insert(id: string, source: UploadSource, note: string | null): void;
  /** Up to `wantedBytes` more for a body that is being written; what is granted counts as used. */
  reserve(id: string, wantedBytes: number, limitBytes: number): number;
  /** The commit point of spooling: the file is whole, and so is the row. */
  finish(id: string, body: { readonly sizeBytes: number; readonly sha256: string }, at: Date): WaitingObject;
  claimNext(except: ReadonlySet<string>): WaitingObject | null;
  claim(id: string): WaitingObject | null;
  unclaim(id: string): void;
  countWaiting(): { readonly objects: number; readonly oldestAt: Date | null };
  /** Makes `done` what writers left behind that have ended, or that are named; returns all that is done. */
  takeLeftovers(abandoned: ReadonlySet<string>): readonly string[];
  listIds(): ReadonlySet<string>;
  isWriting(id: string): boolean;
  giveUp(id: string): void;
  /** Of a row that is done, once its file is gone. */
  remove(id: string): void;

  readProgress(id: string): UploadProgress;
  noteUpload(id: string, upload: MultipartUpload, partBytes: number): void;
  notePart(id: string, part: UploadedPart): void;
  forgetParts(id: string, numbers: readonly number[]): void;
  forgetUpload(id: string): void;
  /** How often completing this upload ended without a definite answer, this time included. */
  countCompletion(id: string): number;
  noteIssuedAlongside(id: string, signed: SignedStatement): void;
  /** The name was taken: everything begins anew, with another. */
  startOverAlongside(id: string): void;
  /** The commit point of publishing, together with the number's. */
  markDoneAlongside(id: string): void;
}

export interface WaitingTableOptions {
  readonly database: UploaderDatabase;
  readonly bucket: string;
  readonly host: string;
  readonly owner: string;
}

const COLUMNS = "id, owner, set_name, name, encoding, started_at, note, size, sha256, spooled_at";
const NO_UPLOAD = "upload_id = NULL, part_bytes = NULL, completions = 0";

export function openWaitingTable({ database, bucket, host, owner }: WaitingTableOptions): WaitingTable {
  const { sql, guard, transact } = database;
  /** Fails, and with it the transaction, when the row is not this process's. */
  const update = (id: string, assignments: string, ...values: (string | number | null)[]): void => {
    const { changes } = sql
      .prepare(`UPDATE waiting SET ${assignments} WHERE id = ? AND owner = ?`)
      .run(...values, id, owner);
    if (changes !== 1) throw new TypeError(`this process has no claim on ${id}`);
  };
  const sumSizes = (where: string): number =>
    integer(sql.prepare(`SELECT coalesce(sum(size), 0) AS n FROM waiting WHERE ${where}`).get()?.n);
  const deleteParts = (id: string): void => void sql.prepare("DELETE FROM waiting_part WHERE id = ?").run(id);
  const isFree = (row: Row): boolean => row.owner === null || !isOwnerAlive(text(row.owner));
  const select = `SELECT ${COLUMNS} FROM waiting WHERE phase = 'waiting' AND bucket = ? AND host = ?`;
  const take = (row: Row): WaitingObject => {
    sql.prepare("UPDATE waiting SET owner = ? WHERE id = ?").run(owner, text(row.id));
    return toObject(row);
  };

  return {
    readRoom: () => guard(() => ({ usedBytes: sumSizes("true"), waitingBytes: sumSizes("phase = 'waiting'") })),
    insert: (id, { set, name, encoding, startedAt }, note) =>
      transact(() => {
        const insert = `INSERT INTO waiting (id, bucket, host, phase, owner, set_name, name, encoding, started_at, note, size)
          VALUES (?, ?, ?, 'writing', ?, ?, ?, ?, ?, ?, 0)`;
        const values = [owner, set, name, JSON.stringify(encoding), startedAt.toISOString(), note];
        sql.prepare(insert).run(id, bucket, host, ...values);
      }),
    reserve: (id, wantedBytes, limitBytes) =>
      transact(() => {
        const granted = Math.max(0, Math.min(wantedBytes, limitBytes - sumSizes("true")));
        if (granted > 0) update(id, "size = size + ?", granted);
        return granted;
      }),
    finish: (id, { sizeBytes, sha256 }, at) =>
      transact(() => {
        update(id, "phase = 'waiting', size = ?, sha256 = ?, spooled_at = ?", sizeBytes, sha256, at.toISOString());
        return toObject(readRow(sql.prepare(`SELECT ${COLUMNS} FROM waiting WHERE id = ?`).get(id)));
      }),
    claimNext: (except) =>
      transact(() => {
        const rows = sql.prepare(`${select} ORDER BY place`).iterate(bucket, host);
        const row = rows.find((candidate) => !except.has(text(candidate.id)) && isFree(candidate));
        return row === undefined ? null : take(row);
      }),
    claim: (id) =>
      transact(() => {
        const row = sql.prepare(`${select} AND id = ?`).get(bucket, host, id);
        return row === undefined || !isFree(row) ? null : take(row);
      }),
    unclaim: (id) =>
      transact(() => {
        sql.prepare("UPDATE waiting SET owner = NULL WHERE id = ? AND owner = ?").run(id, owner);
      }),
    countWaiting: () =>
      guard(() => {
        const count = `SELECT count(*) AS n, min(spooled_at) AS oldest FROM waiting
          WHERE phase = 'waiting' AND bucket = ? AND host = ?`;
        const { n, oldest } = readRow(sql.prepare(count).get(bucket, host));
        return { objects: integer(n), oldestAt: oldest === null ? null : new Date(text(oldest)) };
      }),
    takeLeftovers: (abandoned) =>
      transact(() => {
        const rows = sql.prepare("SELECT id, phase, owner FROM waiting WHERE phase != 'waiting'").all();
        const done = rows.filter((row) => row.phase === "done" || isFree(row) || abandoned.has(text(row.id)));
        const ids = done.map(({ id }) => text(id));
        const mark = sql.prepare("UPDATE waiting SET phase = 'done', owner = ? WHERE id = ?");
        for (const id of ids) mark.run(owner, id);
        return ids;
      }),
    listIds: () =>
      guard(
        () =>
          new Set(
            sql
              .prepare("SELECT id FROM waiting")
              .all()
              .map(({ id }) => text(id)),
          ),
      ),
    isWriting: (id) => guard(() => sql.prepare("SELECT phase FROM waiting WHERE id = ?").get(id)?.phase === "writing"),
    giveUp: (id) =>
      transact(() => {
        update(id, "phase = 'done'");
        const abandon =
          "UPDATE unpublished SET owner = '' WHERE (epoch, seq) IN (SELECT epoch, seq FROM waiting WHERE id = ?)";
        sql.prepare(abandon).run(id);
      }),
    remove: (id) =>
      transact(() => {
        deleteParts(id);
        sql.prepare("DELETE FROM waiting WHERE id = ? AND phase = 'done'").run(id);
      }),

    readProgress: (id) => guard(() => readProgress(sql, id)),
    noteUpload: (id, { key, uploadId }, partBytes) =>
      transact(() => {
        deleteParts(id);
        update(id, "key = ?, upload_id = ?, part_bytes = ?, completions = 0", key, uploadId, partBytes);
      }),
    notePart: (id, { number, etag, checksum }) =>
      transact(() => {
        const insert = "INSERT OR REPLACE INTO waiting_part (id, number, etag, checksum) VALUES (?, ?, ?, ?)";
        sql.prepare(insert).run(id, number, etag, checksum);
      }),
    forgetParts: (id, numbers) =>
      transact(() => {
        const forget = sql.prepare("DELETE FROM waiting_part WHERE id = ? AND number = ?");
        for (const number of numbers) forget.run(id, number);
      }),
    forgetUpload: (id) =>
      transact(() => {
        deleteParts(id);
        update(id, NO_UPLOAD);
      }),
    countCompletion: (id) =>
      transact(() => {
        update(id, "completions = completions + 1");
        return integer(sql.prepare("SELECT completions AS n FROM waiting WHERE id = ?").get(id)?.n);
      }),
    noteIssuedAlongside: (id, { statement }) =>
      update(id, "epoch = ?, seq = ?, key = ?", statement.epoch, statement.seq, statement.key),
    startOverAlongside: (id) => {
      deleteParts(id);
      update(id, `epoch = NULL, seq = NULL, key = NULL, ${NO_UPLOAD}`);
    },
    markDoneAlongside: (id) => update(id, "phase = 'done'"),
  };
}

type Row = Record<string, SQLOutputValue>;

function readRow(row: Row | undefined): Row {
  if (row === undefined) throw new TypeError("a row that this process has written is there");
  return row;
}

function readProgress(sql: UploaderDatabase["sql"], id: string): UploadProgress {
  const select = `SELECT w.key, w.upload_id, w.part_bytes, u.envelope FROM waiting AS w
    LEFT JOIN unpublished AS u ON u.epoch = w.epoch AND u.seq = w.seq WHERE w.id = ?`;
  const row = readRow(sql.prepare(select).get(id));
  const parts = sql.prepare("SELECT number, etag, checksum FROM waiting_part WHERE id = ? ORDER BY number").all(id);
  return {
    signed: row.envelope === null ? null : parseStatement(Buffer.from(text(row.envelope), "utf8"), id),
    upload:
      row.upload_id === null
        ? null
        : { begun: { key: text(row.key), uploadId: text(row.upload_id) }, partBytes: integer(row.part_bytes) },
    parts: parts.map(({ number, etag, checksum }) => ({
      number: integer(number),
      etag: text(etag),
      checksum: checksum === null ? null : text(checksum),
    })),
  };
}

function toObject(row: Row): WaitingObject {
  return {
    kind: "waiting",
    id: text(row.id),
    set: text(row.set_name),
    name: text(row.name),
    encoding: parseSteps(text(row.encoding)),
    startedAt: new Date(text(row.started_at)),
    sizeBytes: integer(row.size),
    sha256: text(row.sha256),
    spooledAt: new Date(text(row.spooled_at)),
    note: row.note === null ? null : text(row.note),
  };
}

function parseSteps(json: string): EncodingStep[] {
  const steps: unknown = JSON.parse(json);
  if (!Array.isArray(steps)) throw new TypeError("the state's schema promises a list of steps here");
  return steps.map((step: unknown) => {
    const known = encodingSteps.find((name) => name === step);
    if (known === undefined) throw new TypeError(`the state holds an unknown step: ${String(step)}`);
    return known;
  });
}
