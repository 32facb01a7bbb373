import { setTimeout as delay } from "node:timers/promises";
import { isAirlockError } from "../errors.ts";
import { StoreAnswer } from "./answer.ts";

export interface RetryPolicy {
  /** The first one included; 1 means no retry. */
  readonly attempts: number;
  readonly baseMs: number;
  readonly capMs: number;
}

export interface RetryTools {
  readonly sleep: (durationMs: number, signal: AbortSignal) => Promise<void>;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 4, baseMs: 200, capMs: 10_000 };

export const systemRetryTools: RetryTools = {
  sleep: (durationMs, signal) => delay(durationMs, undefined, { signal }),
  random: Math.random,
};

/**
 * For calls that are safe to repeat, and for no others. Full jitter: anything between 0 and the doubling bound, so
 * that clients which failed together do not come back together. A store's Retry-After is honoured up to the cap.
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  policy: RetryPolicy = DEFAULT_RETRY,
  tools: RetryTools = systemRetryTools,
): Promise<T> {
  for (let failed = 1; ; failed += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (failed >= policy.attempts || signal.aborted || !isAirlockError(error, "store-unavailable", "slow-down"))
        throw error;
      const bound = Math.min(policy.capMs, policy.baseMs * 2 ** (failed - 1));
      const asked = error.cause instanceof StoreAnswer ? (error.cause.retryAfterMs ?? 0) : 0;
      // an abort while waiting is reported by the next attempt, which sees the signal first
      await tools.sleep(Math.max(tools.random() * bound, Math.min(asked, policy.capMs)), signal).catch(() => undefined);
    }
  }
}
