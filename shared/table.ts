import { printable, shorten, widthOf } from "./printable.ts";

export interface Column {
  readonly header: string;
  readonly align?: "left" | "right";
  /** Gives up width when the table is too wide; at least this many columns are left of it. */
  readonly shrinkTo?: number;
}

const GAP = "  ";

/**
 * An aligned table, a line per row, each ended by a newline. Cells are made {@link printable}: they hold what hosts and
 * stores say. Wider than `width` only when no column may shrink any more.
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], width = 80): string {
  const lines = [columns.map(({ header }) => header), ...rows].map((row) =>
    columns.map((_, index) => printable(row[index] ?? "")),
  );
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => widthOf(line[index] ?? ""))));
  shrinkToFit(widths, columns, width);
  return lines.map((line) => `${formatLine(line, columns, widths)}\n`).join("");
}

/** Takes from the widest that may shrink, until all fit or none may. */
function shrinkToFit(widths: number[], columns: readonly Column[], width: number): void {
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1) - width;
  while (excess > 0) {
    const spare = widths.map((each, index) => each - (columns[index]?.shrinkTo ?? Infinity));
    const most = Math.max(...spare);
    if (most <= 0) return;
    const widest = spare.indexOf(most);
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
}

function formatLine(cells: readonly string[], columns: readonly Column[], widths: readonly number[]): string {
  const padded = cells.map((cell, index) => {
    const text = shorten(cell, widths[index] ?? 0);
    const padding = " ".repeat(Math.max(0, (widths[index] ?? 0) - widthOf(text)));
    return columns[index]?.align === "right" ? padding + text : text + padding;
  });
  return padded.join(GAP).trimEnd();
}
