import { createHash } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { StoreConfig } from "../shared/config/store-config.ts";
import { errorCode } from "../shared/files.ts";
import { INDEX_APPLICATION, INDEX_SCHEMA, INDEX_VERSION } from "./index-schema.ts";

/** SQLite's primary result codes, the low byte of the extended ones. https://sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const UNUSABLE: ReadonlySet<number> = new Set([8, 10, 13, 14]); // readonly, I/O error, full, can't open
const DAMAGED: ReadonlySet<number> = new Set([11, 26]); // corrupt, not a database
/** Another command with a warm index is done by then; one that builds it is not waited for. */
const LOCK_TIMEOUT_MS = 3_000;

/** `$XDG_CACHE_HOME/airlock/<bucket>-<vault>.index`, or below `~/.cache`. https://specifications.freedesktop.org/basedir-spec */
export function indexFileOf(vault: StoreConfig, env: Readonly<Record<string, string | undefined>>): string {
  const given = env.XDG_CACHE_HOME ?? "";
  // "All paths set in these environment variables must be absolute. [Otherwise] ignore it."
  const caches = isAbsolute(given) ? given : join(homedir(), ".cache");
  const identity = JSON.stringify([vault.endpoint, vault.region, vault.bucket]);
  const id = createHash("sha256").update(identity).digest("hex").slice(0, 12);
  return join(caches, "airlock", `${vault.bucket}-${id}.index`);
}

export interface IndexFile {
  readonly sql: DatabaseSync;
  /** Why nothing of it is kept, in words for the reader; null: it is. */
  readonly unkept: string | null;
}

/**
 * Opens the index for this process alone, empty where there is none or it can't be used: nothing depends on it but how
 * long a command takes. Where the file is another process's, or can't be written, a temporary one stands in for it.
 * @param file null: a temporary one
 */
export function openIndexFile(file: string | null): IndexFile {
  if (file === null) return { sql: openTemporary(), unkept: null };
  try {
    // as restrictive as keys: names of hosts and files are nobody else's business
    mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 });
    let sql = openUnlessDamaged(file);
    if (sql === null) {
      for (const part of [file, `${file}-journal`]) rmSync(part, { force: true });
      sql = openUnlessDamaged(file);
    }
    if (sql !== null) return { sql, unkept: null };
    return { sql: openTemporary(), unkept: `the index can't be kept in ${file}` };
  } catch (error) {
    const code = sqliteCode(error);
    if (code === SQLITE_BUSY) return { sql: openTemporary(), unkept: "another airlock is using the index" };
    if (!UNUSABLE.has(code) && errorCode(error) === undefined) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    return { sql: openTemporary(), unkept: `the index can't be kept in ${file}: ${reason}` };
  }
}

/** null: it is damaged, or another version's. */
function openUnlessDamaged(file: string): DatabaseSync | null {
  try {
    return openExclusively(file);
  } catch (error) {
    if (DAMAGED.has(sqliteCode(error))) return null;
    throw error;
  }
}

function openExclusively(file: string): DatabaseSync | null {
  const sql = new DatabaseSync(file, { timeout: LOCK_TIMEOUT_MS });
  try {
    // an exclusive lock is taken by the first transaction, and held until the file is closed
    sql.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; PRAGMA synchronous = NORMAL");
    sql.exec("BEGIN EXCLUSIVE");
    const application = sql.prepare("PRAGMA application_id").get()?.application_id;
    const version = sql.prepare("PRAGMA user_version").get()?.user_version;
    const tables = sql.prepare("SELECT count(*) AS count FROM sqlite_schema").get()?.count;
    if (tables === 0) create(sql);
    else if (application !== INDEX_APPLICATION || version !== INDEX_VERSION) {
      sql.close();
      return null;
    }
    sql.exec("COMMIT");
    return tune(sql);
  } catch (error) {
    sql.close();
    throw error;
  }
}

/** An empty name is a private database on disk that goes with its connection. https://sqlite.org/inmemorydb.html */
function openTemporary(): DatabaseSync {
  const sql = new DatabaseSync("");
  create(sql);
  return tune(sql);
}

function create(sql: DatabaseSync): void {
  sql.exec(`PRAGMA application_id = ${INDEX_APPLICATION}; PRAGMA user_version = ${INDEX_VERSION}; ${INDEX_SCHEMA}`);
}

/** 64 MiB of pages; what it writes beside the file stays in memory. */
function tune(sql: DatabaseSync): DatabaseSync {
  sql.exec("PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY");
  return sql;
}

/** 0 for what is none of SQLite's errors. */
function sqliteCode(error: unknown): number {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
}
