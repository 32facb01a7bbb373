import { setMaxListeners } from "node:events";
import { AirlockError } from "./errors.ts";

/** How long what was aborted may take to let go before the process ends all the same. */
const GRACE_MS = 10_000;
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
type SignalName = (typeof SIGNALS)[number];

export interface SignalSource {
  on(event: SignalName, listener: () => void): unknown;
}

export interface Shutdown {
  /** Reading it says that the command can drain: the first signal then aborts this one only. */
  readonly drain: AbortSignal;
  /** Aborted by the second signal, or by the first when nobody reads {@link Shutdown.drain}. */
  readonly abort: AbortSignal;
  abortNow(reason: AirlockError): void;
  /** From now on SIGHUP calls this and ends nothing. */
  onHangup(listener: () => void): void;
}

/**
 * Signals as AbortSignals. A signal after the abort, or {@link GRACE_MS} without an end, ends the process at once:
 * whatever runs has to survive that anyhow.
 */
export function listenForSignals(source: SignalSource, endNow: () => void): Shutdown {
  const drain = new AbortController();
  const abort = new AbortController();
  // every move, part and request listens to these
  setMaxListeners(0, drain.signal, abort.signal);
  let drains = false;
  let hangup: (() => void) | null = null;

  const abortNow = (reason: AirlockError): void => {
    drain.abort(reason);
    abort.abort(reason);
    setTimeout(endNow, GRACE_MS).unref();
  };
  for (const name of SIGNALS) {
    source.on(name, () => {
      if (name === "SIGHUP" && hangup !== null) return hangup();
      const reason = new AirlockError("interrupted", `interrupted by ${name}`);
      if (abort.signal.aborted) endNow();
      else if (drains && !drain.signal.aborted) drain.abort(reason);
      else abortNow(reason);
    });
  }
  return {
    get drain() {
      drains = true;
      return drain.signal;
    },
    abort: abort.signal,
    abortNow,
    onHangup: (listener) => {
      hangup = listener;
    },
  };
}
