/** The matrix that a run prints: what was tried against which store, and what came of it. Pure. */
import type { Row } from "./row.ts";

export type Cell =
  | { readonly kind: "as promised" }
  | { readonly kind: "not enforced"; readonly got: string; readonly why: string }
  | { readonly kind: "surprise"; readonly got: string };

export interface Result {
  readonly row: Row;
  /** By the name of the stand. */
  readonly cells: ReadonlyMap<string, Cell>;
}

const SHORT = { "as promised": "ok", "not enforced": "NOT ENFORCED", surprise: "SURPRISE" } as const;

export function formatMatrix(results: readonly Result[], stands: readonly string[]): string {
  const header = ["", "TRIES", "MUST GET", ...stands];
  const rows = results.map(({ row, cells }) => [
    row.attacker,
    row.tries,
    row.gets,
    ...stands.map((name) => {
      const cell = cells.get(name);
      return cell === undefined ? "not run" : SHORT[cell.kind];
    }),
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((cells) => cells[column]?.length ?? 0)));
  const lines = [header, ...rows].map((cells) =>
    cells
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const notes = (kind: "not enforced" | "surprise"): string[] =>
    results.flatMap(({ row, cells }) =>
      Array.from(cells).flatMap(([stand, cell]) => {
        if (cell.kind !== kind) return [];
        const why = cell.kind === "not enforced" ? ` (${cell.why})` : `; promised: ${row.gets}`;
        return [`  ${stand}: ${row.attacker}: ${row.tries}: ${cell.got}${why}`];
      }),
    );
  const [weak, surprises] = [notes("not enforced"), notes("surprise")];
  return [
    ...lines,
    ...(weak.length === 0 ? [] : ["", "what a store does not enforce:", ...weak]),
    ...(surprises.length === 0 ? [] : ["", "surprises:", ...surprises]),
    "",
  ].join("\n");
}

export function countSurprises(results: readonly Result[]): number {
  return results.flatMap(({ cells }) => [...cells.values()]).filter(({ kind }) => kind === "surprise").length;
}
