import { errorCode } from "../shared/files.ts";
import type { Log } from "../shared/log.ts";
import { retry, type Timing } from "../shared/retry.ts";
import { StoreAnswer } from "../shared/s3/answer.ts";
import { openNetwork, type Network } from "../shared/s3/network.ts";
import { VERSION } from "../shared/version.ts";
import type { NotifyConfig } from "./set-config.ts";

/** How a run went, for those who want to know. */
export interface RunReport {
  readonly set: string;
  readonly outcome: "success" | "failure";
  /** One of `shared/errors.ts`; null: none. */
  readonly code: string | null;
  readonly message: string | null;
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly bytes: number | null;
  readonly key: string | null;
  readonly seq: number | null;
  readonly sha256: string | null;
  /** The end of its log, bounded. */
  readonly tail: string;
}

export interface Notifier extends AsyncDisposable {
  /** Returns at once, and never throws: what is told, and whether, changes nothing for a backup. */
  tell(addresses: NotifyConfig, report: RunReport): void;
  /** Waits until everything is told or given up, at most that long. */
  settle(limitMs: number): Promise<void>;
}

export interface NotifierOptions {
  readonly host: string;
  readonly log: Log;
  readonly timing: Timing;
  /** Attempts at one message; by default some that last a few minutes. */
  readonly attempts?: number;
  /** Of one attempt. */
  readonly timeLimitMs?: number;
}

const ATTEMPTS = 8;
const TIME_LIMIT_MS = 15_000;
const BACKOFF = { baseMs: 1_000, capMs: 120_000 };
/** At a receiver that is gone for good messages pile up: the oldest are given up. */
const MAX_PENDING = 1_000;
const CONCURRENCY = 4;
/** Their answers are thanks at most. */
const MAX_ANSWER_BYTES = 64 * 1024;

interface Message {
  readonly kind: "success" | "failure" | "webhook";
  readonly address: string;
  readonly set: string;
  readonly contentType: string;
  readonly body: string;
}

/** Addresses are secrets: of one, only its origin is ever logged. */
export function openNotifier(options: NotifierOptions): Notifier {
  const { host, log, timing, timeLimitMs = TIME_LIMIT_MS, attempts = ATTEMPTS } = options;
  const stop = new AbortController();
  const pending: Message[] = [];
  const underWay = new Set<Promise<void>>();
  let network: Network | null = null;

  const post = async ({ address, contentType, body }: Message): Promise<void> => {
    network ??= openNetwork({ connectMs: timeLimitMs, idleMs: timeLimitMs, minBytesPerSecond: 1 }, CONCURRENCY);
    const url = new URL(address);
    const answer = await network.send({
      origin: url.origin,
      method: "POST",
      path: `${url.pathname}${url.search}`,
      headers: [
        ["content-type", contentType],
        ["user-agent", `airlock-uploader/${VERSION}`],
      ],
      body: Buffer.from(body, "utf8"),
      signal: AbortSignal.any([stop.signal, AbortSignal.timeout(timeLimitMs)]),
    });
    await answer.body.dump({ limit: MAX_ANSWER_BYTES, signal: AbortSignal.timeout(timeLimitMs) });
  };
  const deliver = async (message: Message): Promise<void> => {
    const origin = new URL(message.address).origin;
    try {
      await retry(() => post(message), { ...BACKOFF, attempts, retryable: isPassing }, timing, stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) giveUp(message, describe(error));
      else log.warn("notify-failed", { host, set: message.set, kind: message.kind, origin, reason: "stopped" });
    }
  };
  const giveUp = ({ address, set, kind }: Message, reason: string): void =>
    log.warn("notify-failed", { host, set, kind, origin: new URL(address).origin, reason });
  const proceed = (): void => {
    while (underWay.size < CONCURRENCY) {
      const message = pending.shift();
      if (message === undefined) return;
      const task = deliver(message).finally(() => {
        underWay.delete(task);
        proceed();
      });
      underWay.add(task);
    }
  };
  const enqueue = (message: Message): void => {
    // of two pings that nobody has had yet, the later one says it all
    const { kind, address, set } = message;
    const former = pending.findIndex((one) => one.kind === kind && one.address === address && one.set === set);
    if (kind !== "webhook" && former !== -1) pending.splice(former, 1);
    pending.push(message);
    if (pending.length > MAX_PENDING) {
      const oldest = pending.shift();
      if (oldest !== undefined) giveUp(oldest, `more than ${MAX_PENDING} wait to be told`);
    }
    proceed();
  };

  return {
    tell(addresses, report) {
      const { set, outcome } = report;
      const ping = addresses[outcome];
      const text = { contentType: "text/plain; charset=utf-8", body: report.tail };
      if (ping !== null) enqueue({ kind: outcome, address: ping, set, ...text });
      const json = { contentType: "application/json", body: formatWebhook(host, report) };
      if (addresses.webhook !== null) enqueue({ kind: "webhook", address: addresses.webhook, set, ...json });
    },
    async settle(limitMs) {
      const limit = AbortSignal.timeout(limitMs);
      const late = new Promise<void>((resolve) => limit.addEventListener("abort", () => resolve(), { once: true }));
      while (underWay.size > 0 && !limit.aborted) await Promise.race([Promise.all(underWay), late]);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      for (const message of pending.splice(0)) giveUp(message, "stopped");
      await Promise.all(underWay);
      await network?.close();
    },
  };
}

function formatWebhook(host: string, report: RunReport): string {
  const { set, outcome, code, message, startedAt, endedAt, bytes, key, seq, sha256, tail } = report;
  return JSON.stringify({
    v: 1,
    host,
    set,
    outcome,
    code,
    message,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt.toISOString(),
    durationMs: endedAt.getTime() - startedAt.getTime(),
    bytes,
    key,
    seq,
    sha256,
    log: tail,
  });
}

/** An answer that refuses the message will refuse it again, but for "too many requests" and the like. */
function isPassing(error: unknown): boolean {
  return !(error instanceof StoreAnswer) || error.status >= 500 || error.status === 429 || error.status === 408;
}

/** Without what an error of a library may repeat of the address. */
function describe(error: unknown): string {
  if (error instanceof StoreAnswer) return `answered ${error.status}`;
  return errorCode(error) ?? (error instanceof Error ? error.name : "unknown");
}
