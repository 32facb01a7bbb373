/** A kit as whoever holds the paper reads it: by other people's programs, and with nothing else to go by. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./support.ts";

export const READING_PROGRAMS = [
  ["pdftotext", "-v"],
  ["pdftoppm", "-v"],
  ["zbarimg", "--version"],
] as const;

export interface PrintedKit {
  readonly text: string;
  readonly pages: number;
  /** `export …`, for the shell. */
  readonly key: readonly string[];
  readonly identity: string;
  readonly words: readonly string[];
  /** What is to be typed below a heading, line by line. */
  commandsOf(heading: string): readonly string[];
  readonly configuration: string;
  /** What a phone reads off the pages, in no order. */
  readonly codes: readonly string[];
}

const CONFIGURATION = "operator.yaml, with the public keys of movers and hosts";

export async function readPrintedKit(pdf: string): Promise<PrintedKit> {
  const { stdout: text } = await run("pdftotext", ["-layout", pdf, "-"]);
  const lines = text
    .replaceAll("\f", "")
    .split("\n")
    .filter((line) => !/page \d+ of \d+$/.test(line));
  const below = (heading: string): readonly string[] => {
    const start = lines.indexOf(heading);
    assert.notEqual(start, -1, `the kit has no heading ${heading}`);
    const typed: string[] = [];
    for (const line of lines.slice(start + 1)) {
      if (HEADINGS.has(line)) break;
      if (line.startsWith("  ")) typed.push(line);
    }
    const indents = typed.map((line) => line.search(/\S/));
    return typed.map((line) => line.slice(Math.min(...indents)));
  };
  return {
    text,
    pages: text.split("\f").length - 1,
    key: Array.from(text.matchAll(/^ *(export AWS_(?:ACCESS|SECRET)\S+)$/gm), ([, line = ""]) => line),
    identity: /^AGE-SECRET-KEY-\S+$/m.exec(text)?.[0] ?? "",
    words: readWords(text),
    commandsOf: below,
    configuration: `${below(CONFIGURATION).join("\n")}\n`,
    codes: await readCodes(pdf),
  };
}

const HEADINGS = new Set(["Restore with Airlock", "Restore without Airlock", "Where the ledger ended", CONFIGURATION]);

/** Numbered, in columns; behind the mark of a post-quantum identity where there is one. */
function readWords(text: string): readonly string[] {
  const start = text.indexOf("Or as words");
  const part = text.slice(start, text.indexOf("its recipient", start));
  const numbered = Array.from(part.matchAll(/(?<=^| )(\d+) ([a-z]+)(?= |$)/gm), ([, number = "", word = ""]) => ({
    number: Number(number),
    word,
  }));
  const mark = part.includes("`pq`") ? ["pq"] : [];
  return [...mark, ...numbered.toSorted((a, b) => a.number - b.number).map(({ word }) => word)];
}

/** The pages as an office printer would put them on paper, and what a scanner finds there. */
async function readCodes(pdf: string): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), "airlock-pages-"));
  try {
    await run("pdftoppm", ["-r", "300", "-gray", "-png", pdf, join(folder, "page")]);
    const codes: string[] = [];
    for (const page of (await readdir(folder)).toSorted()) {
      const { stdout } = await run("zbarimg", ["--quiet", "--xml", join(folder, page)]).catch(whenNothing);
      codes.push(...Array.from(stdout.matchAll(/<data><!\[CDATA\[([\s\S]*?)\]\]><\/data>/g), ([, data = ""]) => data));
    }
    return codes;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** zbarimg ends with 4 when a page has no code. */
function whenNothing(error: unknown): { readonly stdout: string } {
  if (error instanceof Error && "code" in error && error.code === 4) return { stdout: "" };
  throw error;
}
