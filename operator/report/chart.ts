import type { Buckets } from "./buckets.ts";
import type { ChartOption, Size } from "./draw.ts";
import { formatTick } from "./format.ts";

/** Drawn twice: what is legible on a desk and on paper is not on a phone, and there are no scripts to redraw it. */
export const WIDTHS_PX = { wide: 880, narrow: 340 } as const;
export type Width = keyof typeof WIDTHS_PX;

export interface Chart {
  readonly option: ChartOption;
  readonly size: Size;
}

export const LINE = "var(--line)";
export const FONT_PX = 12;
export const AXIS_LABEL = { color: "var(--ink-2)", fontSize: FONT_PX };
/** A tick's label and the room around it. */
const TICK_PX = 56;

export function timeAxis(buckets: Buckets, plotWidthPx: number): object {
  const count = buckets.starts.length;
  const step = Math.max(1, Math.ceil(count / Math.max(1, Math.floor(plotWidthPx / TICK_PX))));
  return {
    type: "category",
    data: buckets.starts.map((start) => formatTick(buckets, start)),
    // counted from the newest, which is what one looks at
    axisLabel: { ...AXIS_LABEL, interval: (index: number) => (count - 1 - index) % step === 0, hideOverlap: true },
    axisTick: { show: false },
    axisLine: { lineStyle: { color: LINE } },
  };
}
