/**
 * How one mover process reaches anything outside itself. Whatever it awaits settles only through here; so when it is
 * killed, nothing that it awaits ever settles again, and it takes no further step: what `kill -9` does.
 */
import { AirlockError } from "../../../shared/errors.ts";
import type { Timing } from "../../../shared/retry.ts";
import type { Scheduled, VirtualClock } from "./clock.ts";
import type { Random } from "./random.ts";
import type { CallKind, Fate, StoreName, Weather } from "./weather.ts";

function never(): Promise<never> {
  return new Promise(() => undefined); // its own, so that it is forgotten with whoever waits for it
}
const LATENCY_MS = { min: 2, max: 60 };

export interface Crash {
  /** Of this process's requests, from 1. */
  readonly request: number;
  /** `before`: the request is never sent; `after`: it takes effect, and its answer finds nobody. */
  readonly when: "before" | "after";
  /** Epoch ms: no more from then on. */
  readonly untilMs: number;
}

export interface ConnectionOptions {
  readonly clock: VirtualClock;
  readonly weather: Weather;
  /** Latencies, and what becomes of requests whose sender is gone. */
  readonly random: Random;
  readonly crash: Crash | null;
  /** How far this machine's clock is from the stores'. */
  readonly skewMs: number;
  readonly onKilled: () => void;
  readonly onRequest: (name: string) => void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #inFlight = new Set<Scheduled>();
  /** Node holds on to a signal for as long as somebody listens to it. */
  readonly #listening = new Set<() => void>();
  #killed = false;
  requests = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get skewMs(): number {
    return this.#options.skewMs;
  }

  get isKilled(): boolean {
    return this.#killed;
  }

  /** At once, wherever it is. Of the requests that it had sent, some still arrive, and some of these when it runs again. */
  kill(): void {
    if (this.#killed) return;
    this.#killed = true;
    for (const leave of this.#listening) leave();
    for (const effect of this.#inFlight) {
      const { random, clock } = this.#options;
      if (random.chance(0.3)) continue;
      effect.cancelled = true;
      if (random.chance(0.5)) clock.after(random.int(100, 30_000), effect.run);
    }
    this.#options.onKilled();
  }

  /** One request. `effect` is what the store does; what it throws is the store's answer. */
  call<T>(name: string, store: StoreName, kind: CallKind, signal: AbortSignal, effect: (fate: Fate) => T): Promise<T> {
    if (this.#killed) return never();
    const { clock, weather, random, crash } = this.#options;
    this.requests++;
    this.#options.onRequest(name);
    const crashes = crash?.request === this.requests && clock.nowMs < crash.untilMs ? crash.when : null;
    if (crashes === "before") {
      this.kill();
      return never();
    }
    const fate = weather.fateOf(store, kind, clock.nowMs);
    const thereMs = random.int(LATENCY_MS.min, LATENCY_MS.max);
    const backMs = random.int(LATENCY_MS.min, LATENCY_MS.max);
    return this.#settle(signal, (resolve, reject) => {
      let answer = (): void => reject(new Error("a request without effect has no answer"));
      if (fate.effect !== "not-taken" || crashes === "after") {
        const lateMs = fate.effect === "late" ? fate.waitMs + random.int(100, 20_000) : 0;
        this.#send(thereMs + lateMs, () => {
          try {
            const value = effect(fate);
            answer = () => resolve(value);
          } catch (error) {
            answer = () => reject(error);
          }
          if (crashes === "after") this.kill();
        });
      }
      clock.after(thereMs + backMs + fate.waitMs, () => {
        if (fate.code === null) answer();
        else reject(new AirlockError(fate.code, `${name}: made to fail`));
      });
    });
  }

  /** Time passes. */
  wait(durationMs: number, signal: AbortSignal): Promise<void> {
    if (this.#killed) return never();
    return this.#settle(signal, (resolve) => void this.#options.clock.after(durationMs, resolve));
  }

  readonly timing: Timing = {
    now: () => this.#options.clock.nowMs + this.#options.skewMs,
    sleep: (durationMs, signal) => this.wait(durationMs, signal),
    random: () => this.#options.random.next(),
  };

  #send(durationMs: number, run: () => void): void {
    const scheduled = this.#options.clock.after(durationMs, () => {
      this.#inFlight.delete(scheduled);
      run();
    });
    this.#inFlight.add(scheduled);
  }

  /** Settles once; at once when the signal is aborted; never when the process is gone. */
  #settle<T>(
    signal: AbortSignal,
    begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let settled = false;
      const once = (settle: () => void): void => {
        if (settled || this.#killed) return;
        settled = true;
        leave();
        settle();
      };
      const interrupt = (): void => {
        const reason: unknown = signal.reason;
        const error =
          reason instanceof AirlockError ? reason : new AirlockError("interrupted", "interrupted", { cause: reason });
        once(() => reject(error));
      };
      const leave = (): void => {
        signal.removeEventListener("abort", interrupt);
        this.#listening.delete(leave);
      };
      if (signal.aborted) return interrupt();
      signal.addEventListener("abort", interrupt, { once: true });
      this.#listening.add(leave);
      begin(
        (value) => once(() => resolve(value)),
        (error) => once(() => reject(error)),
      );
    });
  }
}
