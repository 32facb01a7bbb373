import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { AirlockError } from "../shared/errors.ts";
import { formatStatement, statementDigest, type SignedStatement } from "../shared/statement.ts";
import { isOwnerAlive } from "./process-owner.ts";
import { explainSqlite } from "./sqlite-errors.ts";

/** Another process holds the lock for one small transaction at a time; a wait of this long means that it hangs. */
const LOCK_TIMEOUT_MS = 30_000;
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE chain (
    bucket TEXT NOT NULL, host TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, digest TEXT,
    PRIMARY KEY (bucket, host)
  ) STRICT;
  CREATE TABLE unpublished (
    epoch TEXT NOT NULL, seq INTEGER NOT NULL, bucket TEXT NOT NULL, host TEXT NOT NULL, key TEXT NOT NULL,
    envelope TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (epoch, seq)
  ) STRICT;
  CREATE TABLE success (
    bucket TEXT NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL, at TEXT NOT NULL, key TEXT NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (bucket, host, name)
  ) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Where a host is in its sequence. `seq` 0: nothing issued yet in this epoch. */
export interface ChainHead {
  readonly epoch: string;
  readonly seq: number;
  /** Of the last statement issued; the next one's `prev`. */
  readonly digest: string | null;
}

export interface LastSuccess {
  readonly set: string;
  readonly at: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly seq: number;
}

/** A statement of a process that has ended without learning whether it was published. */
export interface Unpublished {
  readonly epoch: string;
  readonly seq: number;
  readonly key: string;
  /** The envelope, byte for byte as it was signed. */
  readonly envelope: string;
}

/**
 * What a host must remember between uploads, in one SQLite file in the spool folder. Several processes share it; each
 * duty below is one transaction that survives a power cut once it has returned.
 */
export interface UploaderState extends Disposable {
  readHead(): ChainHead | null;
  /** Begins a new sequence: for a first start, and for a host restored from a snapshot that would repeat numbers. */
  startEpoch(): ChainHead;
  /**
   * Gives out the next number. `sign` receives the head before it and must return the statement for `head.seq + 1`;
   * number and statement are on disk when this returns and not before, so no number ever stands for two statements.
   */
  issue(sign: (head: ChainHead) => SignedStatement): SignedStatement;
  /** Both a statement and its object (null: the statement alone, for an object that never came) are in the store. */
  markPublished(signed: SignedStatement, at: Date | null): void;
  /** Statements issued by processes that are gone, oldest first. */
  listUnpublished(limit: number): readonly Unpublished[];
  forgetUnpublished(statement: Unpublished): void;
  countUnpublished(): number;
  listSuccesses(): readonly LastSuccess[];
}

export interface StateOptions {
  /** Made when it is not there, for its owner alone. */
  readonly spoolFolder: string;
  readonly bucket: string;
  readonly host: string;
  /** See {@link ownerOf}. */
  readonly owner: string;
}

/** @throws {AirlockError} `disk-full`, or `config-invalid` when the folder or file can't be used */
export function openState(options: StateOptions): UploaderState {
  const { spoolFolder, bucket, host, owner } = options;
  const file = join(spoolFolder, "state.db");
  const guard = <Result>(work: () => Result): Result => explainSqlite(file, work);
  const database = guard(() => {
    mkdirSync(spoolFolder, { recursive: true, mode: 0o700 });
    return openDatabase(file);
  });
  const transact = <Result>(work: () => Result): Result => guard(() => inTransaction(database, work));

  const readHead = (): ChainHead | null => {
    const row = database
      .prepare("SELECT epoch, seq, digest FROM chain WHERE bucket = ? AND host = ?")
      .get(bucket, host);
    return row === undefined
      ? null
      : { epoch: text(row.epoch), seq: integer(row.seq), digest: row.digest === null ? null : text(row.digest) };
  };
  const writeHead = (head: ChainHead): void => {
    const insert = database.prepare(
      "INSERT OR REPLACE INTO chain (bucket, host, epoch, seq, digest) VALUES (?, ?, ?, ?, ?)",
    );
    insert.run(bucket, host, head.epoch, head.seq, head.digest);
  };
  const forget = (epoch: string, seq: number): void => {
    database.prepare("DELETE FROM unpublished WHERE epoch = ? AND seq = ?").run(epoch, seq);
  };

  return {
    readHead: () => guard(readHead),
    startEpoch: () =>
      transact(() => {
        const head = newEpoch();
        writeHead(head);
        return head;
      }),
    issue: (sign) =>
      transact(() => {
        const head = readHead() ?? newEpoch();
        const signed = sign(head);
        const { statement } = signed;
        if (statement.epoch !== head.epoch || statement.seq !== head.seq + 1 || statement.prev !== head.digest) {
          throw new TypeError("a statement has to continue the head that it was given");
        }
        database
          .prepare(
            "INSERT INTO unpublished (epoch, seq, bucket, host, key, envelope, owner) VALUES (?, ?, ?, ?, ?, ?, ?)",
          )
          .run(head.epoch, statement.seq, bucket, host, statement.key, formatStatement(signed), owner);
        writeHead({ epoch: head.epoch, seq: statement.seq, digest: statementDigest(statement) });
        return signed;
      }),
    markPublished: ({ statement }, at) =>
      transact(() => {
        forget(statement.epoch, statement.seq);
        if (at === null) return;
        database
          .prepare(
            "INSERT OR REPLACE INTO success (bucket, host, name, at, key, size, sha256, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          )
          .run(
            bucket,
            host,
            statement.set,
            at.toISOString(),
            statement.key,
            statement.size,
            statement.sha256,
            statement.seq,
          );
      }),
    listUnpublished: (limit) =>
      guard(() => {
        const select =
          "SELECT epoch, seq, key, envelope, owner FROM unpublished WHERE bucket = ? AND host = ? ORDER BY rowid LIMIT ?";
        const rows = database.prepare(select).all(bucket, host, limit);
        return rows
          .filter((row) => !isOwnerAlive(text(row.owner)))
          .map((row) => ({
            epoch: text(row.epoch),
            seq: integer(row.seq),
            key: text(row.key),
            envelope: text(row.envelope),
          }));
      }),
    forgetUnpublished: ({ epoch, seq }) => transact(() => forget(epoch, seq)),
    countUnpublished: () =>
      guard(() => {
        const count = "SELECT count(*) AS n FROM unpublished WHERE bucket = ? AND host = ?";
        return integer(database.prepare(count).get(bucket, host)?.n);
      }),
    listSuccesses: () =>
      guard(() => {
        const select =
          "SELECT name, at, key, size, sha256, seq FROM success WHERE bucket = ? AND host = ? ORDER BY name";
        return database.prepare(select).all(bucket, host).map(toSuccess);
      }),
    [Symbol.dispose]: () => database.close(),
  };
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: LOCK_TIMEOUT_MS });
  try {
    // FULL: with WAL, a commit is on the disk, not merely in order, when it returns. https://sqlite.org/pragma.html#pragma_synchronous
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    inTransaction(database, () => {
      const version = database.prepare("PRAGMA user_version").get()?.user_version;
      if (version === 0) database.exec(SCHEMA);
      else if (version !== SCHEMA_VERSION) {
        throw new AirlockError(
          "config-invalid",
          `${file} was written by another version of Airlock (format ${String(version)})`,
          {
            subject: file,
            remedy: "run the version that wrote it, or give another spool folder",
          },
        );
      }
    });
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** IMMEDIATE: the lock is taken before anything is read, so what is written follows from what is there. */
function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT"); // the commit point: from here on the number is given out
    return result;
  } catch (error) {
    // SQLite rolls back by itself on some errors (a full disk); then there is no transaction left to end.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function newEpoch(): ChainHead {
  return { epoch: randomBytes(16).toString("base64url"), seq: 0, digest: null };
}

function toSuccess(row: Record<string, SQLOutputValue>): LastSuccess {
  return {
    set: text(row.name),
    at: text(row.at),
    key: text(row.key),
    sizeBytes: integer(row.size),
    sha256: text(row.sha256),
    seq: integer(row.seq),
  };
}

function text(value: SQLOutputValue | undefined): string {
  if (typeof value !== "string") throw new TypeError("the state's schema promises text here");
  return value;
}

function integer(value: SQLOutputValue | undefined): number {
  if (typeof value !== "number") throw new TypeError("the state's schema promises a number here");
  return value;
}
