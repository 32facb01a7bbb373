import { printable } from "../../shared/printable.ts";
import { HOUR_MS, type Buckets } from "./buckets.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `3 Nov` */
export function formatDay(timeMs: number): string {
  const time = new Date(timeMs);
  return `${time.getUTCDate()} ${MONTHS[time.getUTCMonth()] ?? ""}`;
}

/** `2026-11-03 02:15` */
export function formatMinute(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 16).replace("T", " ");
}

/** `2026-11-03` */
function formatDate(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/** A bucket's beginning, on an axis: a day, or an hour, of which midnight is called by its day. */
export function formatTick({ unit }: Buckets, startMs: number): string {
  const hour = new Date(startMs).getUTCHours();
  if (unit !== "hour" || hour === 0) return formatDay(startMs);
  return `${String(hour).padStart(2, "0")}:00`;
}

/** A bucket in a table. */
export function formatBucket({ unit }: Buckets, startMs: number): string {
  if (unit === "hour") return `${formatMinute(startMs)} to ${formatMinute(startMs + HOUR_MS).slice(11)}`;
  return unit === "week" ? `week from ${formatDate(startMs)}` : formatDate(startMs);
}

export function formatCount(count: number): string {
  return count.toLocaleString("en").replaceAll(",", "\u202F");
}

/** `3 hosts`, `1 host` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** Days as runs: `3 Nov, 7–9 Nov`. */
export function formatRuns(days: readonly number[], dayMs: number): string {
  const runs: [number, number][] = [];
  for (const day of days) {
    const last = runs.at(-1);
    if (last !== undefined && day - last[1] === dayMs) last[1] = day;
    else runs.push([day, day]);
  }
  return runs
    .map(([first, last]) => (first === last ? formatDay(first) : `${formatDay(first)} – ${formatDay(last)}`))
    .join(", ");
}

/** For a chart: at most so many characters, the middle left out, since names differ at either end. */
export function shortenMiddle(name: string, length: number): string {
  const text = printable(name);
  if (text.length <= length) return text;
  const tail = Math.floor((length - 1) / 3);
  return `${text.slice(0, length - 1 - tail)}…${text.slice(text.length - tail)}`;
}
