import type { DrillResult } from "../drill-result.ts";
import type { ListedSet, ObjectFilter } from "../index-reader.ts";
import type { LedgerIndex } from "../ledger-index.ts";
import type { ListedObject, StatementWord } from "../listed-object.ts";
import { createBuckets, createDays, DAY_MS, type Buckets } from "./buckets.ts";
import { gatherFindings } from "./gather-findings.ts";
import { createHistogram, type Histogram } from "./histogram.ts";
import type {
  Exposure,
  ExposureSummary,
  HeldCount,
  HostFreshness,
  ReportData,
  SetVolume,
  Totals,
} from "./report-data.ts";

/** Sets that get a chart, and those that the table has a line for. */
const SETS_CHARTED = 8;
const SETS_LISTED = 200;
const PROBLEMS_LISTED = 50;
/** The calendar has a column for each day: at least and at most so many. */
const MIN_DAYS = 28;
const MAX_DAYS = 91;
/** What hosts upload to prove what their keys can do is no backup. */
const CHECK_SET = "check";

export type ReportSource = Pick<LedgerIndex, "ledgers" | "problems" | "sets" | "objects" | "findings" | "holds">;

export interface GatherOptions {
  readonly vault: string;
  /** Those that are configured: they are shown even if nothing ever came. */
  readonly hosts: Iterable<string>;
  readonly nowMs: number;
  /** Looks back so far. */
  readonly days: number;
  readonly drill: DrillResult | null;
}

/** Sums up what the ledgers say. What it keeps depends on hosts, sets and days, never on the number of objects. */
export function gatherReport(source: ReportSource, { vault, hosts, nowMs, days, drill }: GatherOptions): ReportData {
  const windowMs = nowMs - days * DAY_MS;
  const filter: ObjectFilter = { selector: null, since: new Date(windowMs), until: null };
  const sets = mergeSets(source.sets(), source.sets(filter));
  const firstMs = Math.min(nowMs, ...[...sets.values()].map((set) => set.firstMs));
  const sinceMs = Math.max(windowMs, firstMs);
  const calendar = createDays(clamp(sinceMs, nowMs - (MAX_DAYS - 1) * DAY_MS, nowMs - (MIN_DAYS - 1) * DAY_MS), nowMs);
  const fold = createFold(createBuckets(sinceMs, nowMs), calendar);

  const listed = [...sets.values()].toSorted((a, b) => b.recentBytes - a.recentBytes || b.bytes - a.bytes);
  const volumes = listed.map((set, rank): SetVolume => {
    const bytesPerBucket = rank < SETS_CHARTED && set.recentBytes > 0 ? fold.emptyRow() : null;
    for (const id of set.ids) {
      for (const object of source.objects({ id }, filter)) fold.enter(object, bytesPerBucket);
    }
    const { host, set: name, objects, bytes, recentBytes, lastMs } = set;
    return { host, set: name, objects, bytes, recentBytes, lastMs, bytesPerBucket };
  });
  const found = gatherFindings(source.findings(), windowMs, calendar);
  const { problems } = source;
  return {
    vault,
    nowMs,
    sinceMs,
    totals: sumUp(source.sets()),
    exposure: fold.exposure(),
    days: calendar,
    hosts: freshnessOf(hosts, volumes, fold.days, found),
    sets: volumes.slice(0, SETS_LISTED),
    setsLeftOut: leftOut(volumes.slice(SETS_LISTED)),
    holds: gatherHolds(source.holds()),
    alarms: found.alarms,
    ledgers: source.ledgers.map((ledger) => ({
      ...ledger,
      problems: problems.filter(({ mover }) => mover === ledger.mover).length,
    })),
    problems: problems.slice(0, PROBLEMS_LISTED),
    problemsLeftOut: Math.max(0, problems.length - PROBLEMS_LISTED),
    drill,
  };
}

interface MergedSet {
  readonly ids: number[];
  readonly host: string;
  readonly set: string | null;
  objects: number;
  bytes: number;
  recentBytes: number;
  firstMs: number;
  lastMs: number;
}

/** A host's foreign objects are one set here: their folders are the host's to make as many of as it likes. */
function mergeSets(all: readonly ListedSet[], recent: readonly ListedSet[]): ReadonlyMap<string, MergedSet> {
  const recentBytes = new Map(recent.map(({ id, bytes }) => [id, bytes]));
  const merged = new Map<string, MergedSet>();
  for (const { id, host, set, objects, bytes, firstAt, lastAt } of all) {
    const name = `${host}/${set ?? ""}`;
    const into = merged.get(name) ?? {
      ids: [],
      host,
      set,
      objects: 0,
      bytes: 0,
      recentBytes: 0,
      firstMs: Infinity,
      lastMs: 0,
    };
    merged.set(name, into);
    into.ids.push(id);
    into.objects += objects;
    into.bytes += bytes;
    into.recentBytes += recentBytes.get(id) ?? 0;
    into.firstMs = Math.min(into.firstMs, firstAt.getTime());
    into.lastMs = Math.max(into.lastMs, lastAt.getTime());
  }
  return merged;
}

interface Fold {
  emptyRow(): number[];
  enter(object: ListedObject, bytesPerBucket: number[] | null): void;
  exposure(): Exposure;
  /** By host: backups that were complete on each day. */
  readonly days: ReadonlyMap<string, readonly number[]>;
}

function createFold(buckets: Buckets, calendar: Buckets): Fold {
  const exposures = new Map<number, Histogram>();
  const all = createHistogram();
  const days = new Map<string, number[]>();
  return {
    days,
    emptyRow: () => buckets.starts.map(() => 0),
    enter: ({ host, set, at, exposureMs, sizeBytes }, bytesPerBucket) => {
      const bucket = buckets.find(at.getTime());
      if (bytesPerBucket?.[bucket] !== undefined) bytesPerBucket[bucket] += sizeBytes;
      if (exposureMs !== null && bucket !== -1) {
        const histogram = exposures.get(bucket) ?? createHistogram();
        exposures.set(bucket, histogram);
        histogram.add(exposureMs);
        all.add(exposureMs);
      }
      if (set === CHECK_SET) return;
      const row = days.get(host) ?? calendar.starts.map(() => 0);
      days.set(host, row);
      // what was held for long does not make the day fresh on which it was let in
      const day = calendar.find(at.getTime() - (exposureMs ?? 0));
      if (row[day] !== undefined) row[day] += 1;
    },
    exposure: () => ({
      buckets,
      rows: buckets.starts.map((_, bucket) => summarise(exposures.get(bucket))),
      all: summarise(all),
    }),
  };
}

function summarise(histogram: Histogram | undefined): ExposureSummary | null {
  if (histogram === undefined || histogram.count === 0) return null;
  const { count, max } = histogram;
  return { count, p50Ms: histogram.percentile(0.5), p99Ms: histogram.percentile(0.99), maxMs: max };
}

/** What is overdue comes first, then by name. */
function freshnessOf(
  configured: Iterable<string>,
  volumes: readonly SetVolume[],
  days: ReadonlyMap<string, readonly number[]>,
  { overdueDays, overdueSets }: Pick<ReturnType<typeof gatherFindings>, "overdueDays" | "overdueSets">,
): readonly HostFreshness[] {
  const lastMs = new Map<string, number>();
  for (const { host, set, lastMs: last } of volumes) {
    if (set !== CHECK_SET) lastMs.set(host, Math.max(lastMs.get(host) ?? 0, last));
  }
  const hosts = new Set([...configured, ...lastMs.keys(), ...overdueSets.keys()]);
  return Array.from(hosts, (host) => ({
    host,
    days: days.get(host) ?? [],
    overdueDays: overdueDays.get(host) ?? new Set<number>(),
    lastMs: lastMs.get(host) ?? null,
    overdueSets: [...(overdueSets.get(host) ?? [])].toSorted(),
  })).toSorted((a, b) => b.overdueSets.length - a.overdueSets.length || (a.host < b.host ? -1 : 1));
}

/** Each mover's last word on what is held, and since when there has been something of it. */
function gatherHolds(changes: ReturnType<ReportSource["holds"]>): readonly HeldCount[] {
  const held = new Map<string, HeldCount>();
  for (const { at, mover, holds } of changes) {
    const now = new Map<string, HeldCount>();
    for (const [host, reasons] of Object.entries(holds)) {
      for (const [reason, count] of Object.entries(reasons)) {
        const name = `${mover} ${host} ${reason}`;
        now.set(name, { mover, host, reason, count, sinceMs: held.get(name)?.sinceMs ?? at.getTime() });
      }
    }
    for (const [name, { mover: of }] of held) if (of === mover) held.delete(name);
    for (const [name, count] of now) held.set(name, count);
  }
  return [...held.values()].toSorted((a, b) => b.count - a.count);
}

function sumUp(sets: readonly ListedSet[]): Totals {
  const statements = new Map<StatementWord, number>();
  for (const set of sets) {
    for (const [word, count] of set.statements) statements.set(word, (statements.get(word) ?? 0) + count);
  }
  return {
    objects: sets.reduce((sum, { objects }) => sum + objects, 0),
    bytes: sets.reduce((sum, { bytes }) => sum + bytes, 0),
    statements,
    lastMs: sets.length === 0 ? null : Math.max(...sets.map(({ lastAt }) => lastAt.getTime())),
  };
}

function leftOut(rest: readonly SetVolume[]): ReportData["setsLeftOut"] {
  if (rest.length === 0) return null;
  const sum = (of: (set: SetVolume) => number): number => rest.reduce((total, set) => total + of(set), 0);
  return { sets: rest.length, objects: sum(({ objects }) => objects), bytes: sum(({ bytes }) => bytes) };
}

function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(max, value));
}
