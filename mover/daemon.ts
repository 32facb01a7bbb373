import { type AirlockError, CODES, isAirlockError, toAirlockError } from "../shared/errors.ts";
import type { Fields, Log } from "../shared/log.ts";
import { objectOfStatement } from "../shared/names.ts";
import { backoffMs, type Timing } from "../shared/retry.ts";
import type { EventQueue } from "../shared/s3/event-queue.ts";
import type { StoredVersion } from "../shared/stores.ts";
import { Admission } from "./admission.ts";
import { hostOf, OWN_PREFIX } from "./admit.ts";
import type { Alerts } from "./alerts.ts";
import { Backlog, idOf, type VersionId } from "./backlog.ts";
import { Bookkeeper } from "./bookkeeper.ts";
import { Discovery } from "./discover.ts";
import { Events, type Fate } from "./events.ts";
import { LATER, lookUp, SETTLED, type LookUpTools, type Taken } from "./look-up.ts";
import { archive, release, type Discovered, type Moved, type Recorded, type Tools } from "./move.ts";
import { serveOperators, type HoldDesk } from "./operators.ts";
import { MoveQueue } from "./move-queue.ts";
import { Orphans, type OrphanTools } from "./orphans.ts";
import type { RequestBox } from "./requests.ts";
import { isInShare, type Share } from "./share.ts";
import { freshnessRows, MoveCounts, type Status } from "./status.ts";
import { untilNextSweepMs } from "./sweep-schedule.ts";
import { takeTurns } from "./turns.ts";

/** Of objects whose delete was refused; beyond it nothing new is archived until deletes work again. */
const MAX_UNRELEASED = 1000;
const SWEEP_BACKOFF = { baseMs: 500, capMs: 30_000 };
const STATUS_INTERVAL_MS = 1000;
const MISSING_AFTER_MS = 3_600_000;
/** With `--once`, how often a store may fail in a row, or an object be tried, before that is the result. */
const ONCE_ATTEMPTS = 5;

export interface DaemonOptions extends Tools {
  readonly mover: string;
  readonly ledgerStore: OrphanTools["ledgerStore"];
  readonly concurrency: number;
  readonly pollMs: number;
  /** Where the drop-zone's events come from; as long as they do, it is listed when `sweep` (cron) says so. */
  readonly events?: { readonly queue: EventQueue; readonly sweep: string } | null;
  /** Of all hosts, those that are configured (`hosts`) and those that are not; default: all of them. */
  readonly share?: Share;
  /** Ends when all that can be moved has been. */
  readonly once: boolean;
  /** Aborted: start nothing new, finish what is under way. */
  readonly drain: AbortSignal;
  /** Aborted: drop everything at once; whatever is under way is found again at the next start. */
  readonly abort: AbortSignal;
  /** Called about once a second, and at the end. */
  readonly publish: (status: Status) => Promise<void>;
  readonly pid: number;
  /** How long a number of a host's sequence may be missing before that is recorded; default: 1 h. */
  readonly missingAfterMs?: number;
  /** Called with each object that has left. */
  readonly observe?: (moved: Moved, exposureMs: number) => void;
  /** Tells when a store asks for fewer requests. */
  readonly onSlowDown?: (listener: () => void) => void;
  /** Tells of changes while this runs. `hosts` is by then the same Map with other content. */
  readonly onReload?: (listener: (changes: Changes) => void) => void;
  readonly alerts?: Alerts;
  /** What operators ask for; default: nothing. */
  readonly requests?: RequestBox;
}

export interface Changes {
  readonly concurrency: number;
  readonly pollMs: number;
  readonly missingAfterMs: number;
  /** Those whose policy is another now. */
  readonly changedHosts: readonly string[];
}

export interface Outcome {
  readonly objects: number;
  readonly bytes: number;
  /** Still in the drop-zone at the end of `--once`, by why. */
  readonly held: number;
  readonly failed: number;
}

/** Runs until drained (or, once, done). @throws {AirlockError} whose code halts the mover */
export async function runDaemon(options: DaemonOptions): Promise<Outcome> {
  return new Daemon(options).run();
}

function isStatement({ key }: StoredVersion): boolean {
  return objectOfStatement(key) !== null;
}

class Daemon {
  readonly #options: DaemonOptions;
  readonly #timing: Timing;
  readonly #log: Log;
  readonly #queue: MoveQueue;
  /** The options, with a drop-zone whose answers tell how many moves to run. */
  readonly #tools: Tools;
  readonly #backlog: Backlog;
  readonly #admission: Admission;
  readonly #discovery: Discovery;
  readonly #orphans: Orphans;
  readonly #events: Events | null;
  readonly #counts: MoveCounts;
  /** Recorded, and not known to be gone. `sincePass`: an entry that a whole pass did not show is gone after all. */
  readonly #unreleased = new Map<VersionId, { readonly recorded: Recorded; sincePass: number }>();
  readonly #halted = new AbortController();
  readonly #startedAt: string;
  #pass = 0;
  /** What the pass under way has come upon, or, when `#wholeSeen`, the last one did. A pass may take many sweeps. */
  #found = { started: false, toRetry: 0, givenUp: new Set<VersionId>() };
  /** In the last whole pass. */
  #toRetry = 0;
  /** The last sweep left nothing to the next. */
  #isAllSeen = false;
  #wholeSeen = true;
  /** What becomes of what is waiting for its turn or being moved. */
  readonly #underWay = new Map<VersionId, Promise<Fate>>();
  /** Something failed since the last sweep began, and only a sweep will try it again. */
  #isSweepDue = false;
  #changed = new AbortController();
  /** With `--once`: how often each object was tried in vain. */
  readonly #triesOnce = new Map<VersionId, number>();
  #lastSweepAt: string | null = null;
  #sweepFailing = false;
  #lastError: Status["lastError"] = null;
  #firstPass = true;
  readonly #bookkeeper: Bookkeeper;
  #pollMs: number;
  #missingAfterMs: number;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#pollMs = options.pollMs;
    this.#missingAfterMs = options.missingAfterMs ?? MISSING_AFTER_MS;
    this.#timing = options.timing;
    this.#log = options.log;
    this.#queue = new MoveQueue(options.concurrency, options.timing);
    this.#tools = { ...options, dropZone: this.#queue.watch(options.dropZone) };
    options.onSlowDown?.(() => this.#queue.slowDown());
    this.#backlog = new Backlog(options.timing);
    this.#discovery = new Discovery(options.dropZone, options.hosts.keys());
    this.#admission = new Admission({ ...options, quota: options.ledger.books.quota, backlog: this.#backlog });
    this.#orphans = new Orphans({ ...options, backlog: this.#backlog, missingAfterMs: () => this.#missingAfterMs });
    this.#events = this.#openEvents();
    this.#counts = new MoveCounts(options.hosts.keys());
    this.#bookkeeper = new Bookkeeper({
      ...options,
      backlog: this.#backlog,
      missingAfterMs: () => this.#missingAfterMs,
      halt: (error) => this.#halt(error),
    });
    this.#startedAt = new Date(options.timing.now()).toISOString();
    options.onReload?.((changes) => this.#reload(changes));
  }

  #reload({ concurrency, pollMs, missingAfterMs, changedHosts }: Changes): void {
    const { hosts, ledger } = this.#options;
    this.#queue.concurrency = concurrency;
    this.#pollMs = pollMs;
    this.#missingAfterMs = missingAfterMs;
    this.#discovery.follow(hosts.keys());
    this.#counts.follow(hosts.keys());
    ledger.books.freshness.reload();
    this.#backlog.reconsider(changedHosts);
    this.#sweepSoon(); // what was held is still there, and no event tells of it again
  }

  async run(): Promise<Outcome> {
    const statusEnded = new AbortController();
    const publishing = this.#publishRegularly(statusEnded.signal);
    const serving = this.#serveOperators(statusEnded.signal);
    try {
      await this.#discover();
      if (this.#options.drain.aborted) this.#log.info("stopping", { underWay: this.#queue.pending });
      await this.#queue.end();
      await this.#orphans.settled();
      this.#bookkeeper.end();
      await this.#options.ledger.settled();
      if (this.#halted.signal.aborted) throw this.#halted.signal.reason;
      this.#options.abort.throwIfAborted(); // what was dropped is not done, and not a success
    } finally {
      statusEnded.abort();
      await Promise.all([publishing, serving]);
    }
    const held = Object.values(this.#backlog.holds).flatMap((reasons) => Object.values(reasons));
    return {
      objects: this.#counts.objects,
      bytes: this.#counts.bytes,
      held: held.reduce((sum, count) => sum + count, 0),
      failed: this.#found.givenUp.size,
    };
  }

  /** By sweeps, and by events where there are any. */
  async #discover(): Promise<void> {
    const { drain, abort } = this.#options;
    const ending = AbortSignal.any([drain, abort, this.#halted.signal]);
    const listening = this.#events?.run(ending);
    await this.#sweepUntilDone(ending);
    await listening;
  }

  async #sweepUntilDone(ending: AbortSignal): Promise<void> {
    const { once } = this.#options;
    for (let failures = 0; !ending.aborted;) {
      try {
        await this.#sweep(ending);
        failures = 0;
        this.#sweepFailing = false;
        if (!this.#wholeSeen) continue;
        if (once) await this.#queue.onIdle();
        if (once && !this.#found.started && this.#found.toRetry === 0) return;
        if (once) await this.#wait(Math.min(this.#pollMs, 50), ending);
        else await this.#untilNextSweep(ending);
      } catch (thrown) {
        if (ending.aborted) return;
        this.#sweepFailing = true;
        const error = toAirlockError(thrown);
        this.#note(error);
        if (CODES[error.code].reaction === "halt" || (once && ++failures >= ONCE_ATTEMPTS)) {
          this.#halted.abort(error);
          return;
        }
        const waitMs = backoffMs(once ? failures : ++failures, SWEEP_BACKOFF, this.#timing.random);
        this.#log.failure("sweep-failed", error, { waitMs: Math.round(waitMs) });
        await this.#wait(waitMs, ending);
      }
    }
  }

  /** As often as configured; while events come in and nothing else is open, when the schedule says so. */
  async #untilNextSweep(ending: AbortSignal): Promise<void> {
    const { events } = this.#options;
    for (; !ending.aborted; this.#changed = new AbortController()) {
      const pollMs = this.#pollMs;
      const isOpen = this.#isSweepDue || this.#found.toRetry > 0 || this.#events?.takeLeftToSweep() === true;
      if (isOpen || !events || this.#events?.isReachable !== true) return this.#wait(pollMs, ending);
      const changed = this.#changed.signal;
      await this.#wait(Math.max(pollMs, untilNextSweepMs(events.sweep)), AbortSignal.any([ending, changed]));
      if (!changed.aborted) return;
    }
  }

  async #sweep(ending: AbortSignal): Promise<void> {
    this.#backlog.beginRound();
    this.#isSweepDue = false;
    if (this.#wholeSeen) this.#found = { started: false, toRetry: 0, givenUp: new Set() };
    this.#wholeSeen = false;
    for await (const round of this.#discovery.round(ending)) {
      await this.#take(round.versions, ending);
      if (ending.aborted) return; // what was not looked at was not seen
      if (round.wholeSeen) this.#endPass();
    }
    this.#lastSweepAt = new Date(this.#timing.now()).toISOString();
    this.#isAllSeen = this.#wholeSeen;
  }

  #endPass(): void {
    this.#wholeSeen = true;
    this.#toRetry = this.#found.toRetry;
    this.#firstPass = false;
    this.#pass++;
    this.#admission.endPass();
    this.#bookkeeper.endPass();
    for (const [id, { recorded, sincePass }] of this.#unreleased) {
      if (sincePass >= this.#pass - 1 || this.#backlog.isActive(id)) continue;
      this.#unreleased.delete(id); // the delete that was thought to have failed had taken effect
      this.#count(recorded.moved, this.#timing.now());
      this.#log.info("object-released", { key: recorded.version.key, versionId: recorded.version.versionId });
    }
  }

  async #take(versions: readonly StoredVersion[], ending: AbortSignal): Promise<void> {
    const objects = new Set(versions.map(({ key }) => key));
    const orphans: StoredVersion[] = [];
    for (const version of takeTurns(versions, hostOf)) {
      if (ending.aborted) return;
      if (version.key.startsWith(OWN_PREFIX) || !this.#isOurs(hostOf(version.key))) continue;
      const objectKey = objectOfStatement(version.key);
      if (objectKey === null) await this.#consider(version);
      else if (!objects.has(objectKey)) orphans.push(version);
    }
    await this.#orphans.settle(orphans, this.#firstPass || this.#options.once, ending);
  }

  #isOurs(host: string): boolean {
    const { share } = this.#options;
    return share === undefined || isInShare(host, share);
  }

  #openEvents(): Events | null {
    const { events, once, dropZone, timing, log } = this.#options;
    if (!events || once) return null; // all that is there now is what a listing shows
    const tools: LookUpTools = {
      dropZone,
      isKnown: (host) => this.#options.hosts.has(host) && this.#isOurs(host),
      consider: (version, eventAtMs) => this.#consider(version, eventAtMs),
    };
    return new Events({
      queue: events.queue,
      bucket: dropZone.bucket,
      take: (hint, signal) => lookUp(hint, tools, signal),
      changed: () => this.#changed.abort(),
      timing,
      log,
    });
  }

  async #consider(version: StoredVersion, eventAtMs: number | null = null): Promise<Taken> {
    const id = idOf(version);
    const unreleased = this.#unreleased.get(id);
    if (unreleased !== undefined) unreleased.sincePass = this.#pass;
    else if (this.#unreleased.size >= MAX_UNRELEASED) return LATER;
    const givenUp = this.#options.once && (this.#triesOnce.get(id) ?? 0) >= ONCE_ATTEMPTS;
    const verdict = givenUp ? "failed" : this.#admission.look(version);
    if (givenUp) this.#found.givenUp.add(id);
    else if (verdict === "failed") this.#found.toRetry++;
    if (verdict !== "start") return this.#fateOf(id, verdict);
    if (!(await this.#queue.hasRoom(this.#admission.hostOf(version), version.sizeBytes))) {
      this.#found.toRetry++; // a later sweep finds it again, and this one goes on
      this.#isSweepDue = true;
      return LATER;
    }
    const then = this.#admission.look(version); // an event, or a sweep, may have taken it meanwhile, or its quota
    if (then !== "start") return this.#fateOf(id, then);
    const begun = this.#admission.begin(version);
    this.#found.started = true;
    const move = (): Promise<Fate> => this.#move({ version, eventAtMs, ...begun });
    const fate = this.#queue.add(this.#admission.hostOf(version), version.sizeBytes, move);
    this.#underWay.set(id, fate);
    void fate.then(() => this.#underWay.delete(id));
    return { fate };
  }

  #fateOf(id: VersionId, verdict: "busy" | "failed" | "held"): { fate: Promise<Fate> } {
    if (verdict === "busy") return { fate: this.#underWay.get(id) ?? SETTLED.fate };
    return verdict === "held" ? SETTLED : LATER;
  }

  /** Never rejects: what went wrong is logged here, once, and decides what becomes of the object. */
  async #move(found: Discovered): Promise<Fate> {
    const { abort } = this.#options;
    const { version, seenAtMs } = found;
    const id = idOf(version);
    try {
      const recorded = this.#unreleased.get(id)?.recorded ?? (await archive(found, this.#tools, abort));
      this.#unreleased.set(id, { recorded, sincePass: this.#pass }); // recorded once, however often its delete fails
      const moved = await release(recorded, this.#tools, abort);
      this.#unreleased.delete(id);
      this.#triesOnce.delete(id);
      this.#admission.left(version);
      const nowMs = this.#timing.now();
      const exposureMs = this.#count(moved, nowMs);
      this.#log.info(moved.disposition === "already-archived" ? "object-already-archived" : "object-archived", {
        host: moved.host,
        set: moved.set,
        key: version.key,
        versionId: version.versionId,
        bytes: version.sizeBytes,
        sha256: moved.sha256,
        exposureMs,
        exposureFrom: moved.exposureFrom,
        durationMs: nowMs - seenAtMs,
        outcome: moved.disposition,
      });
      return "settled";
    } catch (thrown) {
      return this.#failed(version, toAirlockError(thrown));
    }
  }

  #failed(version: StoredVersion, error: AirlockError): Fate {
    const host = this.#admission.hostOf(version);
    this.#admission.failed(version, error.code);
    const { first, waitMs } = this.#backlog.failed(version, host, error);
    const fields = {
      host,
      key: version.key,
      versionId: version.versionId,
      bytes: version.sizeBytes,
      waitMs: Math.round(waitMs),
    };
    if (this.#options.abort.aborted) return "later";
    this.#note(error);
    switch (CODES[error.code].reaction) {
      case "halt":
        this.#halt(error, fields);
        break;
      case "hold":
        if (first) this.#log.failure("object-held", error, fields);
        return "settled";
      case "retry":
        if (this.#options.once) this.#triesOnce.set(idOf(version), (this.#triesOnce.get(idOf(version)) ?? 0) + 1);
        this.#log.failure(this.#unreleased.has(idOf(version)) ? "release-refused" : "object-retry", error, fields);
        this.#sweepSoon();
        break;
    }
    return "later";
  }

  /** @returns the object's exposure, in ms */
  #count(moved: Moved, releasedAtMs: number): number {
    const exposureMs = this.#counts.add(moved, releasedAtMs);
    this.#options.observe?.(moved, exposureMs);
    return exposureMs;
  }

  #sweepSoon(): void {
    this.#isSweepDue = true;
    this.#changed.abort();
  }

  #halt(error: AirlockError, fields: Fields = {}): void {
    if (this.#options.abort.aborted) return;
    this.#note(error);
    this.#log.failure("failed", error, fields);
    this.#halted.abort(error);
  }

  #note(error: AirlockError): void {
    this.#lastError = { at: new Date(this.#timing.now()).toISOString(), code: error.code, message: error.message };
  }

  async #wait(durationMs: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#timing.sleep(durationMs, signal);
    } catch (error) {
      if (!isAirlockError(error, "interrupted")) throw error;
    }
  }

  async #publishRegularly(ended: AbortSignal): Promise<void> {
    for (;;) {
      const isLast = ended.aborted; // what ends while one is being written is in the next
      if (!isLast) this.#bookkeeper.tick();
      try {
        await this.#options.publish(this.#status(!isLast));
      } catch (thrown) {
        this.#log.failure("failed", toAirlockError(thrown)); // a full disk must not stop the moving
      }
      if (isLast) return;
      await this.#wait(STATUS_INTERVAL_MS, ended);
    }
  }

  async #serveOperators(ended: AbortSignal): Promise<void> {
    const { requests } = this.#options;
    if (requests === undefined) return;
    const desk: HoldDesk = {
      reasonOf: (version) => (isStatement(version) ? this.#orphans : this.#admission).reasonOf(version),
      override: (version) => {
        this.#admission.override(version);
        this.#sweepSoon();
      },
      begin: (version) => void this.#admission.begin(version),
      left: (version) => this.#admission.left(version),
      failed: (version, error) => void this.#failed(version, error),
    };
    for (;;) {
      const isLast = ended.aborted;
      try {
        await serveOperators(requests, { ...this.#options, desk }, this.#options.abort);
      } catch (thrown) {
        this.#log.failure("failed", toAirlockError(thrown)); // whoever asked is told so, or gets no answer
      }
      if (isLast) return;
      await this.#wait(STATUS_INTERVAL_MS, ended);
    }
  }

  #status(running: boolean): Status {
    const { mover, pid, ledger, memory } = this.#options;
    return {
      v: 1,
      mover,
      pid,
      running,
      startedAt: this.#startedAt,
      updatedAt: new Date(this.#timing.now()).toISOString(),
      ledger: {
        segment: ledger.head?.segment ?? 0,
        index: ledger.head?.index ?? 0,
        digest: ledger.head?.digest ?? null,
      },
      objects: this.#counts.objects,
      bytes: this.#counts.bytes,
      underWay: this.#queue.pending,
      backlog: { waiting: this.#queue.waiting, toRetry: this.#toRetry, wholeSeen: this.#isAllSeen },
      memoryUsedBytes: memory.usedBytes,
      exposureMs: this.#counts.exposureMs,
      hosts: this.#counts.hosts,
      freshness: freshnessRows(ledger.books.freshness.list()),
      holds: this.#backlog.holds,
      held: Array.from(this.#backlog.heldExamples, ([host, reasons]) =>
        Array.from(reasons, ([reason, objects]) => ({ host, reason, objects: [...objects] })),
      ).flat(),
      lastSweepAt: this.#lastSweepAt,
      sweepFailing: this.#sweepFailing,
      events: this.#events === null ? null : this.#events.isReachable ? "reachable" : "unreachable",
      lastError: this.#lastError,
    };
  }
}
