/**
 * How many moves run side by side: as many as the stores and this machine make use of, `concurrency` at most. More would
 * only wait for each other, in a store's queue where no turn can be given back, so that one host's flood delays what
 * another host sends by all of it that is under way.
 *
 * What tells is the time from a GET to its headers, which is the same for objects of every size. With next to nothing
 * under way it is the stores' own; whatever comes on top later is waiting. The window grows while there is none, shrinks
 * in proportion to it, and is halved when a store says SlowDown. That is the gradient of
 * https://netflixtechblog.medium.com/performance-under-load-3e6fa9a60581, but held against the mean of calm times and
 * not against the shortest time ever: answers of a store that is far away vary by more than they wait.
 */

import { hasPassed } from "../shared/elapsed.ts";

/** With so many under way, none waits for another. */
const CALM_MOVES = 2;
/** So many answers tell what calm times are like. */
const CALM_ANSWERS = 8;
/** Then it is found out again: stores change, and so does what else this machine does. At first soon: a start is slow. */
const CALM_FOR_MS = 20_000;
const CALM_AT_FIRST_MS = 1000;
/** How much longer than in calm times an answer may take before that counts as waiting: so many times, and ms. */
const TOLERANCE = 1.5;
const SLACK_MS = 2;
/** How much the latest answer counts in a moving average. */
const WEIGHT = 1 / 16;
/** What began before the window was halved hears of the same trouble. */
const HALVE_EVERY_MS = 1000;

export class CongestionWindow {
  #maxSize: number;
  #size = CALM_MOVES;
  readonly #calm = { answers: 0, meanMs: 0, atMs: 0, forMs: CALM_AT_FIRST_MS };
  #recentMs = 0;
  /** Since the size was last looked at. */
  #answers = 0;
  #halvedAtMs = -Infinity;

  /** @param maxSize `concurrency` of the configuration */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Moves, from 1. */
  get size(): number {
    const isKnown = this.#calm.answers >= CALM_ANSWERS;
    return Math.min(this.#maxSize, isKnown ? Math.floor(this.#size) : CALM_MOVES);
  }

  limit(maxSize: number): void {
    this.#maxSize = maxSize;
  }

  /**
   * @param headersMs from a GET to its headers
   * @param underWay moves at that time, this one included
   */
  answered(headersMs: number, underWay: number, nowMs: number): void {
    const calm = this.#calm;
    if (headersMs < 0) return; // the clock was set meanwhile
    if (underWay <= CALM_MOVES) {
      calm.answers++;
      calm.meanMs += (headersMs - calm.meanMs) * Math.max(WEIGHT, 1 / calm.answers);
      calm.atMs = nowMs;
    } else if (hasPassed(calm.atMs, calm.forMs, nowMs)) {
      calm.answers = 0; // no more than that begin until it is known again
      calm.forMs = Math.min(2 * calm.forMs, CALM_FOR_MS);
    }
    this.#recentMs += (headersMs - this.#recentMs) * (this.#recentMs === 0 ? 1 : WEIGHT);
    // once for each round of moves, and not while there are fewer than there could be
    if (++this.#answers < this.#size || underWay < this.size) return;
    this.#answers = 0;
    const expectedMs = TOLERANCE * calm.meanMs + SLACK_MS;
    const gradient = Math.max(0.5, expectedMs / Math.max(this.#recentMs, expectedMs));
    this.#size = Math.min(this.#maxSize, this.#size * gradient + 1);
  }

  /** A store asked for fewer requests. */
  slowDown(nowMs: number): void {
    if (!hasPassed(this.#halvedAtMs, HALVE_EVERY_MS, nowMs)) return;
    this.#halvedAtMs = nowMs;
    this.#answers = 0;
    this.#size = Math.max(1, Math.min(this.#size, this.#maxSize) / 2);
  }
}
