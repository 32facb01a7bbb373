import { hasPassed } from "../shared/elapsed.ts";
import { type AirlockError, toAirlockError } from "../shared/errors.ts";
import type { Timing } from "../shared/retry.ts";
import { holdAlerts, type Alerts } from "./alerts.ts";
import type { Backlog } from "./backlog.ts";
import { HoldReports } from "./hold-reports.ts";
import type { LedgerWriter } from "./ledger-writer.ts";

/** How often what time alone shows is looked for, at most. */
const INTERVAL_MS = 1000;
/** A move that is under way puts off what its host is told to be missing, this long at most. */
const LONGEST_MOVE_MS = 24 * 3_600_000;
/** After a start, what waited meanwhile may still be on its way. */
const CATCHING_UP_MS = 3_600_000;

export interface BookkeeperOptions {
  readonly ledger: LedgerWriter;
  readonly backlog: Backlog;
  readonly timing: Timing;
  readonly alerts?: Alerts;
  /** How long a number of a host's sequence may be missing before that is recorded. */
  readonly missingAfterMs: () => number;
  /** The ledger can't be written any more. */
  readonly halt: (error: AirlockError) => void;
}

/** Has the ledger told what no move tells it: what is held, which numbers did not come, which sets are overdue. */
export class Bookkeeper {
  readonly #options: BookkeeperOptions;
  readonly #startedAtMs: number;
  readonly #holdReports: HoldReports;
  #hasToldHolds = false;
  /** Before all of the drop-zone has been seen once, much may merely wait there. */
  #isAllSeen = false;
  #lookedAtMs = -Infinity;
  #isTelling = false;

  constructor(options: BookkeeperOptions) {
    this.#options = options;
    this.#startedAtMs = options.timing.now();
    this.#holdReports = new HoldReports(this.#startedAtMs);
  }

  /** All of the drop-zone has been seen once more. */
  endPass(): void {
    this.#isAllSeen = true;
    const { backlog, ledger, timing, alerts } = this.#options;
    const before = backlog.holds;
    if (backlog.endPass()) {
      this.#holdReports.changed();
      const known = [before, ledger.books.holds];
      for (const alert of holdAlerts(known, backlog.holds, timing.now())) alerts?.raise(alert);
    }
    this.tick();
  }

  /** About once a second. */
  tick(): void {
    this.#tellHolds(false);
    this.#tellFindings();
  }

  /** There is no later: what the ledger has not been told yet, it is told now. */
  end(): void {
    this.#tellHolds(true);
  }

  #tellHolds(isLast: boolean): void {
    const { backlog, ledger, timing } = this.#options;
    if (!this.#isAllSeen || !this.#holdReports.takeDue(timing.now(), isLast)) return;
    // who has just started counts anew, and may come to what the ledger says already
    if (!this.#hasToldHolds && JSON.stringify(backlog.holds) === JSON.stringify(ledger.books.holds)) return;
    this.#hasToldHolds = true;
    ledger.reportHolds(backlog.holds);
  }

  #tellFindings(): void {
    const { ledger, backlog, timing, missingAfterMs, halt } = this.#options;
    const nowMs = timing.now();
    if (!this.#isAllSeen || this.#isTelling || !hasPassed(this.#lookedAtMs, INTERVAL_MS, nowMs)) return;
    this.#lookedAtMs = nowMs;
    // a large object that is being copied may well be what seems to be missing, or what came while nobody looked
    const movingSinceMs = (host: string): number => backlog.oldestActiveMs(host) ?? Infinity;
    const isCatchingUp = nowMs - this.#startedAtMs < CATCHING_UP_MS;
    const entries = ledger.books.due(nowMs, {
      holesBeforeMs: (host) =>
        Math.min(nowMs - missingAfterMs(), Math.max(movingSinceMs(host), nowMs - LONGEST_MOVE_MS)),
      isArriving: (host) => isCatchingUp && movingSinceMs(host) < Infinity,
    });
    if (entries.length === 0) return;
    this.#isTelling = true; // what is asked for twice would be recorded twice
    void Promise.all(entries.map((entry) => ledger.append(entry)))
      .catch((thrown: unknown) => halt(toAirlockError(thrown)))
      .finally(() => {
        this.#isTelling = false;
      });
  }
}
