/**
 * How far another machine's clock is ahead of this one's, from the `Date` of its answers. Each answer bounds it from
 * both sides: the store wrote the date after the request was sent and before the answer was there, and a date is cut to
 * whole seconds (RFC 9110, section 5.6.7). Bounds of many answers together are narrower than a second.
 */

/** Bounds are forgotten after one to two of these: clocks drift, and are set. */
const WINDOW_MS = 60_000;
const SECOND_MS = 1000;

interface Bounds {
  readonly sinceMs: number;
  lowMs: number;
  highMs: number;
}

export class ClockOffset {
  #now: Bounds | null = null;
  #before: Bounds | null = null;
  /** How old a date may be when it is sent. Some servers (fasthttp) write it only once a second. */
  #lagMs = SECOND_MS;

  /** All three in epoch ms: by this clock, by this clock, and as the other side says. */
  add(sentMs: number, receivedMs: number, dateMs: number): void {
    if (!Number.isFinite(dateMs) || receivedMs < sentMs) return; // no date, or this clock was set meanwhile
    const next = { sinceMs: receivedMs, lowMs: dateMs - receivedMs, highMs: dateMs + this.#lagMs - sentMs };
    const current = this.#now;
    if (current === null || Math.abs(receivedMs - current.sinceMs) > WINDOW_MS) {
      this.#before = current;
      this.#now = next;
      return;
    }
    current.lowMs = Math.max(current.lowMs, next.lowMs);
    current.highMs = Math.min(current.highMs, next.highMs);
    if (current.lowMs <= current.highMs) return;
    // a clock was set, or dates are older than thought
    this.#lagMs = 2 * SECOND_MS;
    this.#now = { ...next, highMs: dateMs + this.#lagMs - sentMs };
    this.#before = null;
  }

  /** No more than what is certain: 0 while the two clocks may well be the same. */
  get offsetMs(): number {
    if (this.#now === null) return 0;
    const before = this.#before ?? this.#now;
    const together = {
      lowMs: Math.max(this.#now.lowMs, before.lowMs),
      highMs: Math.min(this.#now.highMs, before.highMs),
    };
    const { lowMs, highMs } = together.lowMs <= together.highMs ? together : this.#now;
    return lowMs > 0 ? lowMs : Math.min(highMs, 0);
  }
}
