/** Whose move is next, and how many run side by side. */
import PQueue from "p-queue";
import type { Timing } from "../shared/retry.ts";
import type { DropZoneSource } from "../shared/stores.ts";
import { CongestionWindow } from "./congestion-window.ts";
import { MAX_SINGLE_PUT_BYTES } from "./parts.ts";

export class MoveQueue {
  readonly #timing: Timing;
  readonly #queue: PQueue;
  readonly #window: CongestionWindow;
  #concurrency: number;
  /** Under way: they take their time and wait for nobody, so they don't count in the window. */
  #large = 0;
  /** In which each host's last object is served, and the one that is being served. */
  readonly #lastRounds = new Map<string, number>();
  #round = 0;

  /** @param concurrency moves side by side, at most */
  constructor(concurrency: number, timing: Timing) {
    this.#timing = timing;
    this.#concurrency = concurrency;
    this.#window = new CongestionWindow(concurrency);
    this.#queue = new PQueue();
    this.#apply();
  }

  /** Under way. */
  get pending(): number {
    return this.#queue.pending;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  set concurrency(concurrency: number) {
    this.#concurrency = concurrency;
    this.#window.limit(concurrency);
    this.#apply();
  }

  /** Resolves when another may be added: what waits here is bounded, however long a listing. */
  hasRoom(): Promise<void> {
    return this.#queue.onSizeLessThan(this.#queue.concurrency);
  }

  /**
   * Fair queueing: an object's round is the one after its host's last, and no earlier than the one that is being served;
   * so one host's flood is a single object ahead of another's, and within a host nothing overtakes.
   */
  add<T>(host: string, sizeBytes: number, move: () => Promise<T>): Promise<T> {
    const round = Math.max(this.#round, (this.#lastRounds.get(host) ?? 0) + 1);
    this.#lastRounds.set(host, round);
    const isLarge = sizeBytes > MAX_SINGLE_PUT_BYTES;
    const run = async (): Promise<T> => {
      this.#round = round;
      if (!isLarge) return move();
      this.#large++;
      this.#apply();
      try {
        return await move();
      } finally {
        this.#large--;
        this.#apply();
      }
    };
    return this.#queue.add(run, { priority: -round });
  }

  /** What waits is dropped; what is under way goes on. */
  async end(): Promise<void> {
    this.#queue.clear();
    await this.#queue.onIdle();
  }

  onIdle(): Promise<void> {
    return this.#queue.onIdle();
  }

  /** A store asked for fewer requests. */
  slowDown(): void {
    this.#window.slowDown(this.#timing.now());
    this.#apply();
  }

  /** The same drop-zone; how long its answers take says how many moves to run. */
  watch(dropZone: DropZoneSource): DropZoneSource {
    return {
      bucket: dropZone.bucket,
      versioned: dropZone.versioned,
      listPage: (options) => dropZone.listPage(options),
      readTags: (version, signal) => dropZone.readTags(version, signal),
      deleteVersions: (versions, signal) => dropZone.deleteVersions(versions, signal),
      openVersion: async (version, range, signal) => {
        const underWay = this.#queue.pending - this.#large;
        const askedAtMs = this.#timing.now();
        const opened = await dropZone.openVersion(version, range, signal);
        const nowMs = this.#timing.now();
        this.#window.answered(nowMs - askedAtMs, underWay, nowMs);
        this.#apply();
        return opened;
      },
    };
  }

  #apply(): void {
    const concurrency = Math.min(this.#concurrency, this.#window.size + this.#large);
    if (this.#queue.concurrency !== concurrency) this.#queue.concurrency = concurrency;
  }
}
