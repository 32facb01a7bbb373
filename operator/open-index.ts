import type { Io } from "../shared/cli.ts";
import { printable } from "../shared/printable.ts";
import { indexFileOf } from "./index-file.ts";
import { openLedgerIndex, type LedgerIndex } from "./ledger-index.ts";
import { warnOfLedger } from "./ledger-warnings.ts";
import type { OpenVault } from "./open-vault.ts";
import { openStderrLine } from "./stderr-line.ts";

/** After so long a log or a mail is told once, too. */
const TELL_MS = 3_000;

export interface OpenIndexOptions {
  /** Nothing is taken from the local index, which is written anew. */
  readonly rebuild?: true | undefined;
}

/**
 * The vault's ledgers through the local index, for a command that goes by them: says on standard error what it reads,
 * while that takes long, and what is wrong with the ledgers, with exit 5 where it is damage.
 */
export async function openIndex(io: Io, vault: OpenVault, options: OpenIndexOptions = {}): Promise<LedgerIndex> {
  const { config, reader } = vault;
  const progress = showReading(io);
  const index = await openLedgerIndex({
    reader,
    config,
    file: indexFileOf(config.vault, io.env),
    rebuild: options.rebuild === true,
    signal: io.abort,
    onSegment: progress.read,
    onRemark: (remark) => progress.remark(`airlock: ${printable(remark)}\n`),
  }).finally(() => progress.end());
  const warnings = warnOfLedger(io);
  for (const problem of index.problems) warnings.add(problem);
  warnings.end();
  if (warnings.isDamaged) io.exitWith(5);
  return index;
}

function showReading(io: Pick<Io, "stderr" | "stderrIsTty">): {
  readonly read: (mover: string, segment: number, entries: number) => void;
  readonly remark: (line: string) => void;
  readonly end: () => void;
} {
  const { stderr, stderrIsTty } = io;
  const line = openStderrLine(io);
  const beganAtMs = performance.now();
  let [segments, entries, isTold] = [0, 0, false];
  return {
    read: (mover, segment, count) => {
      segments += 1;
      entries += count;
      line.show(
        () => `reading what is new in the ledgers: ${printable(mover)}, segment ${segment}; ${entries} entries`,
      );
      if (stderrIsTty || isTold || performance.now() - beganAtMs < TELL_MS) return;
      isTold = true;
      stderr.write("airlock: reading what is new in the ledgers, which the local index does not have yet\n");
    },
    remark: (text) => {
      line.clear();
      stderr.write(text);
    },
    end: () => {
      line.clear();
      if (!isTold) return;
      const seconds = Math.round((performance.now() - beganAtMs) / 1000);
      stderr.write(`airlock: read ${entries} entries of ${segments} segments in ${seconds} s\n`);
    },
  };
}
