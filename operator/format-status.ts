import { formatBytes, formatDuration } from "../shared/config/units.ts";
import { printable } from "../shared/printable.ts";
import { formatTable, type Column } from "../shared/table.ts";
import type { Freshness, FreshSet, LedgerState } from "./freshness.ts";
import { formatTime } from "./list.ts";
import type { MoverStatus, VaultStatus } from "./status-command.ts";

/** In capitals what needs a look. */
const SET_WORDS: Readonly<Record<Freshness, string>> = {
  fresh: "fresh",
  stale: "STALE",
  never: "NEVER",
  "not-judged": "-",
};
const LEDGER_WORDS: Readonly<Record<LedgerState, string>> = {
  running: "running",
  stopped: "STOPPED",
  silent: "SILENT",
  retired: "retired",
};

const SETS: readonly Column[] = [
  { header: "SET", shrinkTo: 12 },
  { header: "NEWEST (UTC)" },
  { header: "AGE", align: "right" },
  { header: "EXPECTED", align: "right" },
  { header: "SIZE", align: "right" },
  { header: "STATE" },
];
const MOVERS: readonly Column[] = [
  { header: "MOVER", shrinkTo: 12 },
  { header: "SEGMENT", align: "right" },
  { header: "ENTRIES", align: "right" },
  { header: "LAST WRITTEN (UTC)" },
  { header: "AGE", align: "right" },
  { header: "STATE" },
];

/** At most `width` columns wide. */
export function formatStatus(status: VaultStatus, width: number): string {
  const { now, sets, movers, stale, problems, staleAfterMs } = status;
  const age = (at: Date | undefined): string => (at === undefined ? "-" : formatDuration(now.getTime() - at.getTime()));
  const setTable = formatTable(
    SETS,
    sets.map(({ host, set, newest, everyMs, state }) => [
      nameOf({ host, set }),
      newest === null ? "-" : formatTime(newest.completedAt),
      age(newest?.completedAt),
      everyMs === null ? "-" : formatDuration(everyMs),
      newest === null ? "-" : formatBytes(newest.sizeBytes),
      SET_WORDS[state],
    ]),
    width,
  );
  const moverTable = formatTable(
    MOVERS,
    movers.map(({ mover, head, entries, storedAt, state }) => [
      mover,
      head === null ? "-" : String(head.segment),
      String(entries),
      storedAt === null ? "-" : formatTime(storedAt),
      age(storedAt ?? undefined),
      LEDGER_WORDS[state],
    ]),
    width,
  );
  const held = movers.flatMap(formatHeld);
  const damage =
    problems.length === 0 ? "" : `; ${problems.length} ${problems.length === 1 ? "problem" : "problems"} in ledgers`;
  const verdict =
    stale === 0
      ? `\nall as expected; a ledger may be silent for ${formatDuration(staleAfterMs)}${damage}\n`
      : `\n${stale} not as expected${damage}\n`;
  return [
    sets.length === 0 ? "the vault holds nothing yet\n" : setTable,
    `\n${moverTable}`,
    held.length === 0 ? "" : `\n${held.join("")}`,
    verdict,
  ].join("");
}

function nameOf({ host, set }: Pick<FreshSet, "host" | "set">): string {
  if (set === null) return `${host} (any set)`;
  return set.startsWith(`${host}/`) || set === host ? `${set} (foreign)` : `${host}/${set}`;
}

function formatHeld({ mover, holds }: MoverStatus): string[] {
  return Object.entries(holds).map(([host, reasons]) => {
    const counts = Object.entries(reasons).map(([reason, count]) => `${count} ${reason}`);
    return `held by ${printable(mover)}: ${printable(host)}, ${printable(counts.join(", "))}\n`;
  });
}
