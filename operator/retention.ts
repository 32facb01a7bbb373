import type { DefaultRetention, LockReader, ObjectLock } from "../shared/stores.ts";

const DAY_MS = 86_400_000;
/** Of slack for the time that an upload takes, and for clocks: a lock is reckoned from a moment that is not quite ours. */
const SLACK_MS = DAY_MS;

/**
 * How long the vault's objects are kept, as the operator decides what may be gone: `expireAfter` of the configuration,
 * else what the bucket's default retention is today. A ledger does not record an object's lock.
 */
export interface Keeping {
  /** What is missing and was recorded longer ago than this has expired; null: nothing ever does. */
  readonly expireAfterMs: number | null;
  /** Where that comes from, in words. */
  readonly source: string;
  readonly retention: DefaultRetention | "none" | "unknown";
}

export async function readKeeping(
  reader: LockReader,
  expireAfterMs: number | null,
  signal: AbortSignal,
): Promise<Keeping> {
  const retention = await reader.readDefaultRetention(signal);
  if (expireAfterMs !== null) return { expireAfterMs, source: "expireAfter in the configuration", retention };
  if (typeof retention !== "string") {
    return { expireAfterMs: retention.days * DAY_MS, source: "the bucket's default retention", retention };
  }
  return { expireAfterMs: null, source: "no retention is known", retention };
}

/** Whether what was recorded then may be gone by now. */
export function mayBeGone({ expireAfterMs }: Keeping, recordedAtMs: number, atMs: number): boolean {
  return expireAfterMs !== null && atMs >= recordedAtMs + expireAfterMs;
}

/** Until when a version that was created then has to be locked; null: by now nothing has to keep it. */
export function lockDueUntil({ retention }: Keeping, createdAt: Date, nowMs: number): Date | null {
  if (typeof retention === "string") return null;
  const untilMs = createdAt.getTime() + retention.days * DAY_MS - SLACK_MS;
  return untilMs > nowMs ? new Date(untilMs) : null;
}

export interface LockFault {
  readonly code: "lock-missing" | "lock-short";
  readonly message: string;
}

/** What is wrong with a version's lock, given until when it has to be there; null: nothing. */
export function judgeLock(lock: ObjectLock | "none", due: Date, { retention }: Keeping, now: Date): LockFault | null {
  if (lock === "none" || lock.until <= now) {
    const what = lock === "none" ? "it has no lock" : `its lock ended at ${lock.until.toISOString()}`;
    return { code: "lock-missing", message: `${what}, and the bucket's default keeps what is as young as this` };
  }
  if (lock.until < due) {
    const message = `its lock ends at ${lock.until.toISOString()}, earlier than the bucket's default has it`;
    return { code: "lock-short", message };
  }
  if (typeof retention !== "string" && retention.mode === "COMPLIANCE" && lock.mode === "GOVERNANCE") {
    const message = "its lock is of GOVERNANCE mode, which some keys may lift; the bucket's default is COMPLIANCE";
    return { code: "lock-short", message };
  }
  return null;
}
