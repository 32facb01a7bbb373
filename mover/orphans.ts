/**
 * Statements whose object is not there. Most belong to an object that was released just before a crash, and go once the
 * ledger shows that; some belong to an upload that is about to be completed; the rest wait, for their object may come.
 */
import { parseSegment } from "../shared/ledger.ts";
import type { Log } from "../shared/log.ts";
import { objectOfStatement } from "../shared/names.ts";
import { backoffMs, type Timing } from "../shared/retry.ts";
import { statementDigest } from "../shared/statement.ts";
import type { DropZoneSource, LedgerStore, StoredVersion } from "../shared/stores.ts";
import { readStatement } from "./admit.ts";
import { idOf, type VersionId } from "./backlog.ts";
import type { Releaser } from "./release.ts";

/** An upload that is being completed puts its statement just before. */
const SETTLING_MS = 60_000;
/** How far the vault box's clock may be from the drop-zone's. */
const CLOCK_MARGIN_MS = 24 * 3_600_000;
const MAX_AT_ONCE = 100;
const MAX_PAGES = 10;
const MAX_REMEMBERED = 1000;
const AGAIN = { baseMs: 60_000, capMs: 24 * 3_600_000 };

export interface OrphanTools {
  readonly mover: string;
  readonly dropZone: DropZoneSource;
  readonly releaser: Releaser;
  readonly ledger: Pick<LedgerStore, "readSegment">;
  /** Number of the newest segment; 0 before the first. */
  readonly headSegment: () => number;
  readonly timing: Timing;
  readonly log: Log;
}

interface Orphan {
  readonly version: StoredVersion;
  readonly objectKey: string;
  readonly digest: string;
}

export class Orphans {
  readonly #tools: OrphanTools;
  readonly #unmatched = new Map<VersionId, { readonly failures: number; readonly notBeforeMs: number }>();

  constructor(tools: OrphanTools) {
    this.#tools = tools;
  }

  /**
   * Removes those whose object the ledger shows as recorded. `all`: also those that are only seconds old, which after
   * a start are a crash's leavings as likely as an upload under way.
   */
  async settle(candidates: readonly StoredVersion[], all: boolean, signal: AbortSignal): Promise<void> {
    const nowMs = this.#tools.timing.now();
    const due = candidates
      .filter((version) => all || nowMs - version.lastModified.getTime() >= SETTLING_MS)
      .filter((version) => nowMs >= (this.#unmatched.get(idOf(version))?.notBeforeMs ?? 0))
      .slice(0, MAX_AT_ONCE);
    const orphans: Orphan[] = [];
    for (const version of due) {
      const orphan = await this.#examine(version, signal);
      if (orphan !== null) orphans.push(orphan);
    }
    if (orphans.length === 0) return;
    const recorded = await this.#findRecorded(orphans, signal);
    for (const orphan of orphans) {
      if (!recorded.has(matchOf(orphan.objectKey, orphan.digest))) {
        this.#remember(orphan.version);
        continue;
      }
      await this.#tools.releaser.release([orphan.version], signal);
      this.#unmatched.delete(idOf(orphan.version));
      this.#tools.log.info("statement-removed", { key: orphan.version.key, versionId: orphan.version.versionId });
    }
  }

  /** null where the object is there after all, or where this is no statement that can be matched. */
  async #examine(version: StoredVersion, signal: AbortSignal): Promise<Orphan | null> {
    const objectKey = objectOfStatement(version.key);
    if (objectKey === null) return null;
    if (!(await this.#isAbsent(objectKey, signal))) return null;
    const { signed } = await readStatement(version, this.#tools.dropZone, signal);
    if (signed === null) {
      this.#remember(version);
      return null;
    }
    return { version, objectKey, digest: statementDigest(signed.statement) };
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

  #remember(version: StoredVersion): void {
    const failures = (this.#unmatched.get(idOf(version))?.failures ?? 0) + 1;
    const notBeforeMs =
      this.#tools.timing.now() + AGAIN.baseMs / 2 + backoffMs(failures, AGAIN, this.#tools.timing.random);
    this.#unmatched.delete(idOf(version));
    this.#unmatched.set(idOf(version), { failures, notBeforeMs });
    for (const oldest of this.#unmatched.keys()) {
      if (this.#unmatched.size <= MAX_REMEMBERED) break;
      this.#unmatched.delete(oldest);
    }
  }

  /** Reads the ledger backwards as far as these could have been recorded. */
  async #findRecorded(orphans: readonly Orphan[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { ledger, mover, headSegment } = this.#tools;
    const wanted = new Set(orphans.map(({ objectKey, digest }) => matchOf(objectKey, digest)));
    const found = new Set<string>();
    const sinceMs = Math.min(...orphans.map(({ version }) => version.lastModified.getTime())) - CLOCK_MARGIN_MS;
    for (let number = headSegment(); number > 0 && found.size < wanted.size; number--) {
      const segment = parseSegment(await ledger.readSegment(number, signal), mover, number);
      if (Date.parse(segment.header.writtenAt) < sinceMs) break;
      for (const { source, vault, statement } of segment.entries) {
        if (source === null || vault === null || statement === null) continue;
        const match = matchOf(source.key, statementDigest(statement));
        if (wanted.has(match)) found.add(match);
      }
    }
    return found;
  }
}

function matchOf(objectKey: string, digest: string): string {
  return `${digest} ${objectKey}`;
}
