/** Time that stands still while anything can still run, and then jumps to whatever is due next. */
export interface Scheduled {
  readonly atMs: number;
  /** Of two at one time, the one that was scheduled first is first. */
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class VirtualClock {
  #nowMs: number;
  #order = 0;
  readonly #heap: Scheduled[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  /** Epoch milliseconds. */
  get nowMs(): number {
    return this.#nowMs;
  }

  after(durationMs: number, run: () => void): Scheduled {
    const atMs = this.#nowMs + Math.ceil(Math.max(0, durationMs)); // whole milliseconds, as clocks have them
    const scheduled = { atMs, order: this.#order++, run, cancelled: false };
    this.#heap.push(scheduled);
    this.#rise(this.#heap.length - 1);
    return scheduled;
  }

  /** Lets time pass until `isDone`, which is asked whenever everything is idle. False: it never was, until then. */
  async runUntil(isDone: () => boolean, untilMs: number): Promise<boolean> {
    for (;;) {
      // All that can run does so before a new turn of the event loop begins: nothing real is ever waited for.
      await new Promise<void>((resolve) => void setImmediate(resolve));
      if (isDone()) return true;
      while (this.#heap[0]?.cancelled === true) this.#pop();
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      this.#pop();
      this.#nowMs = next.atMs;
      next.run();
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #rise(start: number): void {
    for (let index = start; index > 0;) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #sink(): void {
    for (let index = 0; ;) {
      let first = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#heap.length && this.#isBefore(child, first)) first = child;
      }
      if (first === index) return;
      this.#swap(index, first);
      index = first;
    }
  }

  #isBefore(left: number, right: number): boolean {
    const [a, b] = [this.#heap[left], this.#heap[right]];
    if (a === undefined || b === undefined) return false;
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  }

  #swap(left: number, right: number): void {
    const [a, b] = [this.#heap[left], this.#heap[right]];
    if (a === undefined || b === undefined) return;
    this.#heap[left] = b;
    this.#heap[right] = a;
  }
}
