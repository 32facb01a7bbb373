import { AirlockError, isAirlockError, toAirlockError, type Code } from "../shared/errors.ts";
import { backoffMs, type Backoff } from "../shared/retry.ts";
import type { Attempts, PublishContext, Published } from "./publish-context.ts";
import { publishWaiting } from "./publish-waiting.ts";
import type { Spool, WaitingObject } from "./spool.ts";

export interface DrainOptions {
  readonly spool: Spool;
  /** Its signal ends the draining at once; with `interrupted`, since that is how the whole program ends. */
  readonly context: PublishContext;
  /** Objects at once. */
  readonly concurrency: number;
  /** A process that ends just before this is called never calls it: what must not be lost belongs into `alongside`. */
  readonly onPublished: (object: WaitingObject, published: Published) => void | Promise<void>;
  /** Writes to the state's database that become lasting together with the fact that the object is published. */
  readonly alongside?: ((object: WaitingObject) => void) | undefined;
  /** A failure that time alone does not mend. The object waits on, and is tried again now and then. */
  readonly onFailed: (object: WaitingObject, error: AirlockError) => void | Promise<void>;
  /**
   * `empty`: until nothing is left that this process could publish: what failed for good or is claimed elsewhere stays.
   * A signal: until it is aborted, which ends transfers under way as well; they go on another time where they stopped.
   */
  readonly until: AbortSignal | "empty";
}

export interface Drained {
  readonly published: number;
  /** Objects that failed for good and wait on. */
  readonly failed: number;
}

/** Pauses are for outages, so the single request goes on for seconds only. */
const ONE_REQUEST: Attempts = { attempts: 3, baseMs: 500, capMs: 5_000 };
/** For all objects, after a failure that another object would meet as well; forgotten with the first success. */
const STORE_BACKOFF: Backoff = { baseMs: 1_000, capMs: 60_000 };
/** For the one object that failed. */
const OBJECT_BACKOFF: Backoff = { baseMs: 1_000, capMs: 300_000 };
/** For what time alone does not mend: somebody may have mended it. */
const RARELY: Backoff = { baseMs: 900_000, capMs: 900_000 };
/** How soon an object is seen that another process spooled. */
const LOOK_EVERY_MS = 5_000;

const TRANSIENT = [
  "store-unavailable",
  "slow-down",
  "outcome-unknown",
  "upload-missing",
  "disk-full",
  "locked",
] as const satisfies Code[];

interface Trouble {
  readonly failures: number;
  /** Epoch milliseconds; Infinity: not by this call. */
  readonly retryAtMs: number;
}

/** Publishes what waits, oldest first. Nothing is ever dropped: what fails waits on. */
export async function drainSpool(options: DrainOptions): Promise<Drained> {
  const { context, until, spool } = options;
  const failed = new AbortController();
  const ends = until === "empty" ? [] : [until];
  const signal = AbortSignal.any([context.signal, failed.signal, ...ends]);
  const drain = createDrain(options, signal);
  await spool.removeLeftovers();
  const work = async (): Promise<void> => {
    for (let object = await drain.next(); object !== null; object = await drain.next()) await drain.publish(object);
  };
  const workers = Array.from({ length: options.concurrency }, () =>
    work().catch((error: unknown) => {
      failed.abort(new AirlockError("interrupted", "the draining failed", { cause: error }));
      throw error;
    }),
  );
  const ended = await Promise.allSettled(workers);
  for (const worker of ended) if (worker.status === "rejected") throw worker.reason;
  if (context.signal.aborted) throw new AirlockError("interrupted", "interrupted", { cause: context.signal.reason });
  return drain.count();
}

interface Drain {
  /** Waits for an object to publish; null: the end. */
  next(): Promise<WaitingObject | null>;
  publish(object: WaitingObject): Promise<void>;
  count(): Drained;
}

function createDrain(options: DrainOptions, signal: AbortSignal): Drain {
  const { spool, until, onPublished, onFailed, alongside } = options;
  const context: PublishContext = { ...options.context, signal, retry: ONE_REQUEST };
  const { timing, log, host } = context;
  const troubles = new Map<string, Trouble>();
  const failed = new Set<string>();
  const underWay = new Set<string>();
  /** Claims that could not be given back. */
  const held: WaitingObject[] = [];
  let published = 0;
  let storeFailures = 0;
  let pausedUntilMs = -Infinity;
  let changed = new AbortController();

  const pause = (): void => {
    if (timing.now() < pausedUntilMs) return;
    storeFailures++;
    pausedUntilMs = timing.now() + backoffMs(storeFailures, STORE_BACKOFF, timing.random);
  };
  const release = (object: WaitingObject): void => {
    try {
      spool.unclaim(object);
    } catch (error) {
      log.failure("spool-held", toAirlockError(error), { host, set: object.set, id: object.id });
      held.push(object);
    }
  };
  const claim = (): WaitingObject | null => {
    for (const object of held.splice(0)) release(object);
    const now = timing.now();
    const later = new Set([...troubles].filter(([, { retryAtMs }]) => retryAtMs > now).map(([id]) => id));
    const object = spool.claimNext(later);
    if (object !== null) return object;
    // Those that are due and are not there to be claimed have been published by another process, or are with one.
    for (const id of troubles.keys()) if (!later.has(id) && !underWay.has(id)) troubles.delete(id);
    return null;
  };
  const tryClaim = (): WaitingObject | null => {
    try {
      return claim();
    } catch (error) {
      if (!isAirlockError(error, ...TRANSIENT)) throw error;
      log.failure("spool-held", error, { host });
      pause();
      return null;
    }
  };
  const isEmpty = (): boolean =>
    underWay.size === 0 && held.length === 0 && [...troubles.values()].every(({ retryAtMs }) => retryAtMs === Infinity);
  const waitForChange = async (wake: AbortSignal): Promise<void> => {
    const now = timing.now();
    const retries = [...troubles.values()].map(({ retryAtMs }) => retryAtMs).filter((atMs) => atMs > now);
    const untilMs = Math.min(now + LOOK_EVERY_MS, ...retries);
    const waitMs = Math.max(untilMs, pausedUntilMs) - now;
    const stop = AbortSignal.any(pausedUntilMs > now ? [signal] : [signal, wake, changed.signal]);
    await timing.sleep(waitMs, stop).catch((error: unknown) => {
      if (!stop.aborted) throw error;
    });
  };
  const fail = async (object: WaitingObject, error: AirlockError): Promise<void> => {
    const { id, set } = object;
    const failures = (troubles.get(id)?.failures ?? 0) + 1;
    const isTransient = isAirlockError(error, ...TRANSIENT);
    const backoff = isTransient ? OBJECT_BACKOFF : RARELY;
    const waitMs = !isTransient && until === "empty" ? Infinity : backoffMs(failures, backoff, timing.random);
    troubles.set(id, { failures, retryAtMs: timing.now() + waitMs });
    const shownMs = waitMs === Infinity ? null : Math.round(waitMs);
    log.failure("spool-held", error, { host, set, id, failures, waitMs: shownMs });
    if (isTransient) return pause();
    failed.add(id);
    await onFailed(object, error);
  };
  const attempt = async (object: WaitingObject): Promise<Published | AirlockError> => {
    try {
      const done = await publishWaiting(object, spool, context, alongside);
      storeFailures = 0;
      pausedUntilMs = -Infinity;
      troubles.delete(object.id);
      failed.delete(object.id);
      published++;
      return done;
    } catch (error) {
      release(object);
      return toAirlockError(error);
    }
  };

  return {
    async next() {
      while (!signal.aborted) {
        const wake = spool.unclaimed;
        if (timing.now() >= pausedUntilMs) {
          const object = tryClaim();
          if (object !== null) {
            underWay.add(object.id);
            return object;
          }
          if (until === "empty" && timing.now() >= pausedUntilMs && isEmpty()) return null;
        }
        await waitForChange(wake);
      }
      return null;
    },
    async publish(object) {
      try {
        const result = await attempt(object);
        if (!(result instanceof AirlockError)) await onPublished(object, result);
        else if (!signal.aborted) await fail(object, result);
      } finally {
        underWay.delete(object.id);
        const former = changed;
        changed = new AbortController();
        former.abort();
      }
    },
    count: () => ({ published, failed: failed.size }),
  };
}
