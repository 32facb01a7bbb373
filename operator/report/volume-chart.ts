import { formatBytes } from "../../shared/config/units.ts";
import type { Buckets } from "./buckets.ts";
import { AXIS_LABEL, FONT_PX, LINE, timeAxis, WIDTHS_PX, type Chart, type Width } from "./chart.ts";
import { shortenMiddle } from "./format.ts";
import type { SetVolume } from "./report-data.ts";

const VOLUME_ROW_PX = 76;

/** One small chart for each set, each with its own scale: what matters is when a set's volume changes. */
export function volumeChart(sets: readonly SetVolume[], buckets: Buckets, width: Width): Chart {
  const shown = sets.filter(({ bytesPerBucket }) => bytesPerBucket !== null);
  const left = 64;
  const right = 20;
  const plotWidthPx = WIDTHS_PX[width] - left - right;
  const last = shown.length - 1;
  const top = (row: number): number => row * VOLUME_ROW_PX + 22;
  const height = VOLUME_ROW_PX - 34;
  return {
    size: { widthPx: WIDTHS_PX[width], heightPx: VOLUME_ROW_PX * Math.max(1, shown.length) + 18 },
    option: {
      title: shown.map((set, row) => ({
        text: nameOf(set, width === "wide" ? 60 : 24),
        left,
        top: row * VOLUME_ROW_PX,
        padding: 0,
        textStyle: { color: "var(--ink)", fontSize: FONT_PX, fontWeight: 600 },
      })),
      grid: shown.map((_, row) => ({ left, right, top: top(row), height })),
      xAxis: shown.map((_, row) => ({
        ...timeAxis(buckets, plotWidthPx),
        gridIndex: row,
        ...(row === last ? {} : { axisLabel: { show: false } }),
      })),
      yAxis: shown.map((set, row) => {
        const max = Math.max(1, ...(set.bytesPerBucket ?? []));
        return {
          gridIndex: row,
          min: 0,
          max,
          axisLabel: {
            ...AXIS_LABEL,
            fontSize: 11,
            customValues: [0, max],
            formatter: (bytes: number) => (bytes === 0 ? "0" : formatBytes(bytes)),
          },
          axisTick: { show: false, customValues: [0, max] },
          splitLine: { lineStyle: { color: LINE } },
        };
      }),
      series: shown.map(({ bytesPerBucket }, row) => ({
        type: "bar" as const,
        xAxisIndex: row,
        yAxisIndex: row,
        data: [...(bytesPerBucket ?? [])],
        barMaxWidth: 22,
        barCategoryGap: "15%",
        itemStyle: { color: "var(--series-1)" },
      })),
    },
  };
}

/** What a set is called on the page. */
export function nameOf({ host, set }: Pick<SetVolume, "host" | "set">, letters = Infinity): string {
  return shortenMiddle(set === null ? `${host} (foreign)` : `${host}/${set}`, letters);
}
