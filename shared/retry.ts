import { AirlockError } from "./errors.ts";

/** Where waiting and chance come from, so that a test can stand in for both. */
export interface Timing {
  /** Epoch milliseconds. */
  now(): number;
  /** Resolves after that time; rejects with `interrupted` as soon as the signal is aborted. */
  sleep(durationMs: number, signal: AbortSignal): Promise<void>;
  /** 0 to below 1. */
  readonly random: () => number;
}

/** A timer of Node's that is set for longer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const realTiming: Timing = {
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: (durationMs, signal) =>
    new Promise((resolve, reject) => {
      const interrupt = (): void => {
        clearTimeout(timer);
        reject(interrupted(signal));
      };
      const sleepOn = (leftMs: number): NodeJS.Timeout => setTimeout(wake, Math.min(leftMs, LONGEST_TIMER_MS), leftMs);
      const wake = (leftMs: number): void => {
        if (leftMs > LONGEST_TIMER_MS) {
          timer = sleepOn(leftMs - LONGEST_TIMER_MS);
          return;
        }
        signal.removeEventListener("abort", interrupt);
        resolve();
      };
      if (signal.aborted) return reject(interrupted(signal));
      let timer = sleepOn(durationMs);
      signal.addEventListener("abort", interrupt, { once: true });
    }),
};

function interrupted(signal: AbortSignal): AirlockError {
  return new AirlockError("interrupted", "interrupted", { cause: signal.reason });
}

export interface Backoff {
  /** Ceiling of the first wait. */
  readonly baseMs: number;
  /** Ceiling of every wait. */
  readonly capMs: number;
}

/**
 * "Full jitter": anything up to a ceiling that doubles with each failure, so that those who failed together do not
 * come back together. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @param failures how many there were so far, from 1
 */
export function backoffMs(failures: number, backoff: Backoff, random: () => number): number {
  return random() * Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(failures - 1, 30));
}

export interface RetryPolicy extends Backoff {
  /** Attempts in all; Infinity for what has to go on until it is told to stop. */
  readonly attempts: number;
  readonly retryable: (error: unknown) => boolean;
  readonly onRetry?: (error: unknown, failures: number, waitMs: number) => void;
}

/** Runs `attempt` until it succeeds, fails for good, or has failed often enough; the last error is what is thrown. */
export async function retry<T>(
  attempt: (number: number) => Promise<T>,
  policy: RetryPolicy,
  timing: Timing,
  signal: AbortSignal,
): Promise<T> {
  for (let failures = 0; ;) {
    try {
      return await attempt(failures + 1);
    } catch (error) {
      failures++;
      if (failures >= policy.attempts || signal.aborted || !policy.retryable(error)) throw error;
      const waitMs = backoffMs(failures, policy, timing.random);
      policy.onRetry?.(error, failures, waitMs);
      await timing.sleep(waitMs, signal);
    }
  }
}
