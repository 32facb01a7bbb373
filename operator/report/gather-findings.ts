import type { ListedFinding } from "../index-reader.ts";
import type { Buckets } from "./buckets.ts";
import type { Alarm, Alarms } from "./report-data.ts";

const ALARMS_LISTED = 50;

/** Nothing to look at by itself: these follow from what the operator did, or end an alarm. */
const NO_ALARM: ReadonlySet<string> = new Set(["expecting", "recovered", "statement-removed"]);

export interface GatheredFindings {
  readonly alarms: Alarms;
  /** By host: days of the calendar on which a set was found overdue. */
  readonly overdueDays: ReadonlyMap<string, ReadonlySet<number>>;
  /** By host: sets that were found overdue and have not recovered since. */
  readonly overdueSets: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What the movers noticed, in the ledgers' order. */
export function gatherFindings(
  findings: Iterable<ListedFinding>,
  sinceMs: number,
  calendar: Buckets,
): GatheredFindings {
  const byCode = new Map<string, number>();
  let newest: Alarm[] = [];
  const overdueDays = new Map<string, Set<number>>();
  const overdueSets = new Map<string, Set<string>>();
  for (const { at, code, host = null, set = null, detail = null } of findings) {
    const atMs = at.getTime();
    if (code === "overdue" && host !== null) {
      placeOf(overdueDays, host).add(calendar.find(atMs));
      placeOf(overdueSets, host).add(set ?? "");
    }
    if (code === "recovered" && host !== null) overdueSets.get(host)?.delete(set ?? "");
    if (atMs < sinceMs || NO_ALARM.has(code)) continue;
    byCode.set(code, (byCode.get(code) ?? 0) + 1);
    newest.push({ atMs, code, host, set, detail });
    // several movers' ledgers come one after the other
    if (newest.length > ALARMS_LISTED * 2) newest = newestFirst(newest);
  }
  return { alarms: { byCode, newest: newestFirst(newest) }, overdueDays, overdueSets };
}

function newestFirst(alarms: readonly Alarm[]): Alarm[] {
  return alarms.toSorted((a, b) => b.atMs - a.atMs).slice(0, ALARMS_LISTED);
}

function placeOf<T>(places: Map<string, Set<T>>, name: string): Set<T> {
  const place = places.get(name) ?? new Set<T>();
  places.set(name, place);
  return place;
}
