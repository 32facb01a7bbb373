import { isAirlockError, type AirlockError } from "../shared/errors.ts";
import { retry, type RetryPolicy, type Timing } from "../shared/retry.ts";
import type { Attempts, PublishContext } from "./publish-context.ts";

/** 9 attempts spread over up to 4¼ minutes: an outage that is longer is for whoever schedules the next run. */
export const RETRY: Attempts = { attempts: 9, baseMs: 1_000, capMs: 120_000 };

export interface RetryContext {
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly attempts?: Attempts;
  readonly onRetry: (error: AirlockError, failures: number, waitMs: number) => void;
}

export function retryContextOf(
  { timing, signal, log, retry: attempts = RETRY }: PublishContext,
  key: string,
): RetryContext {
  return {
    timing,
    signal,
    attempts,
    onRetry: (error, failures, waitMs) =>
      log.failure("upload-retry", error, { key, failures, waitMs: Math.round(waitMs) }),
  };
}

/** For what is harmless to repeat: parts, and beginning an upload that nobody sees. */
export function repeatSafely<T>(attempt: () => Promise<T>, context: RetryContext): Promise<T> {
  return retry(attempt, policyOf(context), context.timing, context.signal);
}

/** `stored` also when the store says that the name exists after an attempt of ours whose end nobody saw. */
export type Creation = "stored" | "name-taken";

/**
 * A creating call: repeated identically, and only while nobody knows whether it took effect. That the name exists then
 * means that it did; on a first attempt, that somebody else has the name.
 *
 * @param mayExist a former call of ours, with the same bytes, may have created it
 */
export async function createOnce(
  create: () => Promise<void>,
  mayExist: boolean,
  context: RetryContext,
): Promise<Creation> {
  let isUncertain = mayExist;
  const attempt = async (): Promise<Creation> => {
    try {
      await create();
      return "stored";
    } catch (error) {
      if (isAirlockError(error, "already-exists")) return isUncertain ? "stored" : "name-taken";

      // A connection that never came about (`store-unavailable`) leaves no doubt; whatever reached the store does.
      isUncertain ||= isAirlockError(error, "outcome-unknown", "slow-down");
      throw error;
    }
  };
  return retry(attempt, policyOf(context), context.timing, context.signal);
}

function policyOf(context: RetryContext): RetryPolicy {
  return {
    ...(context.attempts ?? RETRY),
    retryable: isRetryable,
    onRetry: (error, failures, waitMs) => {
      if (isAirlockError(error)) context.onRetry(error, failures, waitMs);
    },
  };
}

function isRetryable(error: unknown): boolean {
  return isAirlockError(error, "outcome-unknown", "store-unavailable", "slow-down");
}
