import { formatDuration } from "../../shared/config/units.ts";
import { DAY_MS } from "./buckets.ts";
import { counted } from "./format.ts";
import type { ReportData } from "./report-data.ts";

/** An alarm that is older than this was seen, one hopes; it stays in the list. */
const RECENT_MS = 7 * DAY_MS;
/** A backup that nobody has restored for so long is a hope. */
const DRILL_MS = 35 * DAY_MS;
/** With no new segment for so long, a mover has stopped, or there was nothing to move. */
const SILENT_MS = 2 * DAY_MS;

export interface Attention {
  readonly level: "bad" | "warn";
  readonly text: string;
}

/** What somebody should look at, worst first. None: all is well. */
export function findAttention(data: ReportData): readonly Attention[] {
  const found = [...ofLedgers(data), ...ofObjects(data), ...ofHosts(data), ...ofDrill(data)];
  return found.toSorted((a, b) => Number(a.level === "warn") - Number(b.level === "warn"));
}

function* ofLedgers({ problems, problemsLeftOut, ledgers, nowMs }: ReportData): Generator<Attention> {
  const count = problems.length + problemsLeftOut;
  if (count > 0) yield { level: "bad", text: `The ledger does not verify: ${counted(count, "problem")}.` };
  for (const { mover, head } of ledgers) {
    if (head === null || nowMs - head.writtenAt.getTime() < SILENT_MS) continue;
    const silent = formatDuration(nowMs - head.writtenAt.getTime());
    yield { level: "warn", text: `Mover ${mover} has recorded nothing for ${silent}.` };
  }
}

function* ofObjects({ totals: { objects, statements } }: ReportData): Generator<Attention> {
  if (objects === 0) yield { level: "warn", text: "The vault holds nothing yet." };
  const invalid = statements.get("invalid") ?? 0;
  if (invalid > 0) yield { level: "bad", text: `${counted(invalid, "object")} with an invalid signature.` };
  const missing = statements.get("missing") ?? 0;
  if (missing > 0)
    yield { level: "bad", text: `${counted(missing, "object")} without the signature that its host gives.` };
  const unknown = statements.get("host-unknown") ?? 0;
  if (unknown > 0) yield { level: "warn", text: `${counted(unknown, "object")} of hosts whose keys are not listed.` };
}

function* ofHosts({ hosts, holds, alarms, nowMs }: ReportData): Generator<Attention> {
  for (const { host, overdueSets } of hosts) {
    if (overdueSets.length > 0)
      yield { level: "bad", text: `Overdue: ${overdueSets.map((set) => `${host}/${set}`).join(", ")}.` };
  }
  const held = holds.reduce((sum, { count }) => sum + count, 0);
  if (held > 0) yield { level: "warn", text: `${counted(held, "object")} held in the drop-zone.` };
  const recent = new Map<string, number>();
  for (const { atMs, code } of alarms.newest) {
    if (nowMs - atMs < RECENT_MS && code !== "overdue") recent.set(code, (recent.get(code) ?? 0) + 1);
  }
  if (recent.size === 0) return;
  const codes = Array.from(recent, ([code, count]) => `${count} ${code}`).join(", ");
  yield { level: "warn", text: `Alarms in the last 7 days: ${codes}.` };
}

function* ofDrill({ drill, nowMs, totals }: ReportData): Generator<Attention> {
  if (drill === null) {
    if (totals.objects > 0) yield { level: "warn", text: "No restore has been tried: run airlock drill." };
    return;
  }
  const ageMs = nowMs - Date.parse(drill.endedAt);
  if (drill.outcome === "failed") yield { level: "bad", text: "The last drill failed." };
  else if (ageMs > DRILL_MS) yield { level: "warn", text: `The last drill was ${formatDuration(ageMs)} ago.` };
}
