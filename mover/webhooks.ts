/** Alerts as JSON to the addresses in `alerts.webhook`. Nothing waits for it, and nothing depends on it. */
import type { Courier } from "../shared/courier.ts";
import { hasPassed } from "../shared/elapsed.ts";
import { toAirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { printable, shorten } from "../shared/printable.ts";
import type { Timing } from "../shared/retry.ts";
import type { Alert, Alerts } from "./alerts.ts";

/** Different ones that wait for one address; what comes on top is only counted. */
const MAX_WAITING = 100;
const MAX_REMEMBERED = 1000;
/** The same kind for the same host and set is told at most once in this time; what comes meanwhile is counted. */
const QUIET_MS = 10 * 60_000;
const MAX_DETAIL = 500;
/** How long the end of the program may wait for what has not been told yet. */
const PARTING_MS = 15_000;

export interface WebhookOptions {
  readonly mover: string;
  readonly courier: Courier;
  readonly timing: Timing;
  readonly log: Log;
}

/** Several occurrences of one thing. */
interface Letter {
  readonly id: string;
  readonly first: Alert;
  latest: Alert;
  count: number;
}

/** One address. It gets one message at a time, the oldest first. */
export class Webhook implements Alerts {
  readonly #options: WebhookOptions;
  readonly #address: string;
  readonly #waiting = new Map<string, Letter>();
  /** When each was told last, oldest first. */
  readonly #told = new Map<string, number>();
  readonly #ended = new AbortController();
  #dropped = 0;
  #sending: Promise<void> | null = null;

  constructor(address: string, options: WebhookOptions) {
    this.#address = address;
    this.#options = options;
  }

  raise(alert: Alert): void {
    const id = JSON.stringify([alert.kind, alert.host, alert.set]);
    const known = this.#waiting.get(id);
    if (known !== undefined) {
      known.latest = alert;
      known.count++;
    } else if (this.#waiting.size < MAX_WAITING) this.#waiting.set(id, { id, first: alert, latest: alert, count: 1 });
    else this.#dropped++;
    this.#sending ??= this.#sendAll();
  }

  /** Tells what waits, as far as that can be done in a few seconds, or until the signal; nothing is told afterwards. */
  async close(signal: AbortSignal): Promise<void> {
    this.#ended.abort();
    await this.#sending;
    const limit = AbortSignal.any([AbortSignal.timeout(PARTING_MS), signal]);
    for (const letter of this.#waiting.values()) if (!limit.aborted) await this.#send(letter, limit);
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#ended;
    while (this.#waiting.size > 0 && !signal.aborted) {
      const { letter, waitMs } = this.#next();
      if (letter !== null) await this.#send(letter, signal);
      // a raise meanwhile may be of something that is due: look again soon
      else await this.#sleep(Math.min(waitMs, 1000), signal);
    }
    this.#sending = null;
  }

  #next(): { readonly letter: Letter | null; readonly waitMs: number } {
    const nowMs = this.#options.timing.now();
    let waitMs = Infinity;
    for (const letter of this.#waiting.values()) {
      const toldMs = this.#told.get(letter.id) ?? -Infinity;
      if (hasPassed(toldMs, QUIET_MS, nowMs)) return { letter, waitMs: 0 };
      waitMs = Math.min(waitMs, toldMs + QUIET_MS - nowMs);
    }
    return { letter: null, waitMs };
  }

  /** Once: a message that can't be delivered after all its attempts is logged, and given up. */
  async #send(letter: Letter, signal: AbortSignal): Promise<void> {
    const { courier, timing, log, mover } = this.#options;
    const [dropped, count] = [this.#dropped, letter.count];
    this.#waiting.delete(letter.id); // what is raised from here on is told later
    const text = JSON.stringify(formatLetter(letter, mover, dropped));
    const content = { type: "application/json", text } as const;
    try {
      await courier.send({ address: this.#address, method: "POST", content }, signal);
      this.#dropped -= dropped;
    } catch (thrown) {
      if (signal === this.#ended.signal && signal.aborted) return this.#putBack(letter); // for the parting
      log.failure("notify-failed", toAirlockError(thrown), { what: "webhook", kind: letter.first.kind, count });
    }
    this.#told.delete(letter.id);
    this.#told.set(letter.id, timing.now());
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= MAX_REMEMBERED) break;
      this.#told.delete(oldest);
    }
  }

  #putBack(letter: Letter): void {
    const newer = this.#waiting.get(letter.id);
    this.#waiting.set(letter.id, newer === undefined ? letter : { ...newer, count: newer.count + letter.count });
  }

  async #sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    await this.#options.timing.sleep(durationMs, signal).catch(() => undefined); // only the signal ends it early
  }
}

/**
 * What is sent. `text` is what chat services show: made of names that have a fixed form, since everything else may hold
 * what a host chose.
 */
function formatLetter({ first, latest, count }: Letter, mover: string, dropped: number): Record<string, unknown> {
  const { kind, host, set } = first;
  const times = count === 1 ? "" : ` (${count} times)`;
  return {
    v: 1,
    text: `airlock ${mover}: ${kind}, ${set === null ? host : `${host}/${set}`}${times}`,
    mover,
    kind,
    host,
    set,
    detail: shorten(printable(latest.detail), MAX_DETAIL),
    at: latest.at,
    firstAt: first.at,
    count,
    ...(dropped === 0 ? {} : { dropped }),
  };
}
