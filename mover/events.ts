/**
 * Discovery by events: receives what the queue says, looks each named object up in the drop-zone, and deletes a message
 * once its objects are settled. An event is a hint and nothing more: what is moved is what the drop-zone shows, and what
 * no event names the sweep finds. Messages wait per host and hosts are served in turn, so that a flood from one of them
 * delays the others by an object each.
 */
import { toAirlockError, type AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { backoffMs, type Timing } from "../shared/retry.ts";
import { MAX_QUEUE_BATCH, type Delivery, type EventQueue, type QueueMessage } from "../shared/s3/event-queue.ts";
import { hostOf } from "./admit.ts";
import { parseEventMessage, type Hint } from "./event-message.ts";

/** Received and not settled: about 2 KiB each. One message may name many objects. */
const MAX_HINTS = 2000;
/** Of one host, waiting for their turn. One that sends more is left to the sweep, which serves hosts in turn as well. */
const MAX_WAITING_PER_HOST = 200;
/** Hosts, whose names anybody who writes to the queue may choose. */
const MAX_FLOODING = 1000;
/** At the same time, while the queue is long. */
const RECEIVES = 4;
/** Looked up at the same time. */
const LOOK_UPS = 8;
/** Of one host: they last until there is room to move what was found. */
const LOOK_UPS_PER_HOST = 4;
const RECEIVE_BACKOFF = { baseMs: 500, capMs: 30_000 };

/** `settled`: released, held, or not there (any more). `later`: it has to be tried again. */
export type Fate = "settled" | "later";

export interface EventsOptions {
  readonly queue: EventQueue;
  /** The drop-zone's. */
  readonly bucket: string;
  /**
   * Looks up what the hint names, and takes on what is there. Resolves when that is under way, with what becomes of it.
   * @throws {AirlockError} when the drop-zone could not be asked
   */
  readonly take: (hint: Hint, signal: AbortSignal) => Promise<{ readonly fate: Promise<Fate> }>;
  /** Events alone no longer suffice, or suffice again, or some were left to the sweep. */
  readonly changed: () => void;
  readonly timing: Timing;
  readonly log: Log;
}

interface Held {
  readonly delivery: Delivery;
  /** Since when it is hidden from others, epoch ms. */
  hiddenAtMs: number;
  /** Hints that are not settled yet. */
  left: number;
  /** One of them was not settled: the message comes again. */
  spoiled: boolean;
}

interface Waiting {
  readonly hint: Hint;
  readonly held: Held;
}

export class Events {
  readonly #options: EventsOptions;
  readonly #held = new Set<Held>();
  /** Of all that are held, those that are not settled. */
  #hints = 0;
  /** By host, in the order in which hosts are served. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #done: Delivery[] = [];
  #removing = false;
  #lookUps = 0;
  /** By host. */
  readonly #lookUpsOf = new Map<string, number>();
  #failures = 0;
  #reached = false;
  #leftToSweep = false;
  /** Hosts whose events are left in the queue until the sweep has seen all: they come again, for what is gone by then. */
  readonly #flooding = new Set<string>();
  #foreignSeen = false;
  #retrying = false;
  #room = Promise.withResolvers<void>();

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  /** Whether the queue answered last time. */
  get isReachable(): boolean {
    return this.#reached && this.#failures === 0;
  }

  /** Whether something was left to the sweep since this was asked last. */
  takeLeftToSweep(): boolean {
    const left = this.#leftToSweep;
    this.#leftToSweep = false;
    this.#flooding.clear();
    return left;
  }

  /** Until the signal ends it. What is not settled then comes again, or is found by the next start's sweep. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#receive(signal), this.#keepHidden(signal)]);
  }

  async #receive(signal: AbortSignal): Promise<void> {
    const { queue, timing } = this.#options;
    signal.addEventListener("abort", () => this.#room.resolve(), { once: true });
    let asks = 1;
    while (!signal.aborted) {
      try {
        // one that is not known to answer, or known to have more, is asked for what it has
        const waits = this.isReachable && asks === 1;
        const answers = await Promise.allSettled(Array.from({ length: asks }, () => queue.receive(waits, signal)));
        asks = 1;
        // what one answer brought is not dropped because another failed: it would stay hidden for a while
        const batches = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
        for (const message of batches.flat()) this.#enter(message, signal);
        for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
        this.#noteReached();
        // whoever floods the queue is not to keep what another host says waiting in it
        const isLong = batches.every(({ length }) => length === MAX_QUEUE_BATCH);
        asks = isLong && this.#hints < MAX_HINTS / 2 ? RECEIVES : 1;
        while (this.#hints >= MAX_HINTS && !signal.aborted) await this.#room.promise;
      } catch (thrown) {
        if (signal.aborted) return;
        this.#noteFailed(toAirlockError(thrown));
        await sleep(timing, backoffMs(this.#failures, RECEIVE_BACKOFF, timing.random), signal);
      }
    }
  }

  #enter(message: QueueMessage, signal: AbortSignal): void {
    const { bucket, timing, log } = this.#options;
    const parsed = parseEventMessage(message.body);
    if (parsed.kind === "foreign" || (parsed.kind === "event" && parsed.hints.some((hint) => hint.bucket !== bucket))) {
      // Not ours to delete: it goes back to whoever can read it, or to the queue's dead letters.
      const reason = parsed.kind === "foreign" ? parsed.reason : "it names another bucket than the drop-zone";
      if (this.#foreignSeen) log.debug("event-foreign", { reason });
      else log.warn("event-foreign", { reason });
      this.#foreignSeen = true;
      return;
    }
    const hints = parsed.kind === "event" ? parsed.hints : [];
    const { receipt } = message;
    const held: Held = { delivery: { receipt }, hiddenAtMs: timing.now(), left: hints.length, spoiled: false };
    this.#held.add(held);
    this.#hints += hints.length;
    if (hints.length === 0) this.#finish(held);
    for (const hint of hints) this.#wait({ hint, held });
    this.#serve(signal);
  }

  #wait(waiting: Waiting): void {
    const host = hostOf(waiting.hint.key);
    const ofHost = this.#waiting.get(host) ?? [];
    ofHost.push(waiting);
    if (ofHost.length <= MAX_WAITING_PER_HOST && !this.#flooding.has(host)) {
      this.#waiting.set(host, ofHost);
      return;
    }
    this.#waiting.delete(host);
    if (this.#flooding.size < MAX_FLOODING) this.#flooding.add(host);
    this.#leaveToSweep();
    for (const { held } of ofHost) this.#settle(held, "later");
  }

  /** Starts look-ups for as long as there is room for them, a host at a time. */
  #serve(signal: AbortSignal): void {
    for (const [host, ofHost] of this.#waiting) {
      if (this.#lookUps >= LOOK_UPS || signal.aborted) return;
      if ((this.#lookUpsOf.get(host) ?? 0) >= LOOK_UPS_PER_HOST) continue;
      this.#waiting.delete(host);
      const next = ofHost.shift();
      if (ofHost.length > 0) this.#waiting.set(host, ofHost); // behind all others, and so comes up again in this very loop
      if (next !== undefined) void this.#lookUp(host, next, signal);
    }
  }

  /** Never rejects. */
  async #lookUp(host: string, { hint, held }: Waiting, signal: AbortSignal): Promise<void> {
    this.#countLookUp(host, 1);
    try {
      const { fate } = await this.#options.take(hint, signal);
      void fate.then((known) => this.#settle(held, known));
    } catch (thrown) {
      if (!signal.aborted) this.#retryLater(toAirlockError(thrown));
      this.#leaveToSweep();
      this.#settle(held, "later");
    }
    this.#countLookUp(host, -1);
    this.#serve(signal);
  }

  #countLookUp(host: string, change: 1 | -1): void {
    this.#lookUps += change;
    const ofHost = (this.#lookUpsOf.get(host) ?? 0) + change;
    if (ofHost > 0) this.#lookUpsOf.set(host, ofHost);
    else this.#lookUpsOf.delete(host);
  }

  #leaveToSweep(): void {
    if (this.#leftToSweep) return;
    this.#leftToSweep = true;
    this.#options.changed();
  }

  #settle(held: Held, fate: Fate): void {
    held.left--;
    this.#hints--;
    this.#room.resolve();
    this.#room = Promise.withResolvers<void>();
    held.spoiled ||= fate === "later";
    if (held.left === 0) this.#finish(held);
  }

  #finish(held: Held): void {
    this.#held.delete(held);
    if (held.spoiled) return; // it is hidden for a while, then comes again
    this.#done.push(held.delivery);
    if (!this.#removing) void this.#remove();
  }

  /** One batch at a time; what is done meanwhile forms the next. Never rejects. */
  async #remove(): Promise<void> {
    this.#removing = true;
    await Promise.resolve(); // let what is settled in the same turn come along
    while (this.#done.length > 0) {
      try {
        await this.#options.queue.remove(this.#done.splice(0, MAX_QUEUE_BATCH), AbortSignal.timeout(30_000));
        this.#retrying = false;
      } catch (thrown) {
        this.#retryLater(toAirlockError(thrown)); // they come again, name what is gone, and are deleted then
      }
    }
    this.#removing = false;
  }

  /** A long copy keeps its message to itself for as long as it takes; after twelve hours SQS shows it again all the same. */
  async #keepHidden(signal: AbortSignal): Promise<void> {
    const { queue, timing } = this.#options;
    while (!signal.aborted) {
      await sleep(timing, queue.visibilityMs / 4, signal);
      const beforeMs = timing.now() - queue.visibilityMs / 2;
      const due = Array.from(this.#held).filter(({ hiddenAtMs }) => hiddenAtMs <= beforeMs);
      for (let first = 0; first < due.length && !signal.aborted; first += MAX_QUEUE_BATCH) {
        const batch = due.slice(first, first + MAX_QUEUE_BATCH).filter((held) => this.#held.has(held));
        for (const held of batch) held.hiddenAtMs = timing.now();
        try {
          if (batch.length > 0)
            await queue.extend(
              batch.map(({ delivery }) => delivery),
              signal,
            );
        } catch (thrown) {
          if (!signal.aborted) this.#retryLater(toAirlockError(thrown)); // it comes again, and finds its object under way
        }
      }
    }
  }

  /** Said once, until something succeeds; the messages come again by themselves. */
  #retryLater(error: AirlockError): void {
    if (this.#retrying) this.#options.log.debug("event-retry", { code: error.code, reason: error.message });
    else this.#options.log.failure("event-retry", error);
    this.#retrying = true;
  }

  #noteReached(): void {
    const wasReachable = this.isReachable;
    const hadFailed = this.#failures > 0;
    this.#reached = true;
    this.#failures = 0;
    if (hadFailed) this.#options.log.info("events-reachable");
    if (!wasReachable) this.#options.changed();
  }

  #noteFailed(error: AirlockError): void {
    if (this.#failures++ > 0) return; // said once
    this.#options.log.failure("events-unreachable", error);
    this.#options.changed();
  }
}

async function sleep(timing: Timing, durationMs: number, signal: AbortSignal): Promise<void> {
  try {
    await timing.sleep(durationMs, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
