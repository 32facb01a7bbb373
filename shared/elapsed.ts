/**
 * Whether so much time has passed since then, by a clock that may be set. Set back, it says nothing any more of how long it
 * has been: then what is waited for is due, rather than as late as the clock was wrong. All in ms.
 */
export function hasPassed(sinceMs: number, durationMs: number, nowMs: number): boolean {
  return nowMs - sinceMs >= durationMs || nowMs < sinceMs;
}
