/**
 * Charts as SVG for a page, without a browser. Colours are the page's own custom properties, so that one chart serves
 * light, dark and paper. This is the one place that loads the plotting library.
 */
import {
  BarChart,
  LineChart,
  ScatterChart,
  type BarSeriesOption,
  type LineSeriesOption,
  type ScatterSeriesOption,
} from "echarts/charts";
import { GridComponent, TitleComponent, type GridComponentOption, type TitleComponentOption } from "echarts/components";
import { init, use, type ComposeOption } from "echarts/core";
import { LabelLayout } from "echarts/features";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, LineChart, ScatterChart, GridComponent, TitleComponent, LabelLayout, SVGRenderer]);

export type ChartOption = ComposeOption<
  BarSeriesOption | LineSeriesOption | ScatterSeriesOption | GridComponentOption | TitleComponentOption
>;

export interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

const FONT = "system-ui, sans-serif";

/** @returns an `<svg>` element without its outermost attributes' size: it is as wide as its place */
export function drawSvg(option: ChartOption, { widthPx, heightPx }: Size): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: widthPx, height: heightPx });
  try {
    chart.setOption({ animation: false, useUTC: true, textStyle: { fontFamily: FONT }, ...option });
    return strip(chart.renderToSVGString());
  } finally {
    chart.dispose();
  }
}

/** What only a script, or a mouse over the chart, would need; and the background, which is the page's. */
function strip(svg: string): string {
  return svg
    .replaceAll(/<style\s*>[\s\S]*?<\/style>/g, "")
    .replaceAll(/ (?:ecmeta_\w+|class|pointer-events|xmlns(?::\w+)?|version|baseProfile)="[^"]*"/g, "")
    .replaceAll(/<rect width="\d+" height="\d+" x="0" y="0"[^>]*><\/rect>/g, "")
    .replaceAll(/>\s+</g, "><")
    .trim();
}
