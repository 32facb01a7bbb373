import { AirlockError } from "../shared/errors.ts";

/** SQLite's primary result codes (https://sqlite.org/rescode.html): the low byte of the extended one. */
const SQLITE = { busy: 5, readonly: 8, ioError: 10, corrupt: 11, full: 13, cannotOpen: 14, notDatabase: 26 } as const;
/** Extended codes for a file that can't grow: IOERR_WRITE and IOERR_SHMSIZE. */
const CANNOT_GROW: ReadonlySet<number> = new Set([778, 4874]);

/** Runs it; what SQLite throws comes out as an AirlockError that says what to do about the file. */
export function explainSqlite<Result>(file: string, work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    throw explain(file, cause);
  }
}

function explain(file: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || !("code" in cause)) return cause;
  const extended = "errcode" in cause && typeof cause.errcode === "number" ? cause.errcode : 0;
  const code = extended & 0xff;
  const details = { subject: file, cause };
  if (code === SQLITE.full || CANNOT_GROW.has(extended) || cause.code === "ENOSPC") {
    const remedy = "free some space on the disk that holds the spool, then run this again";
    return new AirlockError("disk-full", "no space left for the uploader's state", { ...details, remedy });
  }
  if (code === SQLITE.busy) {
    const remedy = "look for an airlock-uploader process that hangs";
    return new AirlockError("locked", "another process has held the uploader's state for 30 seconds", {
      ...details,
      remedy,
    });
  }
  if (code === SQLITE.corrupt || code === SQLITE.notDatabase) {
    const remedy = "move the file away and run `airlock-uploader init`, which begins a new sequence";
    return new AirlockError("config-invalid", "the uploader's state is damaged", { ...details, remedy });
  }
  const isUnusable = code === SQLITE.cannotOpen || code === SQLITE.readonly || code === SQLITE.ioError;
  if (isUnusable || cause.code === "EACCES" || cause.code === "EROFS" || cause.code === "ENOTDIR") {
    const remedy = "let `spool` name a folder on a local disk that this user may write";
    return new AirlockError("config-invalid", `the uploader's state can't be used: ${cause.message}`, {
      ...details,
      remedy,
    });
  }
  return cause;
}
