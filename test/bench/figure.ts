/** What a benchmark measured: a row of its table, or a line of JSON. */
import { formatTable } from "../../shared/table.ts";

export interface Figure {
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly better: "lower" | "higher";
  /** The same figure of the program that Airlock is held against. */
  readonly peer?: { readonly name: string; readonly value: number };
  /** A worse value than this makes the benchmark fail. */
  readonly limit?: number;
  /** How many runs the value is the median of; default: 1. */
  readonly runs?: number;
}

/** Whether the figure is worse than its limit allows. */
export function exceedsLimit({ value, limit, better }: Figure): boolean {
  if (limit === undefined) return false;
  return better === "lower" ? value > limit : value < limit;
}

/** Above 1: Airlock is better. */
function ratioOf({ value, peer, better }: Figure): number | null {
  if (peer === undefined) return null;
  return better === "lower" ? peer.value / value : value / peer.value;
}

/** One line, without its newline. */
export function formatFigureLine(bench: string, figure: Figure): string {
  const { metric, value, unit, peer, runs = 1 } = figure;
  const ratio = ratioOf(figure);
  return JSON.stringify({
    bench,
    metric,
    value: round(value),
    unit,
    peer: peer?.name ?? null,
    peerValue: peer === undefined ? null : round(peer.value),
    ratio: ratio === null ? null : round(ratio),
    runs,
  });
}

export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { metric, value, unit, peer, limit, runs = 1 } = figure;
    const ratio = ratioOf(figure);
    const bound = limit === undefined ? "-" : `${figure.better === "lower" ? "at most" : "at least"} ${limit}`;
    return [
      metric,
      String(round(value)),
      unit,
      bound,
      peer === undefined ? "-" : `${peer.name} ${round(peer.value)}`,
      ratio === null ? "-" : String(round(ratio)),
      String(runs),
    ];
  });
  const columns = [
    { header: "METRIC" },
    { header: "VALUE", align: "right" },
    { header: "UNIT" },
    { header: "LIMIT" },
    { header: "PEER" },
    { header: "RATIO", align: "right" },
    { header: "RUNS", align: "right" },
  ] as const;
  return formatTable(columns, rows, Infinity);
}

/** Three significant digits, and none fewer than the whole ones. */
function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
