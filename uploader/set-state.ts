import type { SQLOutputValue } from "node:sqlite";
import { AirlockError } from "../shared/errors.ts";
import { AGENT } from "./agent-name.ts";
import { integer, text, type UploaderDatabase } from "./database.ts";
import { isOwnerAlive, pidOf } from "./process-owner.ts";
import type { Published } from "./publish-context.ts";

/** When a set runs next. */
export interface Plan {
  readonly due: Date;
  /** When this was worked out: a clock that shows less has been set back since. */
  readonly made: Date;
  /** What it was worked out from: with another one it means nothing any more. */
  readonly schedule: string;
}

export interface Failure {
  readonly at: Date;
  readonly code: string;
  readonly message: string;
}

/** A file in a watched folder, as it was looked at. */
export interface FileIdentity {
  /** Its name in the folder, each byte as one character: names are bytes. */
  readonly file: string;
  /** Device, inode, size and time of modification. */
  readonly identity: string;
}

export interface NewRun {
  readonly id: string;
  readonly set: string;
  /** The planned time that this run is for; null: not by schedule. */
  readonly planned: Date | null;
  readonly startedAt: Date;
  readonly file: FileIdentity | null;
}

/** A run that has left an object. */
export interface MadeRun {
  readonly id: string;
  readonly set: string;
  readonly startedAt: Date;
  /** The end of its log. */
  readonly tail: string;
  readonly file: FileIdentity | null;
  readonly key: string | null;
  readonly seq: number | null;
  readonly sizeBytes: number | null;
}

/** `running`, `waiting`: on its way. `stored`: the store has confirmed it. `kept`: so it has, and the file stays. */
export type FilePhase = "running" | "waiting" | "stored" | "kept";

/**
 * What is remembered of sets and their runs, in the state's database. Several processes share it; each method is one
 * transaction.
 */
export interface SetState {
  readPlan(set: string): Plan | null;
  writePlan(set: string, plan: Plan): void;
  forgetPlan(set: string): void;
  readFailure(set: string): Failure | null;
  noteFailure(set: string, failure: Failure): void;
  /** null: no living process runs it. */
  readRunning(set: string): { readonly since: Date; readonly pid: number } | null;
  /** One at a time, over all processes. @throws {AirlockError} `locked` */
  enter(set: string, at: Date): void;
  leave(set: string): void;

  /** @returns false when a living process has that very file in hand, or it has been stored */
  beginRun(run: NewRun): boolean;
  /** The end of the log of a run that waits. */
  noteTail(id: string, tail: string): void;
  /** Nothing came of it (of one that waits, something did). Its planned time counts as done, unless it is to be tried again. */
  dropRun(id: string, outcome: "done" | "try-again"): void;
  /** The store has confirmed a run whose object did not wait. */
  markStored(id: string, published: Published): void;
  /** For the transaction in which an object that waits is published. */
  markStoredAlongside(waiting: { readonly id: string; readonly note: string | null }): void;
  readRun(id: string): MadeRun | null;
  /** All that is to be done about it is done; what is known of a file that stays is kept. */
  closeRun(id: string, isKept: boolean): void;
  /** Stored by processes that have ended before they said so. */
  listStored(limit: number): readonly MadeRun[];
  /** Waiting since before then and not told of yet; counts them as told. */
  takeDelayed(before: Date): readonly MadeRun[];
  /** One that waits and is not told of yet; counts it as told. */
  takeToTell(id: string): MadeRun | null;
  /** Runs of processes that have ended, and runs whose object the spool has lost. */
  dropAbandoned(): void;

  readFile(set: string, file: FileIdentity): FilePhase | null;
  /** What is known of files of this name that are gone. */
  forgetOthers(set: string, file: FileIdentity): void;
  /** Names of files that are kept, in their order, from behind this one on. */
  listKept(set: string, after: string, limit: number): readonly string[];
  forgetKept(set: string, file: string): void;
}

export interface SetStateOptions {
  readonly database: UploaderDatabase;
  readonly bucket: string;
  readonly host: string;
  readonly owner: string;
}

const MADE = "id, name, started, tail, file, identity, key, seq, size";
const OF_SET = "bucket = ? AND host = ? AND name = ?";
const MAX_MESSAGE = 1_000;

export function openSetState({ database, bucket, host, owner }: SetStateOptions): SetState {
  const { sql, guard, transact } = database;
  const entered = new Set<string>();
  const rowOf = (table: "planned" | "failure" | "running", set: string): Row | undefined =>
    guard(() => sql.prepare(`SELECT * FROM ${table} WHERE ${OF_SET}`).get(bucket, host, set));
  const listMade = (where: string, ...values: (string | number)[]): MadeRun[] =>
    sql
      .prepare(`SELECT ${MADE} FROM run WHERE bucket = ? AND host = ? AND ${where}`)
      .all(bucket, host, ...values)
      .map(toMade);
  const remove = (id: string): void => void sql.prepare("DELETE FROM run WHERE id = ?").run(id);
  // asked of each file of a folder, at each look
  const selectPhase = sql.prepare(`SELECT id, phase, owner FROM run WHERE ${OF_SET} AND file = ? AND identity = ?`);
  const phaseOf = (set: string, { file, identity }: FileIdentity): Row | undefined =>
    selectPhase.get(bucket, host, set, file, identity);
  const donePlan = (id: string): void => {
    const planOf = "SELECT bucket, host, name, planned FROM run WHERE id = ?";
    sql.prepare(`DELETE FROM planned WHERE (bucket, host, name, due) IN (${planOf})`).run(id);
  };

  return {
    readPlan(set) {
      const row = rowOf("planned", set);
      if (row === undefined) return null;
      return { due: new Date(text(row.due)), made: new Date(text(row.made)), schedule: text(row.schedule) };
    },
    writePlan: (set, { due, made, schedule }) =>
      transact(() => {
        const insert =
          "INSERT OR REPLACE INTO planned (bucket, host, name, due, made, schedule) VALUES (?, ?, ?, ?, ?, ?)";
        sql.prepare(insert).run(bucket, host, set, due.toISOString(), made.toISOString(), schedule);
      }),
    forgetPlan: (set) => transact(() => void sql.prepare(`DELETE FROM planned WHERE ${OF_SET}`).run(bucket, host, set)),
    readFailure(set) {
      const row = rowOf("failure", set);
      return row === undefined
        ? null
        : { at: new Date(text(row.at)), code: text(row.code), message: text(row.message) };
    },
    noteFailure: (set, { at, code, message }) =>
      transact(() => {
        const insert =
          "INSERT OR REPLACE INTO failure (bucket, host, name, at, code, message) VALUES (?, ?, ?, ?, ?, ?)";
        sql.prepare(insert).run(bucket, host, set, at.toISOString(), code, message.slice(0, MAX_MESSAGE));
      }),
    readRunning(set) {
      const row = rowOf("running", set);
      if (row === undefined || !isOwnerAlive(text(row.owner))) return null;
      return { since: new Date(text(row.since)), pid: pidOf(text(row.owner)) };
    },
    enter: (set, at) =>
      transact(() => {
        const row = sql.prepare(`SELECT owner, since FROM running WHERE ${OF_SET}`).get(bucket, host, set);
        const isStale =
          row === undefined || (text(row.owner) === owner ? !entered.has(set) : !isOwnerAlive(text(row.owner)));
        if (!isStale) throw lockedBy(set, text(row.owner), text(row.since));
        const insert = "INSERT OR REPLACE INTO running (bucket, host, name, owner, since) VALUES (?, ?, ?, ?, ?)";
        sql.prepare(insert).run(bucket, host, set, owner, at.toISOString());
        entered.add(set);
      }),
    leave(set) {
      // where the row can't go (a full disk), it is stale from here on
      entered.delete(set);
      transact(
        () => void sql.prepare(`DELETE FROM running WHERE ${OF_SET} AND owner = ?`).run(bucket, host, set, owner),
      );
    },

    beginRun: ({ id, set, planned, startedAt, file }) =>
      transact(() => {
        const former = file === null ? undefined : phaseOf(set, file);
        if (former !== undefined) {
          if (former.phase !== "running" || (text(former.owner) !== owner && isOwnerAlive(text(former.owner))))
            return false;
          remove(text(former.id));
        }
        const insert = `INSERT INTO run (id, bucket, host, name, owner, phase, planned, started, file, identity)
          VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?)`;
        const values = [owner, planned?.toISOString() ?? null, startedAt.toISOString()];
        sql.prepare(insert).run(id, bucket, host, set, ...values, file?.file ?? null, file?.identity ?? null);
        return true;
      }),
    noteTail: (id, tail) => transact(() => void sql.prepare("UPDATE run SET tail = ? WHERE id = ?").run(tail, id)),
    dropRun: (id, outcome) =>
      transact(() => {
        if (outcome === "done") donePlan(id);
        sql.prepare("DELETE FROM run WHERE id = ? AND phase = 'running'").run(id);
      }),
    markStored: (id, { key, seq, sizeBytes }) =>
      transact(() => {
        donePlan(id);
        sql
          .prepare("UPDATE run SET phase = 'stored', key = ?, seq = ?, size = ? WHERE id = ?")
          .run(key, seq, sizeBytes, id);
      }),
    markStoredAlongside: ({ id, note }) => {
      const stored = `UPDATE run SET phase = 'stored', owner = ?, (key, seq, size) = (SELECT key, seq, size FROM waiting WHERE id = ?)
        WHERE id = ?`;
      sql.prepare(stored).run(owner, id, note);
    },
    readRun: (id) => guard(() => listMade("id = ?", id)[0] ?? null),
    closeRun: (id, isKept) =>
      transact(() => {
        if (isKept) sql.prepare("UPDATE run SET phase = 'kept', tail = '' WHERE id = ?").run(id);
        else remove(id);
      }),
    listStored: (limit) =>
      guard(() => {
        const rows = sql
          .prepare("SELECT id, owner FROM run WHERE bucket = ? AND host = ? AND phase = 'stored'")
          .all(bucket, host);
        const left = rows.filter((row) => text(row.owner) === owner || !isOwnerAlive(text(row.owner))).slice(0, limit);
        return left.flatMap((row) => listMade("id = ?", text(row.id)));
      }),
    takeDelayed: (before) =>
      transact(() => {
        const runs = listMade(
          "phase = 'waiting' AND told = 0 AND started < ? ORDER BY started LIMIT 100",
          before.toISOString(),
        );
        for (const { id } of runs) sql.prepare("UPDATE run SET told = 1 WHERE id = ?").run(id);
        return runs;
      }),
    takeToTell: (id) =>
      transact(() => {
        const [run = null] = listMade("phase = 'waiting' AND told = 0 AND id = ?", id);
        sql.prepare("UPDATE run SET told = 1 WHERE id = ?").run(id);
        return run;
      }),
    dropAbandoned: () =>
      transact(() => {
        const rows = sql.prepare("SELECT id, owner FROM run WHERE phase = 'running'").all();
        for (const row of rows) if (!isOwnerAlive(text(row.owner))) remove(text(row.id));
        sql.exec("DELETE FROM run WHERE phase = 'waiting' AND NOT EXISTS (SELECT 1 FROM waiting WHERE note = run.id)");
      }),

    readFile: (set, file) => guard(() => toPhase(phaseOf(set, file))),
    forgetOthers: (set, { file, identity }) =>
      transact(() => {
        const others = `DELETE FROM run WHERE ${OF_SET} AND file = ? AND identity != ? AND phase IN ('stored', 'kept')`;
        sql.prepare(others).run(bucket, host, set, file, identity);
      }),
    listKept: (set, after, limit) =>
      guard(() => {
        const select = `SELECT DISTINCT file FROM run WHERE ${OF_SET} AND phase = 'kept' AND file > ? ORDER BY file LIMIT ?`;
        return sql
          .prepare(select)
          .all(bucket, host, set, after, limit)
          .map((row) => text(row.file));
      }),
    forgetKept: (set, file) =>
      transact(() => {
        sql.prepare(`DELETE FROM run WHERE ${OF_SET} AND phase = 'kept' AND file = ?`).run(bucket, host, set, file);
      }),
  };
}

type Row = Record<string, SQLOutputValue>;

function lockedBy(set: string, owner: string, since: string): AirlockError {
  const pid = pidOf(owner);
  if (set === AGENT) {
    return new AirlockError("locked", `process ${pid} has been this spool's agent since ${since}`, {
      remedy: "one agent runs all sets; an agent that has died leaves no lock behind",
    });
  }
  return new AirlockError("locked", `process ${pid} has been running this set since ${since}`, {
    subject: set,
    remedy: "wait for it: a set never runs twice at once; a process that has died holds nothing up",
  });
}

function toPhase(row: Row | undefined): FilePhase | null {
  if (row === undefined) return null;
  const phase = text(row.phase);
  if (phase === "running" || phase === "waiting" || phase === "stored" || phase === "kept") return phase;
  throw new TypeError(`the state's schema knows no phase ${phase}`);
}

function toMade(row: Row): MadeRun {
  return {
    id: text(row.id),
    set: text(row.name),
    startedAt: new Date(text(row.started)),
    tail: text(row.tail),
    file: row.file === null ? null : { file: text(row.file), identity: text(row.identity) },
    key: row.key === null ? null : text(row.key),
    seq: row.seq === null ? null : integer(row.seq),
    sizeBytes: row.size === null ? null : integer(row.size),
  };
}
