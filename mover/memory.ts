import { AirlockError } from "../shared/errors.ts";

/** Part of the memory window, given back when disposed of. */
export interface Reservation extends Disposable {
  readonly sizeBytes: number;
}

/**
 * The bytes that all moves together may hold (`memory` in the configuration). A move reserves all that it will need
 * before its first byte, so that no two moves can each hold half and wait for the other. First come, first served: a
 * large object's turn comes, since nothing overtakes it.
 */
export class MemoryWindow {
  readonly sizeBytes: number;
  #freeBytes: number;
  readonly #waiting: { readonly sizeBytes: number; readonly grant: () => void }[] = [];

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#freeBytes = sizeBytes;
  }

  get usedBytes(): number {
    return this.sizeBytes - this.#freeBytes;
  }

  /** @throws {AirlockError} `interrupted` when the signal ends the wait */
  reserve(sizeBytes: number, signal: AbortSignal): Promise<Reservation> {
    if (sizeBytes > this.sizeBytes) throw new RangeError(`${sizeBytes} bytes will never fit in ${this.sizeBytes}`);
    return new Promise((resolve, reject) => {
      const interrupt = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(new AirlockError("interrupted", "interrupted while waiting for memory"));
        this.#grant(); // who stood behind a large one may fit now
      };
      const waiter = {
        sizeBytes,
        grant: (): void => {
          signal.removeEventListener("abort", interrupt);
          resolve(this.#reservation(sizeBytes));
        },
      };
      if (signal.aborted) return reject(new AirlockError("interrupted", "interrupted"));
      signal.addEventListener("abort", interrupt, { once: true });
      this.#waiting.push(waiter);
      this.#grant();
    });
  }

  #grant(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && next.sizeBytes <= this.#freeBytes;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#freeBytes -= next.sizeBytes;
      next.grant();
    }
  }

  #reservation(sizeBytes: number): Reservation {
    let held = true;
    return {
      sizeBytes,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#freeBytes += sizeBytes;
        this.#grant();
      },
    };
  }
}
