import { hasPassed } from "../shared/elapsed.ts";
import { backoffMs, type Backoff, type Timing } from "../shared/retry.ts";

/** For all objects, after a failure that another object would meet as well; forgotten with the first success. */
const STORE_BACKOFF: Backoff = { baseMs: 1_000, capMs: 60_000 };
/** For the one object that failed. */
const OBJECT_BACKOFF: Backoff = { baseMs: 1_000, capMs: 300_000 };
/** For what time alone does not mend: somebody may have mended it. */
const RARELY_MS = 900_000;
/** How soon an object is seen that another process spooled. */
const LOOK_EVERY_MS = 5_000;

interface Trouble {
  readonly failures: number;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
  /** Infinity: never again here. */
  readonly waitMs: number;
}

/** When what is to be tried again. All waits have a cap and jitter. */
export interface Pace {
  isPaused(): boolean;
  /** Objects whose time has not come yet. */
  listLater(): ReadonlySet<string>;
  /** Whether a failed object's time is still to come. */
  hasRetries(): boolean;
  /** Until there may be something to do. */
  untilNextMs(): number;
  succeeded(id: string): void;
  /** @returns how long the object waits at least; Infinity for good */
  failed(id: string, kind: "transient" | "rarely" | "never"): { readonly failures: number; readonly waitMs: number };
  /** Of all, since something failed that concerns all. */
  pause(): void;
  /** Of objects that are due: they are not there any more. */
  forgetDue(except: ReadonlySet<string>): void;
}

export function createPace(timing: Timing): Pace {
  const troubles = new Map<string, Trouble>();
  let pauses = 0;
  let paused = { sinceMs: -Infinity, waitMs: 0 };

  const isPaused = (): boolean => !hasPassed(paused.sinceMs, paused.waitMs, timing.now());
  const isDue = ({ sinceMs, waitMs }: Trouble): boolean =>
    waitMs !== Infinity && hasPassed(sinceMs, waitMs, timing.now());
  const pause = (): void => {
    // those under way when a pause begins fail for the same reason
    if (isPaused()) return;
    pauses++;
    paused = { sinceMs: timing.now(), waitMs: backoffMs(pauses, STORE_BACKOFF, timing.random) };
  };
  return {
    isPaused,
    listLater: () => new Set([...troubles].filter(([, trouble]) => !isDue(trouble)).map(([id]) => id)),
    hasRetries: () => troubles.values().some(({ waitMs }) => waitMs !== Infinity),
    untilNextMs() {
      const now = timing.now();
      const retries = [...troubles.values()].filter((one) => !isDue(one)).map((one) => one.sinceMs + one.waitMs);
      const pausedUntilMs = isPaused() ? paused.sinceMs + paused.waitMs : -Infinity;
      return Math.max(Math.min(now + LOOK_EVERY_MS, ...retries), pausedUntilMs) - now;
    },
    succeeded(id) {
      pauses = 0;
      paused = { sinceMs: -Infinity, waitMs: 0 };
      troubles.delete(id);
    },
    failed(id, kind) {
      const failures = (troubles.get(id)?.failures ?? 0) + 1;
      const rarelyMs = kind === "never" ? Infinity : RARELY_MS * (0.5 + timing.random() / 2);
      const waitMs = kind === "transient" ? backoffMs(failures, OBJECT_BACKOFF, timing.random) : rarelyMs;
      troubles.set(id, { failures, sinceMs: timing.now(), waitMs });
      if (kind === "transient") pause();
      return { failures, waitMs };
    },
    pause,
    forgetDue(except) {
      for (const [id, trouble] of troubles) if (isDue(trouble) && !except.has(id)) troubles.delete(id);
    },
  };
}
