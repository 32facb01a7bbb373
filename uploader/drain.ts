import { AirlockError, isAirlockError, toAirlockError, type Code } from "../shared/errors.ts";
import { createPace, type Pace } from "./drain-pace.ts";
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
const TRANSIENT = [
  "store-unavailable",
  "slow-down",
  "outcome-unknown",
  "upload-missing",
  "disk-full",
  "locked",
] as const satisfies Code[];

/** What the workers of one call share. */
interface Draining {
  readonly options: DrainOptions;
  /** The caller's, with a signal that ends sooner and requests that give up sooner. */
  readonly context: PublishContext;
  readonly pace: Pace;
  readonly underWay: Set<string>;
  readonly failed: Set<string>;
  published: number;
  /** Aborted whenever a worker is done with an object; then there is another one. */
  changed: AbortController;
}

/** Publishes what waits, oldest first. Nothing is ever dropped: what fails waits on. */
export async function drainSpool(options: DrainOptions): Promise<Drained> {
  const { context, until, spool, concurrency } = options;
  const broken = new AbortController();
  const signal = AbortSignal.any([context.signal, broken.signal, ...(until === "empty" ? [] : [until])]);
  const draining: Draining = {
    options,
    context: { ...context, signal, retry: ONE_REQUEST },
    pace: createPace(context.timing),
    underWay: new Set(),
    failed: new Set(),
    published: 0,
    changed: new AbortController(),
  };
  await spool.removeLeftovers();
  const work = async (): Promise<void> => {
    for (let object = await next(draining); object !== null; object = await next(draining))
      await attempt(object, draining);
  };
  const failWith = (error: unknown): never => {
    broken.abort(new AirlockError("interrupted", "the draining failed", { cause: error }));
    throw error;
  };
  const ended = await Promise.allSettled(Array.from({ length: concurrency }, () => work().catch(failWith)));
  for (const worker of ended) if (worker.status === "rejected") throw worker.reason;
  if (context.signal.aborted) throw new AirlockError("interrupted", "interrupted", { cause: context.signal.reason });
  return { published: draining.published, failed: draining.failed.size };
}

/** Waits for an object to publish; null: the end. */
async function next(draining: Draining): Promise<WaitingObject | null> {
  const { options, context, pace, underWay } = draining;
  while (!context.signal.aborted) {
    // taken before looking, so that nothing comes in between
    const wake = options.spool.unclaimed;
    if (!pace.isPaused()) {
      const object = tryClaim(draining);
      if (object !== null) return object;
      if (options.until === "empty" && underWay.size === 0 && !pace.isPaused() && !pace.hasRetries()) return null;
    }
    await waitForChange(draining, wake);
  }
  return null;
}

/** A state that can't be used for the moment is an outage like any other. */
function tryClaim({ options, context, pace, underWay }: Draining): WaitingObject | null {
  try {
    const later = pace.listLater();
    const object = options.spool.claimNext(later);
    if (object !== null) underWay.add(object.id);
    // Those that are due and can't be claimed have been published by another process, or are with one.
    else pace.forgetDue(underWay);
    return object;
  } catch (error) {
    if (!isAirlockError(error, ...TRANSIENT)) throw error;
    context.log.failure("spool-held", error, { host: context.host });
    pace.pause();
    return null;
  }
}

async function waitForChange({ context, pace, changed }: Draining, wake: AbortSignal): Promise<void> {
  const { signal, timing } = context;
  const stop = AbortSignal.any(pace.isPaused() ? [signal] : [signal, wake, changed.signal]);
  await timing.sleep(pace.untilNextMs(), stop).catch((error: unknown) => {
    if (!stop.aborted) throw error;
  });
}

async function attempt(object: WaitingObject, draining: Draining): Promise<void> {
  const { options, context, pace, underWay, failed } = draining;
  const { id } = object;
  try {
    const result = await tryPublish(object, draining);
    if (result instanceof AirlockError) {
      if (!context.signal.aborted) await fail(object, result, draining);
      return;
    }
    draining.published++;
    pace.succeeded(id);
    failed.delete(id);
    await options.onPublished(object, result);
  } finally {
    underWay.delete(id);
    const { changed } = draining;
    draining.changed = new AbortController();
    changed.abort();
  }
}

async function tryPublish(object: WaitingObject, { options, context }: Draining): Promise<Published | AirlockError> {
  try {
    return await publishWaiting(object, options.spool, context, options.alongside);
  } catch (thrown) {
    options.spool.unclaim(object);
    return toAirlockError(thrown);
  }
}

async function fail(object: WaitingObject, error: AirlockError, draining: Draining): Promise<void> {
  const { options, context, pace, failed } = draining;
  const { id, set } = object;
  const isTransient = isAirlockError(error, ...TRANSIENT);
  const rarely = options.until === "empty" ? "never" : "rarely";
  const { failures, waitMs } = pace.failed(id, isTransient ? "transient" : rarely);
  const shownMs = waitMs === Infinity ? null : Math.round(waitMs);
  context.log.failure("spool-held", error, { host: context.host, set, id, failures, waitMs: shownMs });
  if (isTransient) return;
  failed.add(id);
  await options.onFailed(object, error);
}
