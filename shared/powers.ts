/** What `check` shows of a key: each power that was tried, whether the key should have it, and what the store said. */
import type { Attempt, Verdict } from "./s3/key-probe.ts";
import { printable } from "./printable.ts";
import { formatTable } from "./table.ts";

/** One row of `check`. */
export interface Finding {
  readonly power: string;
  readonly expected: "allowed" | "denied";
  readonly got: Verdict;
  /** The key can do what it must not. An answer that does not tell is not one. */
  readonly isExcess: boolean;
  readonly detail: string;
}

export function forbid(power: string, { verdict, detail }: Attempt): Finding {
  return { power, expected: "denied", got: verdict, isExcess: verdict === "allowed", detail };
}

export function need(power: string, { verdict, detail }: Attempt): Finding {
  return { power, expected: "allowed", got: verdict, isExcess: false, detail };
}

/** The key can't do what it has to. */
export function isLacking({ expected, got }: Finding): boolean {
  return expected === "allowed" && got === "denied";
}

/** A table, and below it what the store said where that is not as it should be. */
export function formatFindings(findings: readonly Finding[], width: number | undefined): string {
  const columns = [{ header: "" }, { header: "POWER", shrinkTo: 20 }, { header: "EXPECTED" }, { header: "GOT" }];
  const rows = findings.map((finding) => [markOf(finding), finding.power, finding.expected, finding.got]);
  const notes = new Map<string, string[]>();
  for (const finding of findings) {
    if (markOf(finding) === "ok") continue;
    notes.set(finding.detail, [...(notes.get(finding.detail) ?? []), finding.power]);
  }
  const below = Array.from(notes, ([detail, powers]) => `${printable(`${powers.join("; ")}: ${detail}`)}\n`);
  return [formatTable(columns, rows, width), ...(below.length > 0 ? ["\n"] : []), ...below].join("");
}

function markOf(finding: Finding): "ok" | "?" | "LACKS" | "EXCESS" {
  if (finding.isExcess) return "EXCESS";
  if (isLacking(finding)) return "LACKS";
  return finding.got === "unknown" ? "?" : "ok";
}
