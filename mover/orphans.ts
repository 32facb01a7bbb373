/**
 * Statements whose object is not there. Most belong to an object that was released just before a crash, and go once the
 * ledger shows that; some belong to an upload that is about to be completed. The rest are held: what is junk, and what
 * is signed and whose object did not come, which is recorded, and after 30 days recorded again and removed.
 */
import { isAirlockError, type Code } from "../shared/errors.ts";
import { parseSegment } from "../shared/ledger.ts";
import type { Log } from "../shared/log.ts";
import { objectOfStatement } from "../shared/names.ts";
import { backoffMs, type Timing } from "../shared/retry.ts";
import { statementDigest, verifyStatement, type SignedStatement } from "../shared/statement.ts";
import type { DropZoneSource, LedgerStore, StoredVersion } from "../shared/stores.ts";
import { hostOf, readStatement } from "./admit.ts";
import { idOf, UNKNOWN_HOST, type Backlog, type VersionId } from "./backlog.ts";
import { findingEntry } from "./books.ts";
import type { HostPolicy } from "./config.ts";
import type { LedgerWriter } from "./ledger-writer.ts";
import { sourceOf } from "./move.ts";
import type { Releaser } from "./release.ts";

/** An upload that is being completed puts its statement just before. */
const SETTLING_MS = 60_000;
/** How far the vault box's clock may be from the drop-zone's. */
const CLOCK_MARGIN_MS = 24 * 3_600_000;
/** How long a statement lies there without its object before it is removed. */
const KEPT_MS = 30 * 24 * 3_600_000;
const MAX_AT_ONCE = 100;
const MAX_PAGES = 10;
const MAX_REMEMBERED = 1000;
const AGAIN = { baseMs: 60_000, capMs: 24 * 3_600_000 };

export interface OrphanTools {
  readonly mover: string;
  readonly dropZone: DropZoneSource;
  readonly releaser: Releaser;
  readonly ledger: LedgerWriter;
  readonly ledgerStore: Pick<LedgerStore, "readSegment">;
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  readonly backlog: Backlog;
  /** How long a statement may lie there without its object before that is recorded. */
  readonly missingAfterMs: () => number;
  readonly timing: Timing;
  /** How far the drop-zone's clock is ahead of this machine's, in ms; default: not at all. */
  readonly dropZoneClockMs?: () => number;
  readonly log: Log;
}

interface Orphan {
  readonly version: StoredVersion;
  readonly objectKey: string;
  readonly signed: SignedStatement;
  readonly hostKey: string;
  readonly digest: string;
}

interface Waiting {
  readonly reason: Code;
  /** By this process: the books forget in the course of time. */
  readonly reported: boolean;
  readonly failures: number;
  readonly notBeforeMs: number;
}

export class Orphans {
  readonly #tools: OrphanTools;
  readonly #waiting = new Map<VersionId, Waiting>();

  constructor(tools: OrphanTools) {
    this.#tools = tools;
  }

  /**
   * Removes those whose object the ledger shows as recorded, and counts the rest as held. `all`: also those that are
   * only seconds old, which after a start are a crash's leavings as likely as an upload under way. One that was put after
   * its object was recorded is the latter: its host did not hear of its success, and is about to store it once more.
   */
  async settle(candidates: readonly StoredVersion[], all: boolean, signal: AbortSignal): Promise<void> {
    const aheadMs = this.#tools.dropZoneClockMs?.() ?? 0;
    const nowMs = this.#tools.timing.now();
    const isSettled = (version: StoredVersion): boolean =>
      nowMs + aheadMs - version.lastModified.getTime() >= SETTLING_MS;
    const known = candidates.filter(({ key }) => this.#tools.hosts.has(hostOf(key)));
    const due = known
      .filter((version) => all || isSettled(version))
      .filter((version) => nowMs >= (this.#waiting.get(idOf(version))?.notBeforeMs ?? 0))
      .slice(0, MAX_AT_ONCE);
    const orphans: Orphan[] = [];
    for (const version of due) {
      const orphan = await this.#examine(version, signal);
      if (orphan !== null) orphans.push(orphan);
    }
    const recorded = await this.#findRecorded(orphans, signal);
    for (const orphan of orphans) {
      const recordedMs = recorded.get(matchOf(orphan.objectKey, orphan.digest));
      if (recordedMs === undefined) await this.#report(orphan, signal);
      else if (isSettled(orphan.version) || orphan.version.lastModified.getTime() <= recordedMs + aheadMs)
        await this.#remove(orphan.version, signal);
    }
    for (const version of candidates) {
      const reason = this.#tools.hosts.has(hostOf(version.key)) ? this.reasonOf(version) : "host-unknown";
      const host = reason === "host-unknown" ? UNKNOWN_HOST : hostOf(version.key);
      if (reason !== null) this.#tools.backlog.refused(version, host, reason);
    }
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
    if (!(await this.#isAbsent(objectKey, signal))) {
      this.#waiting.delete(idOf(version));
      return null;
    }
    const { signed, error } = await readStatement(version, dropZone, signal);
    if (signed === null) {
      this.#wait(version, error?.code ?? "statement-invalid");
      return null;
    }
    const claimed = { bucket: dropZone.bucket, key: objectKey, sizeBytes: signed.statement.size };
    const digest = statementDigest(signed.statement);
    try {
      const keys = hosts.get(hostOf(objectKey))?.publicKeys ?? [];
      const signer = verifyStatement(signed, claimed, keys, version.lastModified);
      return { version, objectKey, signed, hostKey: signer.id, digest };
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

  /** Only a listing that went past the key without showing a version of it says so; delete markers say nothing. */
  async #isAbsent(key: string, signal: AbortSignal): Promise<boolean> {
    let cursor: string | null = null;
    for (let page = 0; page < MAX_PAGES; page++) {
      const { versions, deleteMarkers, next } = await this.#tools.dropZone.listPage({
        prefix: key,
        cursor,
        limit: 1000,
        signal,
      });
      if (versions.some((version) => version.key === key)) return false;
      // the shortest key with this prefix sorts first
      if (next === null || versions.length > 0 || deleteMarkers.some((marker) => marker.key !== key)) return true;
      cursor = next;
    }
    return false;
  }

  #wait(version: StoredVersion, reason: Code, reported = false): void {
    const { timing } = this.#tools;
    const missingAfterMs = this.#tools.missingAfterMs();
    const failures = (this.#waiting.get(idOf(version))?.failures ?? 0) + 1;
    const nowMs = timing.now();
    const againMs = nowMs + AGAIN.baseMs / 2 + backoffMs(failures, AGAIN, timing.random);
    // what is to be reported, or removed, is not put off beyond its time
    const turns = [missingAfterMs, KEPT_MS].map((afterMs) => version.lastModified.getTime() + afterMs);
    const notBeforeMs = Math.min(againMs, ...turns.filter((turnMs) => turnMs > nowMs));
    this.#waiting.delete(idOf(version));
    this.#waiting.set(idOf(version), { reason, reported, failures, notBeforeMs });
    for (const oldest of this.#waiting.keys()) {
      if (this.#waiting.size <= MAX_REMEMBERED) break;
      this.#waiting.delete(oldest);
    }
  }

  /** When each was last recorded, epoch ms. Reads the ledger backwards as far as these could have been. */
  async #findRecorded(orphans: readonly Orphan[], signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const { ledger, ledgerStore, mover } = this.#tools;
    // of the rest the books know that they were not
    const possible = orphans.filter(({ signed }) => {
      const standing = ledger.books.chain.standingOf(signed.statement);
      return standing === "object" || standing === "forgotten";
    });
    const wanted = new Set(possible.map(({ objectKey, digest }) => matchOf(objectKey, digest)));
    const found = new Map<string, number>();
    const sinceMs = Math.min(...possible.map(({ version }) => version.lastModified.getTime())) - CLOCK_MARGIN_MS;
    for (let number = ledger.head?.segment ?? 0; number > 0 && found.size < wanted.size; number--) {
      const segment = parseSegment(await ledgerStore.readSegment(number, signal), mover, number);
      if (Date.parse(segment.header.writtenAt) < sinceMs) break;
      for (const { at, source, vault, statement, disposition } of segment.entries) {
        if (source === null || statement === null) continue;
        if (vault === null && disposition !== "discarded-by-operator") continue;
        const match = matchOf(source.key, statementDigest(statement));
        if (wanted.has(match)) found.set(match, Math.max(found.get(match) ?? 0, Date.parse(at)));
      }
    }
    return found;
  }
}

function matchOf(objectKey: string, digest: string): string {
  return `${digest} ${objectKey}`;
}
