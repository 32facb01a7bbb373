import type { Io } from "../shared/cli.ts";
import { formatBytes, formatDuration } from "../shared/config/units.ts";
import { printable } from "../shared/printable.ts";
import { formatTable } from "../shared/table.ts";
import { readMoverConfig } from "./config.ts";
import { readStatus, type Status } from "./status.ts";
import { watchStatus } from "./watch-status.ts";

export interface StatusOptions {
  readonly holds?: true;
  readonly watch?: true;
}

const WIDTH = 80;
/** A daemon writes its status about once a second. */
const STALE_MS = 60_000;

export async function runStatus(io: Io, options: StatusOptions): Promise<void> {
  const config = await readMoverConfig(io.configFile);
  const format = options.holds === true ? formatHeld : formatStatus;
  if (options.watch === true) return watchStatus(io, config.state, format);
  const status = await readStatus(config.state);
  io.print(status, () => format(status, Date.now(), WIDTH));
}

/** The page that a person sees. */
function formatStatus(status: Status, nowMs: number, width: number): string {
  const { ledger, exposureMs, lastError } = status;
  const ageMs = Math.max(0, nowMs - Date.parse(status.updatedAt));
  const lines = [
    `mover     ${status.mover}, process ${status.pid}, started ${status.startedAt}`,
    `updated   ${status.updatedAt}${ageMs > STALE_MS ? `, ${formatDuration(ageMs)} ago: the daemon is not running` : ""}`,
    `ledger    segment ${ledger.segment}, ${ledger.index} entries`,
    `moved     ${status.objects} objects, ${formatBytes(status.bytes)} since the start; ${status.underWay} under way`,
    `exposure  ${exposureMs === null ? "nothing moved yet" : `p50 ${formatDuration(exposureMs.p50)}, p99 ${formatDuration(exposureMs.p99)}, max ${formatDuration(exposureMs.max)}`}`,
    `backlog   ${describeBacklog(status)}`,
    ...(lastError === null ? [] : [`error     ${lastError.at} ${lastError.code}: ${printable(lastError.message)}`]),
    "",
  ];
  const hosts = formatTable(
    [
      { header: "HOST", shrinkTo: 12 },
      { header: "OBJECTS", align: "right" },
      { header: "BYTES", align: "right" },
      { header: "LAST ARCHIVED" },
      { header: "HELD", shrinkTo: 20 },
    ],
    rowsOf(status),
    width,
  );
  const sets = status.freshness.length === 0 ? "" : `\n${formatFreshness(status, width)}`;
  return lines.map((line) => `${line}\n`).join("") + hosts + sets;
}

/** Which host's backups stopped, and when the last one came. */
function formatFreshness({ freshness }: Status, width: number): string {
  const rows = freshness.map(({ host, set, everyMs, lastAt, overdue }) => {
    return [host, set, formatDuration(everyMs), lastAt ?? "never", overdue ? "OVERDUE" : "ok"];
  });
  const columns = [
    { header: "HOST", shrinkTo: 12 },
    { header: "SET", shrinkTo: 12 },
  ];
  return formatTable([...columns, { header: "EVERY" }, { header: "LAST BACKUP" }, { header: "STATE" }], rows, width);
}

/** Why the drop-zone is not empty, beside what is under way and what is held. */
function describeBacklog({ backlog: { waiting, toRetry, wholeSeen }, lastSweepAt }: Status): string {
  if (lastSweepAt === null) return "not known yet";
  const more = wholeSeen ? "" : "; and there is more than one sweep shows";
  return `${waiting} waiting, ${toRetry} to be tried again${more}`;
}

function rowsOf(status: Status): string[][] {
  const holds = new Map(Object.entries(status.holds));
  const heldOf = (host: string): string =>
    Object.entries(holds.get(host) ?? {})
      .map(([reason, count]) => `${reason} ${count}`)
      .join(", ") || "-";
  const known = status.hosts.map((host) => [
    host.host,
    String(host.objects),
    formatBytes(host.bytes),
    host.lastArchivedAt ?? "-",
    heldOf(host.host),
  ]);
  const names = new Set(status.hosts.map(({ host }) => host));
  const others = [...holds.keys()].filter((host) => !names.has(host));
  return [...known, ...others.map((host) => [host, "-", "-", "-", heldOf(host)])];
}

function formatHeld({ held }: Status): string {
  if (held.length === 0) return "nothing is held";
  const rows = held.flatMap(({ host, reason, objects }) => objects.map((object) => [host, reason, object]));
  return formatTable([{ header: "HOST" }, { header: "REASON" }, { header: "OBJECT@VERSION" }], rows, Infinity);
}
