import { join } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { AirlockError } from "../shared/errors.ts";
import { makeEmptyFile, makeFolder } from "../shared/files.ts";
import { OLDER_VERSIONS, SCHEMA, SCHEMA_VERSION } from "./schema.ts";
import { explainSqlite } from "./sqlite-errors.ts";

/** Another process holds the lock for one small transaction at a time; a wait of this long means that it hangs. */
const LOCK_TIMEOUT_MS = 30_000;

/**
 * What a host must remember, in one SQLite file in the spool folder. Several processes share it.
 */
export interface UploaderDatabase extends Disposable {
  readonly sql: DatabaseSync;
  /** Runs reading work, its errors explained. @throws {AirlockError} */
  readonly guard: <Result>(work: () => Result) => Result;
  /** Runs work as one transaction, under the lock from its first read on; on the disk when this returns. */
  readonly transact: <Result>(work: () => Result) => Result;
}

/**
 * @param spoolFolder made when it is not there, for its owner alone
 * @throws {AirlockError} `disk-full`, or `config-invalid` when the folder or file can't be used
 */
export function openDatabase(spoolFolder: string): UploaderDatabase {
  const file = join(spoolFolder, "state.db");
  const guard = <Result>(work: () => Result): Result => explainSqlite(file, work);
  const sql = guard(() => {
    makeFolder(spoolFolder);
    makeEmptyFile(file); // what SQLite puts beside it has its owner and mode
    return openFile(file);
  });
  return {
    sql,
    guard,
    transact: (work) => guard(() => inTransaction(sql, work)),
    [Symbol.dispose]: () => sql.close(),
  };
}

function openFile(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: LOCK_TIMEOUT_MS });
  try {
    // FULL: with WAL, a commit is on the disk, not merely in order, when it returns. https://sqlite.org/pragma.html#pragma_synchronous
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    inTransaction(database, () => {
      const version = database.prepare("PRAGMA user_version").get()?.user_version;
      if (OLDER_VERSIONS.has(version)) database.exec(SCHEMA);
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

export function text(value: SQLOutputValue | undefined): string {
  if (typeof value !== "string") throw new TypeError("the state's schema promises text here");
  return value;
}

export function integer(value: SQLOutputValue | undefined): number {
  if (typeof value !== "number") throw new TypeError("the state's schema promises a number here");
  return value;
}
