import PQueue from "p-queue";
import { type AirlockError, CODES, isAirlockError, toAirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { objectOfStatement } from "../shared/names.ts";
import { backoffMs, type Timing } from "../shared/retry.ts";
import type { StoredVersion } from "../shared/stores.ts";
import { admitName, hostOf, OWN_PREFIX } from "./admit.ts";
import { Backlog, idOf, UNKNOWN_HOST, type VersionId } from "./backlog.ts";
import { Discovery } from "./discover.ts";
import { archive, release, type Discovered, type Recorded, type Tools } from "./move.ts";
import { Orphans, type OrphanTools } from "./orphans.ts";
import { MoveCounts, type Status } from "./status.ts";

/** Of objects whose delete was refused; beyond it nothing new is archived until deletes work again. */
const MAX_UNRELEASED = 1000;
const SWEEP_BACKOFF = { baseMs: 500, capMs: 30_000 };
const STATUS_INTERVAL_MS = 1000;
/** With `--once`, how often a store may fail in a row, or an object be tried, before that is the result. */
const ONCE_ATTEMPTS = 5;

export interface DaemonOptions extends Tools {
  readonly mover: string;
  readonly ledgerStore: OrphanTools["ledger"];
  readonly concurrency: number;
  readonly pollMs: number;
  /** Ends when all that can be moved has been. */
  readonly once: boolean;
  /** Aborted: start nothing new, finish what is under way. */
  readonly drain: AbortSignal;
  /** Aborted: drop everything at once; whatever is under way is found again at the next start. */
  readonly abort: AbortSignal;
  /** Called about once a second, and at the end. */
  readonly publish: (status: Status) => Promise<void>;
  readonly pid: number;
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

class Daemon {
  readonly #options: DaemonOptions;
  readonly #timing: Timing;
  readonly #log: Log;
  readonly #queue: PQueue;
  readonly #backlog: Backlog;
  readonly #discovery: Discovery;
  readonly #orphans: Orphans;
  readonly #counts: MoveCounts;
  /** Recorded, and not known to be gone. `sincePass`: an entry that a whole pass did not show is gone after all. */
  readonly #unreleased = new Map<VersionId, { readonly recorded: Recorded; sincePass: number }>();
  readonly #halted = new AbortController();
  readonly #startedAt: string;
  #pass = 0;
  /** What the pass under way has come upon, or, when `#wholeSeen`, the last one did. A pass may take many sweeps. */
  #found = { started: false, toRetry: false, givenUp: new Set<VersionId>() };
  #wholeSeen = true;
  /** With `--once`: how often each object was tried in vain. */
  readonly #triesOnce = new Map<VersionId, number>();
  #lastSweepAt: string | null = null;
  #lastError: Status["lastError"] = null;
  #firstPass = true;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#timing = options.timing;
    this.#log = options.log;
    this.#queue = new PQueue({ concurrency: options.concurrency });
    this.#backlog = new Backlog(options.timing);
    this.#discovery = new Discovery(options.dropZone, options.hosts.keys());
    this.#orphans = new Orphans({
      ...options,
      ledger: options.ledgerStore,
      headSegment: () => options.ledger.head?.segment ?? 0,
    });
    this.#counts = new MoveCounts(options.hosts.keys());
    this.#startedAt = new Date(options.timing.now()).toISOString();
  }

  async run(): Promise<Outcome> {
    const statusEnded = new AbortController();
    const publishing = this.#publishRegularly(statusEnded.signal);
    try {
      await this.#sweepUntilDone();
      if (this.#options.drain.aborted) this.#log.info("stopping", { underWay: this.#queue.pending });
      this.#queue.clear();
      await this.#queue.onIdle();
      await this.#options.ledger.settled();
      if (this.#halted.signal.aborted) throw this.#halted.signal.reason;
      this.#options.abort.throwIfAborted(); // what was dropped is not done, and not a success
    } finally {
      statusEnded.abort();
      await publishing;
    }
    const held = Object.values(this.#backlog.holds).flatMap((reasons) => Object.values(reasons));
    return {
      objects: this.#counts.objects,
      bytes: this.#counts.bytes,
      held: held.reduce((sum, count) => sum + count, 0),
      failed: this.#found.givenUp.size,
    };
  }

  async #sweepUntilDone(): Promise<void> {
    const { drain, abort, once, pollMs } = this.#options;
    const ending = AbortSignal.any([drain, abort, this.#halted.signal]);
    for (let failures = 0; !ending.aborted;) {
      try {
        await this.#sweep(ending);
        failures = 0;
        if (!this.#wholeSeen) continue;
        if (once) await this.#queue.onIdle();
        if (once && !this.#found.started && !this.#found.toRetry) return;
        await this.#wait(once ? Math.min(pollMs, 50) : pollMs, ending);
      } catch (thrown) {
        if (ending.aborted) return;
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

  async #sweep(ending: AbortSignal): Promise<void> {
    this.#backlog.beginRound();
    if (this.#wholeSeen) this.#found = { started: false, toRetry: false, givenUp: new Set() };
    this.#wholeSeen = false;
    for await (const round of this.#discovery.round(ending)) {
      await this.#take(round.versions, ending);
      if (ending.aborted) return; // what was not looked at was not seen
      if (round.wholeSeen) this.#endPass();
    }
    this.#lastSweepAt = new Date(this.#timing.now()).toISOString();
  }

  #endPass(): void {
    this.#wholeSeen = true;
    this.#firstPass = false;
    this.#pass++;
    if (this.#backlog.endPass()) this.#options.ledger.reportHolds(this.#backlog.holds);
    for (const [id, { recorded, sincePass }] of this.#unreleased) {
      if (sincePass >= this.#pass - 1 || this.#backlog.isActive(id)) continue;
      this.#unreleased.delete(id); // the delete that was thought to have failed had taken effect
      this.#counts.add(recorded.moved, this.#timing.now());
      this.#log.info("object-released", { key: recorded.version.key, versionId: recorded.version.versionId });
    }
  }

  async #take(versions: readonly StoredVersion[], ending: AbortSignal): Promise<void> {
    const objects = new Set(versions.map(({ key }) => key));
    const orphans: StoredVersion[] = [];
    for (const version of versions) {
      if (ending.aborted) return;
      if (version.key.startsWith(OWN_PREFIX)) continue;
      const objectKey = objectOfStatement(version.key);
      if (objectKey === null) await this.#consider(version);
      else if (!objects.has(objectKey) && this.#options.hosts.has(hostOf(version.key))) orphans.push(version);
    }
    await this.#orphans.settle(orphans, this.#firstPass || this.#options.once, ending);
  }

  async #consider(version: StoredVersion): Promise<void> {
    const { hosts, concurrency } = this.#options;
    const host = hosts.has(hostOf(version.key)) ? hostOf(version.key) : UNKNOWN_HOST;
    try {
      admitName(version, hosts);
    } catch (thrown) {
      const error = toAirlockError(thrown);
      if (CODES[error.code].reaction !== "hold") throw error;
      this.#backlog.refused(version, host, error.code);
      return;
    }
    const id = idOf(version);
    const unreleased = this.#unreleased.get(id);
    if (unreleased !== undefined) unreleased.sincePass = this.#pass;
    else if (this.#unreleased.size >= MAX_UNRELEASED) return;
    const givenUp = this.#options.once && (this.#triesOnce.get(id) ?? 0) >= ONCE_ATTEMPTS;
    const verdict = givenUp ? "failed" : this.#backlog.look(version, host);
    if (givenUp) this.#found.givenUp.add(id);
    else if (verdict === "failed") this.#found.toRetry = true;
    if (verdict !== "start") return;
    await this.#queue.onSizeLessThan(concurrency); // a bounded number waits, however long the listing
    const seenAtMs = this.#backlog.begin(version, host);
    this.#found.started = true;
    void this.#queue.add(() => this.#move({ version, seenAtMs }, host));
  }

  /** Never rejects: what went wrong is logged here, once, and decides what becomes of the object. */
  async #move(found: Discovered, host: string): Promise<void> {
    const { abort } = this.#options;
    const { version, seenAtMs } = found;
    const id = idOf(version);
    try {
      const recorded = this.#unreleased.get(id)?.recorded ?? (await archive(found, this.#options, abort));
      this.#unreleased.set(id, { recorded, sincePass: this.#pass }); // recorded once, however often its delete fails
      const moved = await release(recorded, this.#options, abort);
      this.#unreleased.delete(id);
      this.#triesOnce.delete(id);
      this.#backlog.left(version, host);
      const nowMs = this.#timing.now();
      const exposureMs = this.#counts.add(moved, nowMs);
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
    } catch (thrown) {
      this.#failed(version, host, toAirlockError(thrown));
    }
  }

  #failed(version: StoredVersion, host: string, error: AirlockError): void {
    const { first, waitMs } = this.#backlog.failed(version, host, error);
    const fields = {
      host,
      key: version.key,
      versionId: version.versionId,
      bytes: version.sizeBytes,
      waitMs: Math.round(waitMs),
    };
    if (this.#options.abort.aborted) return;
    this.#note(error);
    switch (CODES[error.code].reaction) {
      case "halt":
        this.#log.failure("failed", error, fields);
        this.#halted.abort(error);
        break;
      case "hold":
        if (first) this.#log.failure("object-held", error, fields);
        break;
      case "retry":
        if (this.#options.once) this.#triesOnce.set(idOf(version), (this.#triesOnce.get(idOf(version)) ?? 0) + 1);
        this.#log.failure(this.#unreleased.has(idOf(version)) ? "release-refused" : "object-retry", error, fields);
        break;
    }
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
      try {
        await this.#options.publish(this.#status());
      } catch (thrown) {
        this.#log.failure("failed", toAirlockError(thrown)); // a full disk must not stop the moving
      }
      if (isLast) return;
      await this.#wait(STATUS_INTERVAL_MS, ended);
    }
  }

  #status(): Status {
    const { mover, pid, ledger, memory } = this.#options;
    return {
      v: 1,
      mover,
      pid,
      startedAt: this.#startedAt,
      updatedAt: new Date(this.#timing.now()).toISOString(),
      ledger: {
        segment: ledger.head?.segment ?? 0,
        index: ledger.head?.index ?? 0,
        digest: ledger.head?.digest ?? null,
      },
      objects: this.#counts.objects,
      bytes: this.#counts.bytes,
      underWay: this.#backlog.activeCount,
      memoryUsedBytes: memory.usedBytes,
      exposureMs: this.#counts.exposureMs,
      hosts: this.#counts.hosts,
      holds: this.#backlog.holds,
      held: Array.from(this.#backlog.heldExamples, ([host, reasons]) =>
        Array.from(reasons, ([reason, objects]) => ({ host, reason, objects: [...objects] })),
      ).flat(),
      lastSweepAt: this.#lastSweepAt,
      lastError: this.#lastError,
    };
  }
}
