import type { Timing } from "../shared/retry.ts";

/** What may be sent at once after a pause; small enough that a limit is kept within any second. */
const BURST_MS = 250;

/** Lets bytes pass at a rate: resolves when so many more may go. One for all transfers that share a limit. */
export function limitBandwidth(
  bytesPerSecond: number,
  timing: Timing,
): (sizeBytes: number, signal: AbortSignal) => Promise<void> {
  /** When all that has passed would have been sent at exactly the rate. */
  let paidUntilMs = 0;
  let before = -Infinity;
  return async (sizeBytes, signal) => {
    const now = timing.now();
    if (now < before) paidUntilMs -= before - now; // the clock was set back
    before = now;
    paidUntilMs = Math.max(paidUntilMs, now - BURST_MS) + (sizeBytes / bytesPerSecond) * 1000;
    if (paidUntilMs > now) await timing.sleep(paidUntilMs - now, signal);
  };
}
