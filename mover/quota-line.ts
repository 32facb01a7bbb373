/** Of those that wait for quota, only the oldest are kept; whatever is younger waits behind them all. */
const MAX_WAITING = 1000;

interface Waiting {
  readonly id: string;
  /** When the drop-zone had it, epoch ms. */
  readonly sinceMs: number;
}

/**
 * Who waits for the same quota, oldest first: nothing younger takes what an older one waits for. Whoever is not seen in
 * a whole pass of the drop-zone has left the line.
 */
export class QuotaLine {
  /** Oldest first. */
  readonly #waiting: Waiting[] = [];
  readonly #seen = new Set<string>();
  /** The last pass, and this one, saw more than are kept. */
  #isCut = { before: false, now: false };

  /** Whether anyone who is older waits, as far as is known: behind those that are kept, a whole pass tells. */
  isBehind(one: Waiting): boolean {
    const first = this.#waiting[0];
    if (first === undefined) return this.#isCut.before;
    return first.id !== one.id && isOlder(first, one);
  }

  wait(one: Waiting): void {
    this.#seen.add(one.id);
    if (this.#seen.size > 2 * MAX_WAITING) this.#forgetStrangers();
    const index = this.#placeOf(one);
    if (this.#waiting[index]?.id === one.id) return;
    if (index >= MAX_WAITING) {
      this.#isCut.now = true;
      return;
    }
    this.#waiting.splice(index, 0, one);
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.pop();
      this.#isCut.now = true;
    }
  }

  leave(one: Waiting): void {
    const index = this.#placeOf(one);
    if (this.#waiting[index]?.id === one.id) this.#waiting.splice(index, 1);
  }

  /** All of the drop-zone was seen once more. */
  endPass(): void {
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      if (!this.#seen.has(this.#waiting[index]?.id ?? "")) this.#waiting.splice(index, 1);
    }
    this.#seen.clear();
    this.#isCut = { before: this.#isCut.now, now: false };
  }

  #forgetStrangers(): void {
    const kept = new Set(this.#waiting.map(({ id }) => id));
    for (const id of this.#seen) if (!kept.has(id)) this.#seen.delete(id);
  }

  #placeOf(one: Waiting): number {
    let [low, high] = [0, this.#waiting.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = this.#waiting[middle];
      if (there !== undefined && isOlder(there, one)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isOlder(a: Waiting, b: Waiting): boolean {
  return a.sinceMs < b.sinceMs || (a.sinceMs === b.sinceMs && a.id < b.id);
}
