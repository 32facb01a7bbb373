/**
 * Messages to addresses that people configure: webhooks, heartbeats, notifications. Over the network layer that the
 * stores are spoken to with: the same proxies, private authorities, limits, and no redirects. Such an address is a
 * secret (whoever has it can post there), so only its origin is ever named.
 */
import { AirlockError, isAirlockError } from "./errors.ts";
import { retry, type Timing } from "./retry.ts";
import { StoreAnswer } from "./s3/answer.ts";
import { codeOf, judgeFailure } from "./s3/connection-errors.ts";
import { openNetwork } from "./s3/network.ts";
import { VERSION } from "./version.ts";

export interface Message {
  readonly address: string;
  readonly method: "GET" | "POST";
  /** null: no body. */
  readonly content: { readonly type: "application/json" | "text/plain; charset=utf-8"; readonly text: string } | null;
}

export interface Courier extends AsyncDisposable {
  /**
   * Resolves when the other side took it (2xx), after a few attempts if need be.
   * @throws {AirlockError} `notify-failed`; `tls-untrusted`; `interrupted`
   */
  send(message: Message, signal: AbortSignal): Promise<void>;
}

export interface CourierOptions {
  /** What `User-Agent` says. */
  readonly program: string;
  readonly timing: Timing;
  /** Default: {@link PATIENCE}. */
  readonly patience?: Patience;
}

export interface Patience {
  readonly attempts: number;
  readonly baseMs: number;
  readonly capMs: number;
  /** For one attempt as a whole. */
  readonly timeoutMs: number;
}

/** Spread over up to 4 minutes: longer outages are for whoever watches the heartbeat. */
export const PATIENCE: Patience = { attempts: 8, baseMs: 1_000, capMs: 60_000, timeoutMs: 15_000 };
const CONNECTIONS_PER_ORIGIN = 4;
const MAX_ANSWER_BYTES = 64 * 1024;

export function openCourier({ program, timing, patience = PATIENCE }: CourierOptions): Courier {
  const { timeoutMs } = patience;
  const network = openNetwork({
    timeouts: { connectMs: timeoutMs, idleMs: timeoutMs, minBytesPerSecond: 1024 },
    maxConnections: CONNECTIONS_PER_ORIGIN,
  });

  async function attempt({ address, method, content }: Message, signal: AbortSignal): Promise<void> {
    const { origin, pathname, search } = new URL(address);
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await network.send({
        origin,
        method,
        path: pathname + search,
        headers: [
          ["user-agent", `${program}/${VERSION}`],
          ...(content === null ? [] : ([["content-type", content.type]] as const)),
        ],
        body: content === null ? null : Buffer.from(content.text, "utf8"),
        signal: AbortSignal.any([signal, limit]),
      });
      // thanks at most: it was taken, whatever becomes of the rest of the answer
      await answer.body.dump({ limit: MAX_ANSWER_BYTES, signal: limit }).catch(() => undefined);
    } catch (thrown) {
      signal.throwIfAborted();
      throw explain(thrown, origin, limit.aborted ? `no answer within ${timeoutMs / 1000} s` : null);
    }
  }

  return {
    async send(message, signal) {
      const policy = { ...patience, retryable: isWorthAnotherTry };
      await retry(() => attempt(message, signal), policy, timing, signal);
    },
    [Symbol.asyncDispose]: () => network.close(),
  };
}

function explain(thrown: unknown, origin: string, tooLate: string | null): AirlockError {
  if (thrown instanceof StoreAnswer) {
    const remedy =
      thrown.status >= 300 && thrown.status < 400
        ? "redirects are not followed: configure the address that it leads to"
        : "check the configured address, and what the service there says of it";
    return failed(`it answered ${thrown.status}`, origin, thrown, remedy);
  }
  const { code, what, remedy } = judgeFailure(thrown);
  if (code === "tls-untrusted") {
    const details = { subject: origin, cause: thrown, ...(remedy === undefined ? {} : { remedy }) };
    return new AirlockError(code, `the message was not delivered: ${what}`, details);
  }
  return failed(
    tooLate ?? `no connection, or it broke (${codeOf(thrown)})`,
    origin,
    thrown,
    "check the configured address, the network, and HTTPS_PROXY if it is set",
  );
}

function failed(what: string, origin: string, cause: unknown, remedy: string): AirlockError {
  return new AirlockError("notify-failed", `the message was not delivered: ${what}`, {
    subject: origin,
    cause,
    remedy,
  });
}

/** What will be refused again need not be asked again. */
function isWorthAnotherTry(error: unknown): boolean {
  if (!isAirlockError(error, "notify-failed")) return false;
  const { cause } = error;
  return !(cause instanceof StoreAnswer) || cause.status >= 500 || [408, 425, 429].includes(cause.status);
}
