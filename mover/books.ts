/**
 * What the ledger adds up to: a fold over its entries, the same at start-up (what was written) and while running (what
 * is about to be). Nothing else changes these sums, so whatever they tell survives every restart.
 */
import { z } from "zod";
import type { Disposition, Entry, EntryFinding, Holds, NewEntry } from "../shared/ledger.ts";
import { parseDropZoneName } from "../shared/names.ts";
import { hostOf } from "./admit.ts";
import { Anomalies, anomalySchema } from "./anomaly.ts";
import { Chain, chainSchema } from "./chain.ts";
import type { HostPolicy } from "./config.ts";
import { isMoverFinding, type Finding } from "./findings.ts";
import { Freshness, freshnessSchema } from "./freshness.ts";
import { QuotaBook, quotaSchema } from "./quota.ts";
import { RecentStatements } from "./recent-statements.ts";

/** What a checkpoint holds. */
export const booksSchema = z.strictObject({
  quota: quotaSchema,
  chain: chainSchema,
  freshness: freshnessSchema,
  anomalies: anomalySchema,
  holds: z.record(z.string(), z.record(z.string(), z.int().min(1))),
});
export type BooksState = z.infer<typeof booksSchema>;

/** With these something new lies in the vault, and was let in. */
const MOVED: ReadonlySet<Disposition> = new Set(["archived", "already-archived", "duplicate", "released-by-operator"]);
/** In one entry, whose line is bounded. */
const MAX_FINDINGS = 100;

export interface DueOptions {
  /** Holes of that host that opened later are not reported yet, epoch ms. */
  readonly holesBeforeMs: (host: string) => number;
  /** Whether what is overdue may just be on its way. */
  readonly isArriving: (host: string) => boolean;
}

export class Books {
  readonly quota = new QuotaBook();
  readonly chain = new Chain();
  readonly freshness: Freshness;
  readonly #anomalies = new Anomalies();
  readonly recentStatements = new RecentStatements();
  /** What the ledger says last of what is held. */
  holds: Holds = {};

  constructor(hosts: ReadonlyMap<string, HostPolicy>) {
    this.freshness = new Freshness(hosts);
  }

  /**
   * Enters one entry. Returns it as it is to be written: with what it shows about its host, and as a duplicate where
   * its statement's object was recorded before. An entry that was read from the ledger comes back as it was.
   */
  fold(entry: NewEntry | Entry): NewEntry {
    const atMs = Date.parse(entry.at);
    for (const finding of entry.findings) this.#settle(finding, atMs);
    const { statement, signature, source, disposition } = entry;
    const isMoved = source !== null && MOVED.has(disposition);
    if (isMoved && statement !== null && signature !== null) this.recentStatements.add({ statement, signature });
    const completedAtMs = atMs - (entry.exposureMs ?? 0);
    // what was discarded stands for its number, and is new if it comes again
    const seen = statement === null ? null : this.chain.see({ statement, atMs, completedAtMs, withObject: isMoved });
    const findings: Finding[] = [...(seen?.findings ?? [])];
    const isDuplicate = seen?.isDuplicate === true && disposition === "archived";
    if (isMoved) {
      const host = statement?.host ?? hostOf(source.key);
      const set = statement?.set ?? parseDropZoneName(source.key)?.set ?? null;
      const object = { host, set, sizeBytes: source.size };
      // what was recorded before and could not be released then is one object
      if (!(disposition === "already-archived" && seen?.isDuplicate === true)) {
        this.quota.record(entryId(source), object, atMs);
      } else this.quota.giveBack(entryId(source));
      if (set !== null && seen?.isRepeat !== true) {
        findings.push(...this.freshness.arrived({ ...object, atMs, completedAtMs, isSigned: statement !== null }));
        findings.push(...this.#anomalies.see({ ...object, set, encoding: statement?.encoding ?? null }));
      }
    }
    return {
      ...entry,
      disposition: isDuplicate ? "duplicate" : disposition,
      findings: [...entry.findings, ...findings.map(toEntryFinding)],
    };
  }

  /** What time alone shows, as entries for the ledger: one per host at most. */
  due(nowMs: number, { holesBeforeMs, isArriving }: DueOptions): readonly NewEntry[] {
    const byHost = new Map<string, Finding[]>();
    for (const finding of [...this.freshness.due(nowMs), ...this.chain.unreported(holesBeforeMs, MAX_FINDINGS)]) {
      if (finding.code === "overdue" && isArriving(finding.host)) continue;
      const ofHost = byHost.get(finding.host) ?? [];
      if (ofHost.length < MAX_FINDINGS) byHost.set(finding.host, [...ofHost, finding]);
    }
    return Array.from(byHost.values(), (findings) => findingEntry(findings, nowMs));
  }

  toState(): BooksState {
    return {
      quota: this.quota.toState(),
      chain: this.chain.toState(),
      freshness: this.freshness.toState(),
      anomalies: this.#anomalies.toState(),
      holds: this.holds,
    };
  }

  restore(state: BooksState): void {
    this.quota.restore(state.quota);
    this.chain.restore(state.chain);
    this.freshness.restore(state.freshness);
    this.#anomalies.restore(state.anomalies);
    this.holds = state.holds;
  }

  #settle(finding: EntryFinding, atMs: number): void {
    if (!isMoverFinding(finding.code)) return;
    this.freshness.settle(finding, atMs);
    const { code, host, epoch, seq } = finding;
    if (code !== "missing" || host === undefined || epoch === undefined || seq === undefined) return;
    this.chain.markReported(host, epoch, seq);
  }
}

/** An entry about no object. */
export function findingEntry(findings: readonly Finding[], atMs: number, more: Partial<NewEntry> = {}): NewEntry {
  return {
    at: new Date(atMs).toISOString(),
    source: null,
    vault: null,
    sha256: null,
    statement: null,
    signature: null,
    hostKey: null,
    exposureMs: null,
    exposureFrom: null,
    disposition: "finding",
    findings: findings.map(toEntryFinding),
    ...more,
  };
}

/** What tells one version from every other in a bucket, the same for an entry and for a listing. */
function entryId({ key, versionId, etag }: NonNullable<NewEntry["source"]>): string {
  return `${key}@${versionId ?? etag}`;
}

/** Without what is undefined, which JSON leaves out. */
function toEntryFinding(finding: Finding): EntryFinding {
  return { ...finding };
}
