/**
 * One error type and one table. What the mover does about an error, how loudly it is logged and how a
 * program exits are all decided by its code, here and nowhere else; a code without a row does not compile.
 */

export type Code =
  | "unexpected"
  | "interrupted"
  | "usage"
  | "config-invalid"
  | "key-file"
  | "locked"
  | "source-unreadable"
  | "command-failed"
  | "time-limit"
  | "disk-full"
  | "spool-full"
  | "spool-damaged"
  | "store-unavailable"
  | "tls-untrusted"
  | "slow-down"
  | "outcome-unknown"
  | "bucket-missing"
  | "wrong-region"
  | "not-found"
  | "already-exists"
  | "upload-missing"
  | "source-changed"
  | "access-denied"
  | "credentials-invalid"
  | "clock-skew"
  | "request-invalid"
  | "store-unsafe"
  | "notify-failed"
  | "host-unknown"
  | "form-invalid"
  | "statement-missing"
  | "statement-invalid"
  | "signature-invalid"
  | "digest-mismatch"
  | "size-mismatch"
  | "object-unreadable"
  | "object-too-large"
  | "quota-bytes"
  | "quota-objects"
  | "statement-orphaned"
  | "vault-mismatch"
  | "ledger-conflict"
  | "ledger-corrupt"
  | "entry-missing"
  | "object-corrupt"
  | "archive-class"
  | "decrypt-failed"
  | "target-exists"
  | "done-in-part"
  | "excess-power";

/** What the mover does: try the object again on a later sweep, hold it where it is, or stop the daemon. */
export type Reaction = "retry" | "hold" | "halt";

export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

export interface Row {
  readonly reaction: Reaction;
  readonly level: "info" | "warn" | "error" | "fatal";
  readonly exit: ExitCode;
}

export const CODES = {
  // 1: nobody foresaw it
  unexpected: { reaction: "retry", level: "error", exit: 1 },
  interrupted: { reaction: "retry", level: "info", exit: 1 },
  "command-failed": { reaction: "retry", level: "error", exit: 1 },
  "time-limit": { reaction: "retry", level: "error", exit: 1 },
  // 2: usage or configuration
  usage: { reaction: "halt", level: "error", exit: 2 },
  "config-invalid": { reaction: "halt", level: "error", exit: 2 },
  "key-file": { reaction: "halt", level: "error", exit: 2 },
  locked: { reaction: "halt", level: "error", exit: 2 },
  "source-unreadable": { reaction: "retry", level: "error", exit: 2 },
  "bucket-missing": { reaction: "halt", level: "fatal", exit: 2 },
  "wrong-region": { reaction: "halt", level: "fatal", exit: 2 },
  "store-unsafe": { reaction: "halt", level: "fatal", exit: 2 },
  "target-exists": { reaction: "halt", level: "error", exit: 2 },
  "entry-missing": { reaction: "halt", level: "error", exit: 2 },
  // 3: a store, or the disk that stands in for one, was not there
  "disk-full": { reaction: "retry", level: "error", exit: 3 },
  "spool-full": { reaction: "retry", level: "error", exit: 3 },
  "store-unavailable": { reaction: "retry", level: "warn", exit: 3 },
  "tls-untrusted": { reaction: "retry", level: "error", exit: 3 },
  "slow-down": { reaction: "retry", level: "warn", exit: 3 },
  "outcome-unknown": { reaction: "retry", level: "warn", exit: 3 },
  "not-found": { reaction: "retry", level: "warn", exit: 3 },
  "already-exists": { reaction: "retry", level: "warn", exit: 3 },
  "upload-missing": { reaction: "retry", level: "warn", exit: 3 },
  "source-changed": { reaction: "retry", level: "warn", exit: 3 },
  "archive-class": { reaction: "retry", level: "warn", exit: 3 },
  "request-invalid": { reaction: "retry", level: "error", exit: 3 },
  "notify-failed": { reaction: "retry", level: "warn", exit: 3 },
  // 4: access
  "access-denied": { reaction: "retry", level: "error", exit: 4 },
  "credentials-invalid": { reaction: "halt", level: "fatal", exit: 4 },
  "clock-skew": { reaction: "retry", level: "error", exit: 4 },
  // 5: integrity
  "host-unknown": { reaction: "hold", level: "warn", exit: 5 },
  "form-invalid": { reaction: "hold", level: "warn", exit: 5 },
  "statement-missing": { reaction: "hold", level: "warn", exit: 5 },
  "statement-invalid": { reaction: "hold", level: "error", exit: 5 },
  "signature-invalid": { reaction: "hold", level: "error", exit: 5 },
  "digest-mismatch": { reaction: "hold", level: "error", exit: 5 },
  "size-mismatch": { reaction: "hold", level: "error", exit: 5 },
  "object-unreadable": { reaction: "hold", level: "warn", exit: 5 },
  "object-too-large": { reaction: "hold", level: "warn", exit: 5 },
  "quota-bytes": { reaction: "hold", level: "warn", exit: 5 },
  "quota-objects": { reaction: "hold", level: "warn", exit: 5 },
  "statement-orphaned": { reaction: "hold", level: "warn", exit: 5 },
  "vault-mismatch": { reaction: "hold", level: "error", exit: 5 },
  "ledger-conflict": { reaction: "halt", level: "fatal", exit: 5 },
  "ledger-corrupt": { reaction: "halt", level: "fatal", exit: 5 },
  "object-corrupt": { reaction: "hold", level: "error", exit: 5 },
  "spool-damaged": { reaction: "retry", level: "error", exit: 5 },
  "decrypt-failed": { reaction: "hold", level: "error", exit: 5 },
  // 6, 7
  "done-in-part": { reaction: "retry", level: "error", exit: 6 },
  "excess-power": { reaction: "halt", level: "fatal", exit: 7 },
} as const satisfies Record<Code, Row>;

export interface ErrorDetails {
  /** The object, file or key that the error concerns. */
  readonly subject?: string;
  /** What the reader can do about it; one sentence. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

/** What happened (`message`), to what (`subject`), and what to do (`remedy`). Never carries a secret. */
export class AirlockError extends Error {
  readonly code: Code;
  readonly subject: string | undefined;
  readonly remedy: string | undefined;

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = "AirlockError";
    this.code = code;
    this.subject = details.subject;
    this.remedy = details.remedy;
  }
}

export function isAirlockError(error: unknown, ...codes: Code[]): error is AirlockError {
  return error instanceof AirlockError && (codes.length === 0 || codes.includes(error.code));
}

/** Any thrown value as an AirlockError; what nobody foresaw keeps its original as `cause`. */
export function toAirlockError(thrown: unknown): AirlockError {
  if (thrown instanceof AirlockError) return thrown;
  if (thrown instanceof Error) {
    if (thrown.name === "AbortError") return new AirlockError("interrupted", "interrupted", { cause: thrown });
    if ("code" in thrown && thrown.code === "ENOSPC") {
      return new AirlockError("disk-full", "the disk is full", {
        cause: thrown,
        remedy: "free some space on the disk that holds the spool or state folder, then run this again",
      });
    }
    return new AirlockError("unexpected", thrown.message, { cause: thrown });
  }
  return new AirlockError("unexpected", String(thrown), { cause: thrown });
}

export function exitCodeOf(error: AirlockError): ExitCode {
  return CODES[error.code].exit;
}
