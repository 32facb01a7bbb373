/** An audit as a person reads it: one table, and below it what to do. */
import { printable } from "../shared/printable.ts";
import type { Leftover } from "../shared/s3/leftovers.ts";
import { formatTable } from "../shared/table.ts";
import type { Audit, Outcome, Row } from "./audit.ts";

const MARKS = { ok: "ok", excess: "EXCESS", tolerated: "weak", lacking: "LACKS", unknown: "?" } as const;
const OUTCOMES: Readonly<Record<Outcome, string>> = {
  possible: "possible",
  denied: "denied",
  "not-enforced": "not enforced",
  unknown: "unknown",
};

export function formatAudit({ rows, leftovers }: Audit, bucket: string, width: number | undefined): string {
  const columns = [{ header: "" }, { header: "POWER", shrinkTo: 20 }, { header: "SHOULD BE" }, { header: "IS" }];
  const cells = rows.map(({ verdict, power, expected, outcome }) => [
    MARKS[verdict],
    power,
    expected === "allowed" ? "possible" : "denied",
    OUTCOMES[outcome],
  ]);
  return [
    formatTable(columns, cells, width),
    formatCounts(rows),
    ...formatNotes(rows),
    formatLeftovers(leftovers, bucket),
  ].join("");
}

function formatCounts(rows: readonly Row[]): string {
  const counts = Object.entries(OUTCOMES).flatMap(([outcome, text]) => {
    const count = rows.filter((row) => row.outcome === outcome).length;
    return count === 0 ? [] : [`${count} ${text}${outcome === "not-enforced" ? " by the store" : ""}`];
  });
  return `\n${counts.join(", ")}\n`;
}

/** What has the same remedy is told together. */
function formatNotes(rows: readonly Row[]): string[] {
  const notes = Map.groupBy(
    rows.filter(({ verdict }) => verdict !== "ok"),
    ({ verdict, remedy }) => `${MARKS[verdict]}: ${remedy ?? "the store's answer does not tell"}`,
  );
  return Array.from(notes, ([heading, noted]) => {
    const lines = noted.map(({ power, actions, detail }) => {
      const by = actions.length === 0 ? "" : ` (${actions.join(", ")})`;
      return `  ${printable(`${power}${by}: ${detail}`)}\n`;
    });
    return `\n${heading}\n${lines.join("")}`;
  });
}

function formatLeftovers(leftovers: readonly Leftover[], bucket: string): string {
  if (leftovers.length === 0) return "";
  const lines = leftovers.map((leftover) => `  ${printable(describeLeftover(leftover, bucket))}\n`);
  return `\nThis key could not remove what it left behind; another one can:\n${lines.join("")}`;
}

function describeLeftover(leftover: Leftover, bucket: string): string {
  switch (leftover.kind) {
    case "bucket":
      return `the bucket ${leftover.bucket}`;
    case "upload":
      return `an unfinished upload, without parts that count: s3://${bucket}/${leftover.key} (${leftover.uploadId ?? "if it was begun"})`;
    default: {
      const version = leftover.versionId === null ? "" : `, version ${leftover.versionId}`;
      const what = leftover.kind === "marker" ? "a delete marker" : "an object";
      return `${what}: s3://${bucket}/${leftover.key}${version}`;
    }
  }
}
