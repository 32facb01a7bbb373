/** Whose move is next, and how many run side by side. */
import PQueue from "p-queue";
import type { Timing } from "../shared/retry.ts";
import type { DropZoneSource } from "../shared/stores.ts";
import { CongestionWindow } from "./congestion-window.ts";
import { MAX_SINGLE_PUT_BYTES } from "./parts.ts";

/** Of all moves side by side, those of large objects at most: they take hours. */
const LARGE_SHARE = 0.5;
/** Of the window, what is left to hosts that send much while another host's single object is under way. */
const BUSY_SHARE = 0.25;

export class MoveQueue {
  readonly #timing: Timing;
  readonly #small = new Lane();
  readonly #large = new Lane();
  readonly #window: CongestionWindow;
  #concurrency: number;

  /** @param concurrency moves side by side, at most */
  constructor(concurrency: number, timing: Timing) {
    this.#timing = timing;
    this.#concurrency = concurrency;
    this.#window = new CongestionWindow(concurrency);
    this.#apply();
  }

  /** Under way. */
  get pending(): number {
    return this.#small.queue.pending + this.#large.queue.pending;
  }

  get waiting(): number {
    return this.#small.queue.size + this.#large.queue.size;
  }

  set concurrency(concurrency: number) {
    this.#concurrency = concurrency;
    this.#window.limit(concurrency);
    this.#apply();
  }

  /**
   * Resolves with true when another may be added: what waits here is bounded, however long a listing; but there is always
   * room for one of each host. False at once for a large object while as many wait as may be under way: nobody else is to
   * wait until one of those is done.
   */
  async hasRoom(host: string, sizeBytes: number): Promise<boolean> {
    const lane = this.#laneOf(sizeBytes);
    if (!lane.hasAnyOf(host)) return true;
    if (lane === this.#small) await lane.queue.onSizeLessThan(lane.size);
    return lane.queue.size < lane.size;
  }

  /**
   * Fair queueing: an object's round is the one after its host's last, and no earlier than the one that is being served;
   * so one host's flood is a single object ahead of another's, and within a host nothing overtakes. Large objects take
   * their turns among themselves.
   */
  async add<T>(host: string, sizeBytes: number, move: () => Promise<T>): Promise<T> {
    const lane = this.#laneOf(sizeBytes);
    if (lane === this.#small) return lane.add(host, move);
    try {
      return await lane.add(host, () => {
        this.#apply();
        return move();
      });
    } finally {
      this.#apply(); // it is no longer counted
    }
  }

  /** What waits is dropped; what is under way goes on. */
  async end(): Promise<void> {
    for (const lane of [this.#small, this.#large]) lane.clear();
    await this.onIdle();
  }

  async onIdle(): Promise<void> {
    await Promise.all([this.#small.queue.onIdle(), this.#large.queue.onIdle()]);
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
        const underWay = this.#small.queue.pending;
        const askedAtMs = this.#timing.now();
        const opened = await dropZone.openVersion(version, range, signal);
        const nowMs = this.#timing.now();
        this.#window.answered(nowMs - askedAtMs, underWay, nowMs);
        this.#apply();
        return opened;
      },
    };
  }

  #laneOf(sizeBytes: number): Lane {
    return sizeBytes > MAX_SINGLE_PUT_BYTES && this.#concurrency > 1 ? this.#large : this.#small;
  }

  #apply(): void {
    this.#large.size = Math.max(1, Math.floor(this.#concurrency * LARGE_SHARE));
    this.#small.size = Math.max(1, Math.min(this.#concurrency - this.#large.queue.pending, this.#window.size));
  }
}

/** Hosts in turn. */
class Lane {
  readonly queue = new PQueue();
  /** In which each host's last object is served, and the one that is being served. */
  readonly #lastRounds = new Map<string, number>();
  #round = 0;

  #size = 1;
  readonly #hosts = new Map<string, { waiting: number; underWay: number }>();
  /** Hosts that have a single object, which is under way. */
  #singles = 0;

  /** Moves side by side, at most. */
  get size(): number {
    return this.#size;
  }

  set size(size: number) {
    this.#size = size;
    this.#apply();
  }

  hasAnyOf(host: string): boolean {
    return this.#hosts.has(host);
  }

  async add<T>(host: string, move: () => Promise<T>): Promise<T> {
    const round = Math.max(this.#round, (this.#lastRounds.get(host) ?? 0) + 1);
    this.#lastRounds.set(host, round);
    this.#count(host, 1, 0);
    const run = async (): Promise<T> => {
      this.#round = round;
      this.#count(host, -1, 1);
      try {
        return await move();
      } finally {
        this.#count(host, 0, -1);
      }
    };
    return this.queue.add(run, { priority: -round });
  }

  /** What waits is dropped. */
  clear(): void {
    this.queue.clear();
    for (const [host, { waiting }] of this.#hosts) this.#count(host, -waiting, 0);
  }

  #count(host: string, waiting: number, underWay: number): void {
    const counts = this.#hosts.get(host) ?? { waiting: 0, underWay: 0 };
    if (isSingle(counts)) this.#singles--;
    counts.waiting += waiting;
    counts.underWay += underWay;
    if (isSingle(counts)) this.#singles++;
    if (counts.waiting + counts.underWay > 0) this.#hosts.set(host, counts);
    else this.#hosts.delete(host);
    this.#apply();
  }

  /**
   * What runs beside a single object delays each of its steps, in this process and in the stores: a host that has many
   * waiting is to notice that others are served, and not the other way round.
   */
  #apply(): void {
    const besides = Math.max(1, Math.floor(this.#size * BUSY_SHARE));
    const concurrency = this.#singles === 0 ? this.#size : Math.min(this.#size, this.#singles + besides);
    if (this.queue.concurrency !== concurrency) this.queue.concurrency = concurrency;
  }
}

function isSingle({ waiting, underWay }: { waiting: number; underWay: number }): boolean {
  return waiting === 0 && underWay === 1;
}
