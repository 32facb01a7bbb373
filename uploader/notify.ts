import { openCourier, PATIENCE, type Message as Letter } from "../shared/courier.ts";
import { toAirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import type { Timing } from "../shared/retry.ts";
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

/** At a receiver that is gone for good messages pile up: the oldest are given up. */
const MAX_PENDING = 1_000;
const CONCURRENCY = 4;

interface Message {
  readonly kind: "success" | "failure" | "webhook";
  readonly address: string;
  readonly set: string;
  readonly content: NonNullable<Letter["content"]>;
}

/** Addresses are secrets: of one, only its origin is ever logged. */
export function openNotifier(options: NotifierOptions): Notifier {
  const { host, log, timing, timeLimitMs: timeoutMs = PATIENCE.timeoutMs, attempts = PATIENCE.attempts } = options;
  const stop = new AbortController();
  const pending: Message[] = [];
  const underWay = new Set<Promise<void>>();
  const courier = openCourier({ program: "airlock-uploader", timing, patience: { ...PATIENCE, attempts, timeoutMs } });

  const deliver = async (message: Message): Promise<void> => {
    const { address, content } = message;
    try {
      await courier.send({ address, method: "POST", content }, stop.signal);
    } catch (error) {
      giveUp(message, stop.signal.aborted ? "stopped" : toAirlockError(error).message);
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
      const text = { type: "text/plain; charset=utf-8", text: report.tail } as const;
      if (ping !== null) enqueue({ kind: outcome, address: ping, set, content: text });
      const json = { type: "application/json", text: formatWebhook(host, report) } as const;
      if (addresses.webhook !== null) enqueue({ kind: "webhook", address: addresses.webhook, set, content: json });
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
      await courier[Symbol.asyncDispose]();
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
