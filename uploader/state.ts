import { randomBytes } from "node:crypto";
import type { SQLOutputValue } from "node:sqlite";
import { formatStatement, statementDigest, type SignedStatement, type Statement } from "../shared/statement.ts";
import { integer, openDatabase, text, type UploaderDatabase } from "./database.ts";
import { isOwnerAlive } from "./process-owner.ts";

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
 * Where a host is in its sequence, and what became of its statements. Several processes share it; each duty below is one
 * transaction that survives a power cut once it has returned.
 */
export interface UploaderState extends Disposable {
  /** The file itself, for those who keep other things in it. */
  readonly database: UploaderDatabase;
  readHead(): ChainHead | null;
  /** Begins a new sequence: for a first start, and for a host restored from a snapshot that would repeat numbers. */
  startEpoch(): ChainHead;
  /**
   * Gives out the next number. `sign` receives the head before it and must return the statement for `head.seq + 1`;
   * number and statement are on disk when this returns and not before, so no number ever stands for two statements.
   * @param alongside writes that become lasting together with it or not at all
   */
  issue(sign: (head: ChainHead) => SignedStatement, alongside?: (signed: SignedStatement) => void): SignedStatement;
  /**
   * Both a statement and its object (null: the statement alone, for an object that never came) are in the store.
   * @param alongside as with {@link issue}
   */
  markPublished(signed: SignedStatement, at: Date | null, alongside?: () => void): void;
  /** Statements issued by processes that are gone, oldest first; not those of objects that wait in the spool. */
  listUnpublished(limit: number): readonly Unpublished[];
  forgetUnpublished(statement: Unpublished): void;
  /** Nothing of this process goes on with it: it counts like those of processes that are gone. */
  abandon(statement: Statement): void;
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
export function openState(options: StateOptions, opened = openDatabase(options.spoolFolder)): UploaderState {
  const { bucket, host, owner } = options;
  const { sql: database, guard, transact } = opened;

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
    database: opened,
    readHead: () => guard(readHead),
    startEpoch: () =>
      transact(() => {
        const head = newEpoch();
        writeHead(head);
        return head;
      }),
    issue: (sign, alongside) =>
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
        alongside?.(signed);
        return signed;
      }),
    markPublished: ({ statement }, at, alongside) =>
      transact(() => {
        forget(statement.epoch, statement.seq);
        alongside?.();
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
        const select = `SELECT epoch, seq, key, envelope, owner FROM unpublished AS u WHERE bucket = ? AND host = ?
          AND NOT EXISTS (SELECT 1 FROM waiting AS w WHERE w.epoch = u.epoch AND w.seq = u.seq) ORDER BY rowid LIMIT ?`;
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
    abandon: ({ epoch, seq }) =>
      transact(() => {
        database.prepare("UPDATE unpublished SET owner = '' WHERE epoch = ? AND seq = ?").run(epoch, seq);
      }),
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
    [Symbol.dispose]: () => opened[Symbol.dispose](),
  };
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
