/**
 * One process at a time in a folder. The lock is SQLite's exclusive lock on a database file, which is a POSIX record
 * lock (fcntl): the kernel drops it when the process ends, however it ends, so there is no stale lock to judge, and no
 * pid whose number another process may have by now. Unlike flock, it is not inherited by child processes, so a backup
 * command that outlives us does not keep it. Node has no call for either lock; SQLite is part of it.
 *
 * The folder has to be on a local file system (locks over NFS depend on the server). Nothing else in the process may
 * open the file `lock`: closing it would drop the lock, as POSIX has it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { getSystemErrorMessage } from "node:util";
import { AirlockError } from "./errors.ts";
import { errorCode, makeEmptyFile, makeFolder, replaceFile } from "./files.ts";

/** SQLite's primary result codes, the low byte of the extended ones. https://sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
/** Extended codes for a file that can't grow: IOERR_WRITE and IOERR_SHMSIZE. */
const CANNOT_GROW: ReadonlySet<number> = new Set([778, 4874]);

export interface ProcessLock {
  release(): void;
  [Symbol.dispose](): void;
}

/** A database that is collected as garbage is closed, and its lock with it. */
const held = new Set<DatabaseSync>();

/**
 * Takes the folder for this process; makes it (mode 700) where there is none. `pid` is written beside the lock, for the
 * message that another process gives; nothing else depends on it.
 * @throws {AirlockError} `locked` at once, without waiting, when another process has it
 */
export async function lockFolder(folder: string, pid: number): Promise<ProcessLock> {
  const file = join(folder, "lock");
  const database = openDatabase(folder, file);
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    throw isBusy(cause) ? lockedBy(folder, cause) : unusable(folder, cause);
  }
  held.add(database);
  const release = (): void => {
    if (held.delete(database)) database.close();
  };
  try {
    await replaceFile(`${file}.pid`, `${pid}\n`, { mode: 0o600 });
  } catch (cause) {
    release();
    throw unusable(folder, cause);
  }
  return { release, [Symbol.dispose]: release };
}

function openDatabase(folder: string, file: string): DatabaseSync {
  try {
    makeFolder(folder);
    makeEmptyFile(file);
    return new DatabaseSync(file, { timeout: 0 });
  } catch (cause) {
    throw unusable(folder, cause);
  }
}

function isBusy(error: unknown): boolean {
  return (sqliteCode(error) & 0xff) === SQLITE_BUSY;
}

/** EDQUOT and EFBIG: limits of a user, or of a process, on the same thing. */
function isFull(error: unknown): boolean {
  const extended = sqliteCode(error);
  return (
    (extended & 0xff) === SQLITE_FULL ||
    CANNOT_GROW.has(extended) ||
    ["ENOSPC", "EDQUOT", "EFBIG"].includes(errorCode(error) ?? "")
  );
}

/** 0 for what is none of SQLite's errors. */
function sqliteCode(error: unknown): number {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) : 0;
}

function lockedBy(folder: string, cause: unknown): AirlockError {
  const pid = readPid(join(folder, "lock.pid"));
  const who = pid === null ? "another process" : `process ${pid}`;
  return new AirlockError("locked", `${who} is at work in this folder`, {
    subject: folder,
    remedy: "wait for it or stop it; a process that has died leaves no lock behind",
    cause,
  });
}

function readPid(file: string): number | null {
  try {
    const text = readFileSync(file, "utf8").trim();
    return /^\d{1,10}$/.test(text) ? Number(text) : null;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return null; // the other process has the lock and has not written its pid yet
  }
}

function unusable(folder: string, cause: unknown): AirlockError {
  if (isFull(cause)) {
    return new AirlockError("disk-full", "no space left in the folder", {
      subject: folder,
      remedy: "free some space on the disk that holds this folder, then run this again",
      cause,
    });
  }
  return new AirlockError("config-invalid", `the folder cannot be used: ${reasonOf(cause)}`, {
    subject: folder,
    remedy: "name a folder on a local disk that the user that this runs as may write to",
    cause,
  });
}

/** In words, where there are any: what Node calls ENOTDIR is "not a directory". */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const words =
    "errno" in cause && typeof cause.errno === "number" ? getSystemErrorMessage(cause.errno) : cause.message;
  const code = errorCode(cause);
  return code === undefined || code.startsWith("ERR_") ? words : `${words} (${code})`;
}
