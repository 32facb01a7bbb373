import { AirlockError } from "../shared/errors.ts";
import { MAX_SINGLE_WINDOW_BYTES } from "./parts.ts";

/** Part of the memory window, given back when disposed of. */
export interface Reservation extends Disposable {
  readonly sizeBytes: number;
}

interface Waiter {
  readonly sizeBytes: number;
  readonly grant: () => void;
}

/** Of the whole, left to small reservations whatever large ones there are. */
const SMALL_SHARE = 0.25;

/**
 * The bytes that all moves together may hold (`memory` in the configuration). A move reserves all that it will need
 * before its first byte, so that no two moves can each hold half and wait for the other.
 *
 * Large objects take hours and small ones moments, so each wait in a line of their own, first come, first served. Large
 * ones leave a share to the small ones, and small ones no more than that once a large one waits: so neither stops the
 * other. Only a large one that fits beside nothing is alone, once it has its turn.
 */
export class MemoryWindow {
  readonly sizeBytes: number;
  readonly #maxSmallBytes: number;
  /** What all large ones together may have, while there are several. */
  readonly #largeShareBytes: number;
  readonly #used = { small: 0, large: 0 };
  readonly #waiting: { readonly small: Waiter[]; readonly large: Waiter[] } = { small: [], large: [] };

  /** @param maxSmallBytes what counts as small: by default, the window of an object that crosses whole */
  constructor(sizeBytes: number, maxSmallBytes = MAX_SINGLE_WINDOW_BYTES) {
    this.sizeBytes = sizeBytes;
    this.#maxSmallBytes = maxSmallBytes;
    this.#largeShareBytes = sizeBytes - Math.max(maxSmallBytes, Math.floor(sizeBytes * SMALL_SHARE));
  }

  get usedBytes(): number {
    return this.#used.small + this.#used.large;
  }

  /** @throws {AirlockError} `interrupted` when the signal ends the wait */
  reserve(sizeBytes: number, signal: AbortSignal): Promise<Reservation> {
    if (sizeBytes > this.sizeBytes) throw new RangeError(`${sizeBytes} bytes will never fit in ${this.sizeBytes}`);
    const kind = sizeBytes <= this.#maxSmallBytes ? "small" : "large";
    const line = this.#waiting[kind];
    return new Promise((resolve, reject) => {
      const interrupt = (): void => {
        line.splice(line.indexOf(waiter), 1);
        reject(new AirlockError("interrupted", "interrupted while waiting for memory"));
        this.#grant(); // who stood behind may fit now
      };
      const waiter = {
        sizeBytes,
        grant: (): void => {
          signal.removeEventListener("abort", interrupt);
          this.#used[kind] += sizeBytes;
          resolve(this.#reservation(sizeBytes, kind));
        },
      };
      if (signal.aborted) return reject(new AirlockError("interrupted", "interrupted"));
      signal.addEventListener("abort", interrupt, { once: true });
      line.push(waiter);
      this.#grant();
    });
  }

  #grant(): void {
    const { small, large } = this.#waiting;
    for (let next = large[0]; next !== undefined && this.#fitsLarge(next.sizeBytes); next = large[0]) {
      large.shift();
      next.grant();
    }
    for (let next = small[0]; next !== undefined && this.#fitsSmall(next.sizeBytes); next = small[0]) {
      small.shift();
      next.grant();
    }
  }

  #fitsLarge(sizeBytes: number): boolean {
    const { large } = this.#used;
    return this.usedBytes + sizeBytes <= this.sizeBytes && (large === 0 || large + sizeBytes <= this.#largeShareBytes);
  }

  #fitsSmall(sizeBytes: number): boolean {
    const next = this.#waiting.large[0];
    let roomBytes = this.sizeBytes - this.#used.large;
    if (next !== undefined) {
      // what is kept free for the one that waits, as soon as no other large one is in its way
      const keptBytes =
        this.#used.large === 0 ? Math.max(this.#largeShareBytes, next.sizeBytes) : this.#largeShareBytes;
      roomBytes = Math.min(roomBytes, this.sizeBytes - keptBytes);
    }
    return this.#used.small + sizeBytes <= roomBytes;
  }

  #reservation(sizeBytes: number, kind: "small" | "large"): Reservation {
    let held = true;
    return {
      sizeBytes,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#used[kind] -= sizeBytes;
        this.#grant();
      },
    };
  }
}
