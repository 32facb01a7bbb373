import type { LedgerProblem } from "../ledger-reader.ts";
import type { DrillResult } from "../drill-result.ts";
import type { IndexedLedger } from "../ledger-index.ts";
import type { StatementWord } from "../listed-object.ts";
import type { Buckets } from "./buckets.ts";

/** What the page shows, summed up; its size does not grow with the number of objects. Times are epoch ms. */
export interface ReportData {
  readonly vault: string;
  readonly nowMs: number;
  /** The time that is looked at; totals are of all time. */
  readonly sinceMs: number;
  readonly totals: Totals;
  readonly exposure: Exposure;
  readonly hosts: readonly HostFreshness[];
  /** The days of {@link HostFreshness.days}. */
  readonly days: Buckets;
  /** By bytes in the time looked at, most first. */
  readonly sets: readonly SetVolume[];
  /** Beyond those in `sets`. */
  readonly setsLeftOut: { readonly sets: number; readonly objects: number; readonly bytes: number } | null;
  readonly holds: readonly HeldCount[];
  readonly alarms: Alarms;
  readonly ledgers: readonly LedgerHealth[];
  readonly problems: readonly LedgerProblem[];
  readonly problemsLeftOut: number;
  /** The newest; null: there was none yet. */
  readonly drill: DrillResult | null;
}

export interface Totals {
  readonly objects: number;
  readonly bytes: number;
  readonly statements: ReadonlyMap<StatementWord, number>;
  readonly lastMs: number | null;
}

export interface ExposureSummary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Exposure {
  readonly buckets: Buckets;
  /** One for each bucket; null: nothing was moved then. */
  readonly rows: readonly (ExposureSummary | null)[];
  readonly all: ExposureSummary | null;
}

export interface HostFreshness {
  readonly host: string;
  /** Backups that were complete on each day of {@link ReportData.days}; empty: none ever. */
  readonly days: readonly number[];
  /** Days on which the mover found a set overdue, as indexes. */
  readonly overdueDays: ReadonlySet<number>;
  readonly lastMs: number | null;
  /** Sets that are overdue now, as the ledger has it. */
  readonly overdueSets: readonly string[];
}

export interface SetVolume {
  readonly host: string;
  /** null: foreign objects, all of the host's together. */
  readonly set: string | null;
  /** Of all time. */
  readonly objects: number;
  readonly bytes: number;
  readonly recentBytes: number;
  readonly lastMs: number;
  /** Bytes for each of the exposure's buckets; null for sets that no chart shows. */
  readonly bytesPerBucket: readonly number[] | null;
}

export interface HeldCount {
  readonly mover: string;
  readonly host: string;
  readonly reason: string;
  readonly count: number;
  /** Since when there are any without a pause. */
  readonly sinceMs: number;
}

export interface Alarm {
  readonly atMs: number;
  readonly code: string;
  readonly host: string | null;
  readonly set: string | null;
  readonly detail: string | null;
}

export interface Alarms {
  /** In the time that is looked at. */
  readonly byCode: ReadonlyMap<string, number>;
  /** Newest first, of the time that is looked at. */
  readonly newest: readonly Alarm[];
}

export interface LedgerHealth extends IndexedLedger {
  readonly problems: number;
}
