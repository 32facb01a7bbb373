/** Asks for an address about once a minute while all is well, so that a monitor elsewhere notices when it is not. */
import type { Courier } from "../shared/courier.ts";
import { hasPassed } from "../shared/elapsed.ts";
import { toAirlockError, type Code } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import type { Timing } from "../shared/retry.ts";
import type { Status } from "./status.ts";

const EVERY_MS = 60_000;
const PARTING_MS = 5_000;

export interface HeartbeatOptions {
  readonly courier: Courier;
  readonly timing: Timing;
  readonly log: Log;
}

type Sign = Pick<Status, "lastSweepAt" | "sweepFailing" | "events" | "objects">;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #address: string;
  readonly #ended = new AbortController();
  #beating: Promise<void> | null = null;
  #lastMs = -Infinity;
  #seen = "";
  /** The last one's, so that an outage is logged once. */
  #failure: Code | null = null;

  constructor(address: string, options: HeartbeatOptions) {
    this.#address = address;
    this.#options = options;
  }

  /**
   * Called with each status. A beat says that the drop-zone is looked at: since the last one a sweep went well or an
   * object was moved, or events come in, and no sweep has failed.
   */
  see({ lastSweepAt, sweepFailing, events, objects }: Sign): void {
    const seen = `${lastSweepAt} ${objects}`;
    const nowMs = this.#options.timing.now();
    if (lastSweepAt === null || sweepFailing || this.#beating !== null) return;
    if (!hasPassed(this.#lastMs, EVERY_MS, nowMs)) return;
    if (seen === this.#seen && events !== "reachable") return;
    this.#seen = seen;
    this.#lastMs = nowMs;
    this.#beating = this.#beat().finally(() => (this.#beating = null));
  }

  /** Lets a beat that is under way come to its end, for a short while. */
  async close(signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([AbortSignal.timeout(PARTING_MS), signal]);
    const end = (): void => this.#ended.abort();
    limit.addEventListener("abort", end);
    if (limit.aborted) end();
    await this.#beating;
    limit.removeEventListener("abort", end);
  }

  async #beat(): Promise<void> {
    const { courier, log } = this.#options;
    try {
      await courier.send({ address: this.#address, method: "GET", content: null }, this.#ended.signal);
      this.#failure = null;
    } catch (thrown) {
      const error = toAirlockError(thrown);
      if (error.code !== this.#failure) log.failure("notify-failed", error, { what: "heartbeat" });
      this.#failure = error.code;
    }
  }
}
