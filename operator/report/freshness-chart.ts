import type { Buckets } from "./buckets.ts";
import { AXIS_LABEL, timeAxis, WIDTHS_PX, type Chart, type Width } from "./chart.ts";
import type { ChartOption } from "./draw.ts";
import { shortenMiddle } from "./format.ts";
import type { HostFreshness } from "./report-data.ts";

/** Days of the calendar: fewer on a phone, the newest. */
const DAYS_SHOWN = { wide: 91, narrow: 28 } as const;
/** Hosts of the calendar; the table has more. */
export const HOSTS_CHARTED = 40;

/** How many backups came: the darker, the more. And what the mover found overdue, by a mark of its own. */
export const LEVELS = [
  { name: "1 backup", min: 1, color: "var(--level-1)" },
  { name: "2 to 9", min: 2, color: "var(--level-2)" },
  { name: "10 or more", min: 10, color: "var(--level-3)" },
] as const;
const NONE = { name: "none", color: "var(--level-0)" };
const CROSS = "path://M0 2L2 0L6 4L10 0L12 2L8 6L12 10L10 12L6 8L2 12L0 10L4 6Z";

/** A row for each host, a column for each day. */
export function freshnessChart(hosts: readonly HostFreshness[], days: Buckets, width: Width): Chart {
  const shown = hosts.slice(0, HOSTS_CHARTED);
  const skipped = Math.max(0, days.starts.length - DAYS_SHOWN[width]);
  const starts = days.starts.slice(skipped);
  const letters = width === "wide" ? 20 : 12;
  const left = Math.min(letters, Math.max(4, ...shown.map(({ host }) => host.length))) * 7.2 + 12;
  const plotWidthPx = WIDTHS_PX[width] - left - 20;
  const columnPx = Math.min(22, plotWidthPx / starts.length);
  const right = 20 + plotWidthPx - columnPx * starts.length;
  const rowPx = Math.max(16, Math.min(22, columnPx + 4));
  const cells = (isCell: (host: HostFreshness, day: number) => boolean): [number, number][] =>
    shown.flatMap((host, row) =>
      starts.flatMap((_, column): [number, number][] => (isCell(host, column + skipped) ? [[column, row]] : [])),
    );
  const squares = (color: string, data: [number, number][], inner = 0): object => ({
    type: "scatter",
    symbol: "rect",
    symbolSize: [columnPx - 2 - inner, rowPx - 3 - inner],
    itemStyle: { color, opacity: 1 },
    data,
  });
  const levelOf = (host: HostFreshness, day: number): number =>
    LEVELS.findLastIndex(({ min }) => (host.days[day] ?? 0) >= min);
  const firstDay = (host: HostFreshness): number => host.days.findIndex((count) => count > 0);
  return {
    size: { widthPx: WIDTHS_PX[width], heightPx: rowPx * Math.max(1, shown.length) + 34 },
    option: {
      grid: { left, right, top: 4, bottom: 30 },
      xAxis: { ...timeAxis({ ...days, starts }, columnPx * starts.length), axisLine: { show: false } },
      yAxis: {
        type: "category",
        inverse: true,
        data: shown.map(({ host }) => shortenMiddle(host, letters)),
        axisLabel: { ...AXIS_LABEL, interval: 0 },
        axisTick: { show: false },
        axisLine: { show: false },
      },
      series: [
        squares(
          NONE.color,
          cells((host, day) => levelOf(host, day) === -1 && firstDay(host) !== -1 && day > firstDay(host)),
          Math.max(1, columnPx * 0.4),
        ),
        ...LEVELS.map(({ color }, level) =>
          squares(
            color,
            cells((host, day) => levelOf(host, day) === level),
          ),
        ),
        {
          type: "scatter",
          symbol: CROSS,
          // larger than a narrow column: it has to be seen
          symbolSize: Math.max(10, Math.min(columnPx, rowPx) - 3),
          itemStyle: { color: "var(--bad)", borderColor: "var(--card)", borderWidth: 1, opacity: 1 },
          data: cells(({ overdueDays }, day) => overdueDays.has(day)),
        },
      ] as ChartOption["series"] & object, // squares are scatter series
    },
  };
}
