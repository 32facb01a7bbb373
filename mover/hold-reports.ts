import { hasPassed } from "../shared/elapsed.ts";

/** A flood that changes what is held with every sweep must not become a segment of the ledger with every sweep. */
const INTERVAL_MS = 60_000;

/**
 * When the ledger is told of what is held: no more often than once a minute, and not in the first, in which a mover that
 * has started comes upon one held object after the other.
 */
export class HoldReports {
  #isOwed = true;
  #toldAtMs: number;

  constructor(startedAtMs: number) {
    this.#toldAtMs = startedAtMs;
  }

  changed(): void {
    this.#isOwed = true;
  }

  /** Whether it is to be told now. `isLast`: there will be no later. */
  takeDue(nowMs: number, isLast = false): boolean {
    if (!this.#isOwed || (!isLast && !hasPassed(this.#toldAtMs, INTERVAL_MS, nowMs))) return false;
    this.#isOwed = false;
    this.#toldAtMs = nowMs;
    return true;
  }
}
