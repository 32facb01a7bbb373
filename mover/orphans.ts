/**
 * Statements whose object is not there. Most belong to an object that was released just before a crash, and go once the
 * ledger shows that; some belong to an upload that is about to be completed. The rest are held: what is junk, and what
 * is signed and whose object did not come, which is recorded, and after 30 days recorded again and removed.
 */
import { hasPassed } from "../shared/elapsed.ts";
import { isAirlockError, type Code } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { objectOfStatement } from "../shared/names.ts";
import { backoffMs, type Timing } from "../shared/retry.ts";
import { statementDigest, verifyStatement, type SignedStatement } from "../shared/statement.ts";
import type { DropZoneSource, StoredVersion } from "../shared/stores.ts";
import { hostOf, readStatement } from "./admit.ts";
import { idOf, UNKNOWN_HOST, type Backlog, type VersionId } from "./backlog.ts";
import { findingEntry } from "./books.ts";
import type { HostPolicy } from "./config.ts";
import { sourceOf } from "./move.ts";
import { isAbsent } from "./is-absent.ts";
import { OrphanSearch, type SearchTools, type Sought, type Standing } from "./orphan-search.ts";
import type { Releaser } from "./release.ts";

/** An upload that is being completed puts its statement just before. */
const SETTLING_MS = 60_000;
/** How long a statement lies there without its object before it is removed. */
const KEPT_MS = 30 * 24 * 3_600_000;
/** Waiting to be looked at, of all hosts and of one: what a sweep comes upon beyond that, the next one does again. */
const MAX_PENDING = 128;
const MAX_PENDING_PER_HOST = 32;
const MAX_AT_ONCE = 16;
const MAX_REMEMBERED = 1000;
const AGAIN = { baseMs: 60_000, capMs: 24 * 3_600_000 };

export interface OrphanTools extends SearchTools {
  readonly dropZone: DropZoneSource;
  readonly releaser: Releaser;
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  readonly backlog: Backlog;
  /** How long a statement may lie there without its object before that is recorded. */
  readonly missingAfterMs: () => number;
  /** What is found is settled before the pass ends, since there is no other; else it keeps no sweep waiting. */
  readonly once: boolean;
  readonly timing: Timing;
  /** How far the drop-zone's clock is ahead of this machine's, in ms; default: not at all. */
  readonly dropZoneClockMs?: () => number;
  readonly log: Log;
}

interface Orphan extends Sought {
  readonly version: StoredVersion;
  readonly signed: SignedStatement;
  readonly hostKey: string;
}

interface Waiting {
  readonly reason: Code;
  /** By this process: the books forget in the course of time. */
  readonly reported: boolean;
  readonly failures: number;
  readonly sinceMs: number;
  readonly waitMs: number;
}

interface Pending {
  readonly version: StoredVersion;
  /** To be removed also where it is only seconds old. */
  readonly all: boolean;
}

export class Orphans {
  readonly #tools: OrphanTools;
  readonly #search: OrphanSearch;
  readonly #waiting = new Map<VersionId, Waiting>();
  readonly #pending = new Map<VersionId, Pending>();
  /** Never rejects. */
  #working: Promise<void> | null = null;
  #failure: { readonly thrown: unknown } | null = null;

  constructor(tools: OrphanTools) {
    this.#tools = tools;
    this.#search = new OrphanSearch(tools);
  }

  /**
   * Sees to it that those are removed whose object the ledger shows as recorded, and counts the rest as held. `all`: also
   * those that are only seconds old, which after a start are a crash's leavings as likely as an upload under way. One that
   * was put after its object was recorded is the latter: its host did not hear of its success, and is about to store it
   * once more.
   * @throws what went wrong since the last call
   */
  async settle(candidates: readonly StoredVersion[], all: boolean, signal: AbortSignal): Promise<void> {
    const { hosts, once } = this.#tools;
    for (const version of candidates) {
      const isDue = (all || this.#isSettled(version)) && !this.#isPutOff(version);
      if (isDue && hosts.has(hostOf(version.key)) && (once || this.#hasRoomFor(version)))
        this.#pending.set(idOf(version), { version, all });
    }
    if (this.#failure === null && this.#pending.size > 0) this.#working ??= this.#work(signal);
    if (once) await this.settled();
    for (const version of candidates) {
      const reason = hosts.has(hostOf(version.key)) ? this.reasonOf(version) : "host-unknown";
      const host = reason === "host-unknown" ? UNKNOWN_HOST : hostOf(version.key);
      if (reason !== null) this.#tools.backlog.refused(version, host, reason);
    }
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure.thrown;
  }

  /** Resolves when nothing is being looked at any more. */
  async settled(): Promise<void> {
    await this.#working;
  }

  async #work(signal: AbortSignal): Promise<void> {
    try {
      while (this.#pending.size > 0) {
        signal.throwIfAborted();
        const some = Array.from(this.#pending.values()).slice(0, MAX_AT_ONCE);
        await this.#settleSome(some, signal);
        for (const { version } of some) this.#pending.delete(idOf(version));
      }
    } catch (thrown) {
      this.#failure = { thrown };
      this.#pending.clear(); // all of it is still there
    } finally {
      this.#working = null;
    }
  }

  async #settleSome(some: readonly Pending[], signal: AbortSignal): Promise<void> {
    const orphans: Orphan[] = [];
    for (const { version } of some) {
      const orphan = await this.#examine(version, signal);
      if (orphan !== null) orphans.push(orphan);
    }
    for (const [orphan, standing] of await this.#search.find(orphans, signal))
      await this.#settleOne(orphan, standing, signal);
  }

  async #settleOne(orphan: Orphan, standing: Standing, signal: AbortSignal): Promise<void> {
    const { version } = orphan;
    if (standing === "not-searched") return this.#wait(version, "statement-orphaned");
    if (standing === "not-recorded") return this.#report(orphan, signal);
    if (orphan.isSettled || orphan.sinceMs <= standing + this.#aheadMs) await this.#remove(version, signal);
  }

  get #aheadMs(): number {
    return this.#tools.dropZoneClockMs?.() ?? 0;
  }

  #isSettled({ lastModified }: StoredVersion): boolean {
    return this.#tools.timing.now() + this.#aheadMs - lastModified.getTime() >= SETTLING_MS;
  }

  #isPutOff(version: StoredVersion): boolean {
    const waiting = this.#waiting.get(idOf(version));
    return waiting !== undefined && !hasPassed(waiting.sinceMs, waiting.waitMs, this.#tools.timing.now());
  }

  #hasRoomFor({ key }: StoredVersion): boolean {
    if (this.#pending.size >= MAX_PENDING) return false;
    let ofHost = 0;
    for (const { version } of this.#pending.values()) if (hostOf(version.key) === hostOf(key)) ofHost++;
    return ofHost < MAX_PENDING_PER_HOST;
  }

  /** Why it is held; null: it is not, or it was not looked at yet. */
  reasonOf(version: StoredVersion): Code | null {
    const waiting = this.#waiting.get(idOf(version));
    if (waiting !== undefined) return waiting.reason;
    // more than are remembered: all of them are looked at in the course of time
    return this.#waiting.size >= MAX_REMEMBERED ? "statement-orphaned" : null;
  }

  /** null where the object is there after all, or where this is no statement of this host's. */
  async #examine(version: StoredVersion, signal: AbortSignal): Promise<Orphan | null> {
    const { dropZone, hosts } = this.#tools;
    const objectKey = objectOfStatement(version.key);
    if (objectKey === null) return null;
    if (!(await isAbsent(objectKey, dropZone, signal))) {
      this.#waiting.delete(idOf(version));
      return null;
    }
    const { signed, error } = await readStatement(version, dropZone, signal);
    if (signed === null) {
      this.#wait(version, error?.code ?? "statement-invalid");
      return null;
    }
    const claimed = { bucket: dropZone.bucket, key: objectKey, sizeBytes: signed.statement.size };
    const { statement } = signed;
    const sinceMs = version.lastModified.getTime();
    const sought = { objectKey, statement, digest: statementDigest(statement), sinceMs };
    try {
      const keys = hosts.get(hostOf(objectKey))?.publicKeys ?? [];
      const signer = verifyStatement(signed, claimed, keys, version.lastModified);
      return { ...sought, version, signed, hostKey: signer.id, isSettled: this.#isSettled(version) };
    } catch (thrown) {
      if (!isAirlockError(thrown)) throw thrown;
      this.#wait(version, thrown.code);
      return null;
    }
  }

  /** Its number is accounted for by the statement alone; the object may still come. */
  async #report({ version, signed, hostKey }: Orphan, signal: AbortSignal): Promise<void> {
    const { ledger, timing, dropZone } = this.#tools;
    const missingAfterMs = this.#tools.missingAfterMs();
    const { statement, signature } = signed;
    const ageMs = timing.now() - version.lastModified.getTime();
    const wasReported = this.#waiting.get(idOf(version))?.reported === true;
    this.#wait(version, "statement-orphaned", ageMs >= missingAfterMs);
    if (ageMs < missingAfterMs) return;
    const standing = wasReported ? "no-object" : ledger.books.chain.standingOf(statement);
    const { epoch, seq } = statement;
    const claim = { statement, signature, hostKey };
    if (standing !== "no-object" && standing !== "object") {
      const finding = {
        code: "object-missing",
        epoch,
        seq,
        detail: "only its statement lies in the drop-zone",
      } as const;
      await ledger.append(findingEntry([finding], timing.now(), claim));
    }
    if (ageMs < KEPT_MS) return;
    const finding = { code: "statement-removed", epoch, seq, detail: "its object never came" } as const;
    const source = sourceOf(version, dropZone.bucket, new Map());
    await ledger.append(findingEntry([finding], timing.now(), { ...claim, source }));
    await this.#remove(version, signal);
  }

  async #remove(version: StoredVersion, signal: AbortSignal): Promise<void> {
    await this.#tools.releaser.release([version], signal);
    this.#waiting.delete(idOf(version));
    this.#tools.log.info("statement-removed", { key: version.key, versionId: version.versionId });
  }

  #wait(version: StoredVersion, reason: Code, isReported = false): void {
    const { timing } = this.#tools;
    const missingAfterMs = this.#tools.missingAfterMs();
    const before = this.#waiting.get(idOf(version));
    const failures = (before?.failures ?? 0) + 1;
    const reported = isReported || before?.reported === true;
    const nowMs = timing.now();
    const againMs = nowMs + AGAIN.baseMs / 2 + backoffMs(failures, AGAIN, timing.random);
    // what is to be reported, or removed, is not put off beyond its time
    const turns = [missingAfterMs, KEPT_MS].map((afterMs) => version.lastModified.getTime() + afterMs);
    const waitMs = Math.min(againMs, ...turns.filter((turnMs) => turnMs > nowMs)) - nowMs;
    this.#waiting.delete(idOf(version));
    this.#waiting.set(idOf(version), { reason, reported, failures, sinceMs: nowMs, waitMs });
    for (const oldest of this.#waiting.keys()) {
      if (this.#waiting.size <= MAX_REMEMBERED) break;
      this.#waiting.delete(oldest);
    }
  }
}
