import { formatBytes, formatDuration } from "../shared/config/units.ts";
import { printable } from "../shared/printable.ts";
import { formatTable } from "../shared/table.ts";
import type { LockTotals } from "./check-locks.ts";
import { FINDINGS, type Finding, type FindingCode } from "./findings.ts";
import type { Keeping } from "./retention.ts";
import type { VerifySummary } from "./verify.ts";

/**
 * A table of what there is of each kind; then each on two lines: what it is about is often as long as a line by itself,
 * and must not be cut.
 */
export function formatFindings(
  findings: readonly Finding[],
  counts: ReadonlyMap<FindingCode, number>,
  shownPerCode: number,
): string {
  if (findings.length === 0) return "";
  const columns = [{ header: "FINDING" }, { header: "COUNT", align: "right" }, { header: "MEANS" }] as const;
  const table = formatTable(
    columns,
    Array.from(counts, ([code, count]) => [code, String(count), FINDINGS[code]]),
  );
  const blocks = findings.map(({ code, subject, message, mover, segment }) => {
    const where = mover === null || segment === null ? "" : ` [${mover}, segment ${segment}]`;
    return `${code}: ${printable(message + where)}\n    ${printable(subject)}\n`;
  });
  for (const [code, count] of counts) {
    if (count > shownPerCode) blocks.push(`${code}: and ${count - shownPerCode} more; --json shows all\n`);
  }
  return `${table}\n${blocks.join("")}\n`;
}

export function formatSummary(summary: VerifySummary): string {
  const { movers, objects, bytes, unsigned, epochs, recordedFindings, inFlight, read, expired, keeping } = summary;
  // Digests whole, on lines of their own: they are what is kept elsewhere and compared.
  const blocks = movers.map(({ mover, segments, entries, head }) => {
    const end = head === null ? "" : `  head ${head.segment}  ${head.digest}\n`;
    return `mover ${printable(mover)}: ${segments} segments, ${entries} entries\n${end}`;
  });
  const recorded = [...recordedFindings].map(([code, count]) => `${count} ${code}`).join(", ");
  const lines = [
    `objects recorded   ${objects}, ${formatBytes(bytes)}${unsigned > 0 ? `; ${unsigned} of them unsigned` : ""}`,
    ...(expired.objects > 0 ? [describeExpired(expired, keeping)] : []),
    `bytes read         ${read === null ? "none (--read reads them all)" : `${formatBytes(read.bytes)} of ${read.objects} objects`}`,
    `locks              ${describeLocks(summary.locks, keeping)}`,
    `host epochs        ${epochs}`,
    ...(recorded === "" ? [] : [`movers recorded    ${recorded}`]),
    ...(inFlight > 0 ? [`on their way       ${inFlight}, too young to be recorded`] : []),
  ];
  return `${blocks.join("")}\n${lines.map((line) => `${printable(line)}\n`).join("")}`;
}

function describeExpired({ objects, bytes }: VerifySummary["expired"], { expireAfterMs, source }: Keeping): string {
  const after = formatDuration(expireAfterMs ?? 0);
  return `of these expired   ${objects}, ${formatBytes(bytes)}: gone, and recorded over ${after} ago (${source})`;
}

function describeLocks({ checked, due, unseen }: LockTotals, { retention }: Keeping): string {
  if (retention === "none") return "none: the bucket gives objects no retention, whoever may delete can";
  if (retention === "unknown") return "not known: this key may not see the bucket's";
  if (unseen > 0 && unseen === checked) return "not known: this key may not see those of objects";
  const all = checked < due ? ` of ${due} (--locks checks all)` : "";
  return `${checked} checked${all}; the bucket's default is ${retention.days} d, ${retention.mode}`;
}

export function formatVerdict(findings: number): string {
  return findings === 0 ? "\nno findings\n" : `\n${findings} ${findings === 1 ? "finding" : "findings"}\n`;
}
