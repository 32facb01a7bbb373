import type { Timing } from "../shared/retry.ts";
import { isAirlockError } from "../shared/errors.ts";
import type { LockReader, ObjectLock, StoredVersion } from "../shared/stores.ts";
import type { Finding, Report } from "./findings.ts";
import { prefetch } from "./prefetch.ts";
import { judgeLock, lockDueUntil, type Keeping } from "./retention.ts";

const REQUESTS_AT_ONCE = 16;
/** So many objects' locks are looked at without --locks, chosen by chance. */
const LOCK_SAMPLE = 100;

export interface LockTotals {
  /** Whose lock was read, of those that the bucket's default keeps to this day. */
  readonly checked: number;
  /** How many of these there are. */
  readonly due: number;
  /** Of those read, how many the key may not see. */
  readonly unseen: number;
}

export interface LockCheck {
  /** One version as the listing shows it; with `all` its lock is read at once, else it may become one of the sample. */
  look(versions: readonly StoredVersion[]): Promise<void>;
  /** Reads what was chosen, and sums up. */
  end(): Promise<LockTotals>;
}

export interface LockContext {
  readonly locks: LockReader;
  readonly keeping: Keeping;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly report: Report;
}

interface DueVersion {
  readonly version: StoredVersion;
  readonly until: Date;
}

/** Checks versions' locks against the bucket's default retention: all of them, or a sample. */
export function createLockCheck(context: LockContext, all: boolean): LockCheck {
  const { keeping, timing } = context;
  const totals = { checked: 0, due: 0, unseen: 0 };
  const sample: DueVersion[] = [];
  const unlocked = reportTogether(context.report);
  const read = async (due: readonly DueVersion[]): Promise<void> => {
    const load = (one: DueVersion, signal: AbortSignal): Promise<readonly [DueVersion, Seen]> =>
      readOne(one, context, signal);
    for await (const [{ version, until }, lock] of prefetch(due, REQUESTS_AT_ONCE, load, context.signal)) {
      if (lock === "gone") continue; // reported as such by whoever lists
      totals.checked += 1;
      if (lock === "unknown") {
        totals.unseen += 1;
        continue;
      }
      const fault = judgeLock(lock, until, keeping, new Date(timing.now()));
      const finding = fault === null ? null : { ...fault, subject: version.key, mover: null, segment: null };
      if (lock === "none" && finding !== null) unlocked.add(finding);
      else {
        unlocked.notAll();
        if (finding !== null) context.report(finding);
      }
    }
  };
  return {
    look: async (versions) => {
      const now = timing.now();
      const due = versions.flatMap((version) => {
        const until = lockDueUntil(keeping, version.lastModified, now);
        return until === null ? [] : [{ version, until }];
      });
      if (all) {
        totals.due += due.length;
        await read(due);
        return;
      }
      // each of all that are due has the same chance (Vitter's algorithm R)
      for (const one of due) {
        totals.due += 1;
        if (sample.length < LOCK_SAMPLE) sample.push(one);
        else {
          const place = Math.floor(timing.random() * totals.due);
          if (place < LOCK_SAMPLE) sample[place] = one;
        }
      }
    },
    end: async () => {
      await read(sample);
      unlocked.end();
      return totals;
    },
  };
}

/** Where nothing at all has a lock of its own, that is one finding, not as many as there are objects. */
function reportTogether(report: Report): {
  readonly add: (finding: Finding) => void;
  readonly notAll: () => void;
  readonly end: () => void;
} {
  const withheld: Finding[] = [];
  let [count, isAll] = [0, true];
  return {
    add: (finding) => {
      if (!isAll) return report(finding);
      count += 1;
      if (withheld.length < LOCK_SAMPLE) withheld.push(finding);
    },
    notAll: () => {
      if (!isAll) return;
      isAll = false;
      for (const finding of withheld) report(finding);
      const [last] = withheld;
      if (last !== undefined && count > withheld.length)
        report({
          ...last,
          subject: "archive/",
          message: `${count - withheld.length} more of them, listed before this`,
        });
    },
    end: () => {
      const [first] = withheld;
      if (!isAll || first === undefined) return;
      const message =
        count === 1
          ? first.message
          : `none of the ${count} that were looked at has a lock: they are older than the bucket's default retention, or this store has no locks of single objects`;
      report({ ...first, subject: count === 1 ? first.subject : "archive/", message });
    },
  };
}

type Seen = ObjectLock | "none" | "unknown" | "gone";

async function readOne(
  due: DueVersion,
  { locks }: LockContext,
  signal: AbortSignal,
): Promise<readonly [DueVersion, Seen]> {
  const { key, versionId } = due.version;
  try {
    return [due, await locks.readLock(key, versionId, signal)];
  } catch (error) {
    if (isAirlockError(error, "not-found")) return [due, "gone"];
    throw error;
  }
}
