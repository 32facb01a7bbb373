/**
 * Writes the table of error codes in docs/operations.md anew from `shared/errors.ts`. What a code means is written there
 * by hand, in the last column, and is kept.
 *
 *     node scripts/write-code-table.ts
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CODES } from "../shared/errors.ts";

export const OPERATIONS_PAGE = join(import.meta.dirname, "..", "docs", "operations.md");

const HEADER = ["code", "mover", "level", "exit", "meaning"];

/** The cells of the page's table whose first column has this heading, heading and rule left out. */
export function readTable(page: string, heading: string): string[][] {
  const lines = page.split("\n");
  const first = lines.findIndex((line) => cellsOf(line)[0] === heading);
  if (first === -1) throw new Error(`there is no table with the heading ${heading}`);
  const length = lines.slice(first).findIndex((line) => !line.startsWith("|"));
  return lines.slice(first + 2, length === -1 ? undefined : first + length).map(cellsOf);
}

/** What the table of codes has to be; `meanings` by code. */
export function codeTable(meanings: ReadonlyMap<string, string>): string[][] {
  return Object.entries(CODES).map(([code, { reaction, level, exit }]) => [
    quote(code),
    reaction,
    level,
    String(exit),
    meanings.get(quote(code)) ?? "",
  ]);
}

/** The page with its table of codes in place. */
export function writeCodeTable(page: string): string {
  const rows = codeTable(meaningsOf(page));
  const lines = page.split("\n");
  const first = lines.findIndex((line) => cellsOf(line)[0] === HEADER[0]);
  const table = formatTable([HEADER, ...rows]);
  return [...lines.slice(0, first), ...table, ...lines.slice(first + 2 + readTable(page, "code").length)].join("\n");
}

export function meaningsOf(page: string): ReadonlyMap<string, string> {
  return new Map(readTable(page, "code").map((cells) => [cells[0] ?? "", cells.at(-1) ?? ""]));
}

function cellsOf(line: string): string[] {
  return line.startsWith("|")
    ? line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
    : [];
}

/** As oxfmt aligns it. */
function formatTable([header = [], ...rows]: readonly (readonly string[])[]): string[] {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? "").length)));
  const format = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [format(header), format(widths.map((width) => "-".repeat(width))), ...rows.map(format)];
}

function quote(code: string): string {
  return `\`${code}\``;
}

if (import.meta.main) writeFileSync(OPERATIONS_PAGE, writeCodeTable(readFileSync(OPERATIONS_PAGE, "utf8")));
