import { formatDuration } from "../../shared/config/units.ts";
import { AXIS_LABEL, FONT_PX, LINE, timeAxis, WIDTHS_PX, type Chart, type Width } from "./chart.ts";
import type { Exposure } from "./report-data.ts";

const LEFT_PX = 52;
/** For the lines' names at their ends. */
const RIGHT_PX = 44;

/** On the axis of exposure: what people call round. In ms. */
const ROUND_MS = [
  1,
  10,
  100,
  1000,
  10_000,
  60_000,
  600_000,
  3_600_000,
  6 * 3_600_000,
  86_400_000,
  7 * 86_400_000,
  30 * 86_400_000,
  365 * 86_400_000,
];

/** Exposure over time, on a logarithmic scale: p50, p99 and the largest. Told apart by dashes and marks, not by colour alone. */
export function exposureChart({ buckets, rows }: Exposure, width: Width): Chart {
  const size = { widthPx: WIDTHS_PX[width], heightPx: width === "wide" ? 300 : 260 };
  const plotWidthPx = size.widthPx - LEFT_PX - RIGHT_PX;
  const values = rows.flatMap((row) => (row === null ? [] : [row.p50Ms, row.maxMs]));
  const ticks = roundTicks(Math.min(...values), Math.max(...values));
  const log = (ms: number): number => Math.log10(Math.max(1, ms));
  const logTicks = ticks.map(log);
  const dotted = rows.length <= plotWidthPx / 12;
  const series = SERIES.map(({ name, of, color, dash, symbol, symbolPx, widthPx }) => ({
    type: "line" as const,
    name,
    data: rows.map((row) => (row === null ? null : log(of(row)))),
    connectNulls: false,
    symbol,
    symbolSize: symbolPx,
    // what stands alone has no line to be seen by
    showSymbol: true,
    showAllSymbol: true,
    lineStyle: { color, width: widthPx, type: dash },
    itemStyle: { color, opacity: 1 },
    endLabel: { show: true, formatter: () => name, color, fontSize: FONT_PX, fontWeight: 600 as const, distance: 6 },
    labelLayout: { moveOverlap: "shiftY" as const },
    ...(dotted
      ? {}
      : {
          symbolSize: (_: unknown, { dataIndex }: { dataIndex: number }) => (isAlone(rows, dataIndex) ? symbolPx : 0),
        }),
  }));
  return {
    size,
    option: {
      grid: { left: LEFT_PX, right: RIGHT_PX, top: 12, bottom: 28 },
      xAxis: timeAxis(buckets, plotWidthPx),
      yAxis: {
        type: "value",
        min: logTicks[0] ?? 0,
        max: logTicks.at(-1) ?? 3,
        axisLabel: {
          ...AXIS_LABEL,
          customValues: logTicks,
          formatter: (value: number) => formatDuration(10 ** value).replace(".0s", "s"),
        },
        axisTick: { show: false, customValues: logTicks },
        splitLine: { lineStyle: { color: LINE } },
      },
      series,
    },
  };
}

const SERIES = [
  {
    name: "max",
    of: (row: { maxMs: number }) => row.maxMs,
    color: "var(--series-3)",
    dash: "dotted",
    symbol: "diamond",
    symbolPx: 7,
    widthPx: 1.5,
  },
  {
    name: "p99",
    of: (row: { p99Ms: number }) => row.p99Ms,
    color: "var(--series-2)",
    dash: "dashed",
    symbol: "triangle",
    symbolPx: 7,
    widthPx: 2,
  },
  {
    name: "p50",
    of: (row: { p50Ms: number }) => row.p50Ms,
    color: "var(--series-1)",
    dash: "solid",
    symbol: "circle",
    symbolPx: 6,
    widthPx: 2.5,
  },
] as const;

function isAlone(rows: Exposure["rows"], index: number): boolean {
  return (rows[index - 1] ?? null) === null && (rows[index + 1] ?? null) === null;
}

/** Those around all values, from the one below to the one above. */
function roundTicks(minMs: number, maxMs: number): readonly number[] {
  const below = ROUND_MS.findLast((tick) => tick <= minMs) ?? 1;
  const above = ROUND_MS.find((tick) => tick >= maxMs && tick > below) ?? Math.max(maxMs, 2 * below);
  const ticks = ROUND_MS.filter((tick) => tick >= below && tick <= above);
  return ticks.at(-1) === above ? ticks : [...ticks, above];
}
