import { once } from "node:events";
import type { Io } from "../shared/cli.ts";
import { formatBytes } from "../shared/config/units.ts";
import { printable } from "../shared/printable.ts";
import { realTiming } from "../shared/retry.ts";
import { readCheckpointFile, readFormerCheckpoint, writeCheckpointFile } from "./checkpoint-file.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Finding, FindingCode } from "./findings.ts";
import { formatFindings, formatSummary, formatVerdict } from "./format-verified.ts";
import { openVault } from "./open-vault.ts";
import { openStderrLine } from "./stderr-line.ts";
import { verify, type Verified, type VerifyStep } from "./verify.ts";

/** For people; programs get them all. */
const SHOWN_PER_CODE = 100;

export interface VerifyOptions {
  readonly read?: true;
  readonly locks?: true;
  readonly since?: string;
  readonly checkpoint?: string;
}

/** `airlock verify [--locks] [--read] [--since FILE] [--checkpoint FILE]` */
export async function runVerify(io: Io, options: VerifyOptions): Promise<void> {
  await using vault = await openVault(io);
  const { reader, config } = vault;
  const { bucket } = config.vault;
  const given = options.since === undefined ? null : await readCheckpointFile(options.since, bucket);
  const former = options.checkpoint === undefined ? null : await readFormerCheckpoint(options.checkpoint, bucket);
  const counts = new Map<FindingCode, number>();
  const shown: Finding[] = [];
  const report = (finding: Finding): void => {
    const count = (counts.get(finding.code) ?? 0) + 1;
    counts.set(finding.code, count);
    if (io.json) io.print({ type: "finding", ...finding }, "");
    else if (count <= SHOWN_PER_CODE) shown.push(finding);
  };
  const line = openStderrLine(io);
  const { movers, hosts, expireAfterMs } = config;
  const context = {
    reader,
    movers,
    hosts,
    expireAfterMs,
    timing: realTiming,
    signal: io.abort,
    report,
    drained: async () => {
      if (io.stdout.writableNeedDrain) await once(io.stdout, "drain", { signal: io.abort });
    },
    onStep: (step: VerifyStep) => line.show(() => describeStep(step)),
  };
  // nothing replaces a checkpoint that does not contain it
  const since = [given, former].filter((seen) => seen !== null);
  const request = { read: options.read === true, locks: options.locks === true, since };
  const verified = await verify(context, request).finally(() => line.clear());
  const findings = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const { summary } = verified;
  const checkpoint = await keep(options.checkpoint, former, verified, bucket);
  const value = { ...summary, recordedFindings: Object.fromEntries(summary.recordedFindings) };
  io.print({ type: "summary", findings, ...value, checkpoint }, () =>
    [
      formatFindings(shown, counts, SHOWN_PER_CODE),
      formatSummary(summary),
      checkpoint === null ? "" : describeKept(checkpoint),
      formatVerdict(findings),
    ].join(""),
  );
  if (findings > 0) io.exitWith(5);
}

interface Kept {
  readonly file: string;
  readonly written: boolean;
}

async function keep(
  file: string | undefined,
  former: Checkpoint | null,
  { marks }: Verified,
  bucket: string,
): Promise<Kept | null> {
  if (file === undefined) return null;
  if (marks === null || marks.size === 0) return { file, written: false };
  await writeCheckpointFile(file, former, { bucket, marks, takenAt: new Date() });
  return { file, written: true };
}

function describeKept({ file, written }: Kept): string {
  const name = printable(file);
  return written
    ? `checkpoint         ${name}: keep it elsewhere; --since ${name} compares with it\n`
    : `checkpoint         ${name} is left as it was: the ledger is empty or has findings\n`;
}

function describeStep(step: VerifyStep): string {
  if (step.step === "listing") return `listing the vault: ${step.versions} versions`;
  if (step.step === "reading") return `reading: ${formatBytes(step.doneBytes)} of ${formatBytes(step.totalBytes)}`;
  return `verifying the ledgers: ${printable(step.mover)}, segment ${step.segment}; ${step.entries} entries`;
}
