import { once } from "node:events";
import type { Io } from "../shared/cli.ts";
import { formatBytes } from "../shared/config/units.ts";
import { printable } from "../shared/printable.ts";
import { startProgress } from "../shared/progress.ts";
import { realTiming } from "../shared/retry.ts";
import type { Finding, FindingCode } from "./findings.ts";
import { startLazily } from "./lazy-progress.ts";
import { openVault } from "./open-vault.ts";
import { verify, type VerifySummary } from "./verify.ts";

/** For people; programs get them all. */
const SHOWN_PER_CODE = 100;

export interface VerifyOptions {
  readonly read?: true;
}

/** `airlock verify [--read]` */
export async function runVerify(io: Io, options: VerifyOptions): Promise<void> {
  await using vault = await openVault(io);
  const { reader, config } = vault;
  const counts = new Map<FindingCode, number>();
  const shown: Finding[] = [];
  const report = (finding: Finding): void => {
    const count = (counts.get(finding.code) ?? 0) + 1;
    counts.set(finding.code, count);
    if (io.json) io.print({ type: "finding", ...finding }, "");
    else if (count <= SHOWN_PER_CODE) shown.push(finding);
  };
  const progress = startLazily((totalBytes) =>
    startProgress({ label: "reading", totalBytes, stream: io.stderr, now: () => performance.now() }),
  );
  const { movers, hosts } = config;
  const summary = await verify(
    {
      reader,
      movers,
      hosts,
      timing: realTiming,
      signal: io.abort,
      report,
      drained: async () => {
        if (io.stdout.writableNeedDrain) await once(io.stdout, "drain", { signal: io.abort });
      },
      onRead: progress.reached,
    },
    options.read === true,
  ).finally(() => progress.end());
  const findings = [...counts.values()].reduce((sum, count) => sum + count, 0);
  io.print({ type: "summary", findings, ...summaryValue(summary) }, () =>
    [formatFindings(shown, counts), formatSummary(summary), formatVerdict(findings)].join(""),
  );
  if (findings > 0) io.exitWith(5);
}

/** Each on two lines: what it is about is often as long as a line by itself, and must not be cut. */
function formatFindings(findings: readonly Finding[], counts: ReadonlyMap<FindingCode, number>): string {
  const blocks = findings.map(({ code, subject, message, mover, segment }) => {
    const where = mover === null || segment === null ? "" : ` [${mover}, segment ${segment}]`;
    return `${code}: ${printable(message + where)}\n    ${printable(subject)}\n`;
  });
  for (const [code, count] of counts) {
    if (count > SHOWN_PER_CODE) blocks.push(`${code}: and ${count - SHOWN_PER_CODE} more; --json shows all\n`);
  }
  return blocks.length === 0 ? "" : `${blocks.join("")}\n`;
}

function formatSummary(summary: VerifySummary): string {
  const { movers, objects, bytes, unsigned, epochs, recordedFindings, inFlight, read } = summary;
  // Digests whole, on lines of their own: they are what is kept elsewhere and compared.
  const blocks = movers.map(({ mover, segments, entries, head }) => {
    const end = head === null ? "" : `  head ${head.segment}  ${head.digest}\n`;
    return `mover ${printable(mover)}: ${segments} segments, ${entries} entries\n${end}`;
  });
  const recorded = [...recordedFindings].map(([code, count]) => `${count} ${code}`).join(", ");
  const lines = [
    `objects recorded   ${objects}, ${formatBytes(bytes)}${unsigned > 0 ? `; ${unsigned} of them unsigned` : ""}`,
    `bytes read         ${read === null ? "none (--read reads them all)" : `${formatBytes(read.bytes)} of ${read.objects} objects`}`,
    `host epochs        ${epochs}`,
    ...(recorded === "" ? [] : [`movers recorded    ${recorded}`]),
    ...(inFlight > 0 ? [`on their way       ${inFlight}, too young to be recorded`] : []),
  ];
  return `${blocks.join("")}\n${lines.map((line) => `${printable(line)}\n`).join("")}`;
}

function formatVerdict(findings: number): string {
  return findings === 0 ? "\nno findings\n" : `\n${findings} ${findings === 1 ? "finding" : "findings"}\n`;
}

function summaryValue(summary: VerifySummary): object {
  return { ...summary, recordedFindings: Object.fromEntries(summary.recordedFindings) };
}
