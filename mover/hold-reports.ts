/** A flood that changes what is held with every sweep must not become a segment of the ledger with every sweep. */
const INTERVAL_MS = 60_000;

/** When the ledger is told of what is held: at once, and then no more often than once a minute. */
export class HoldReports {
  #isOwed = false;
  #toldAtMs = -Infinity;

  changed(): void {
    this.#isOwed = true;
  }

  /** Whether it is to be told now. `isLast`: there will be no later. */
  takeDue(nowMs: number, isLast = false): boolean {
    if (!this.#isOwed || (!isLast && nowMs - this.#toldAtMs < INTERVAL_MS)) return false;
    this.#isOwed = false;
    this.#toldAtMs = nowMs;
    return true;
  }
}
