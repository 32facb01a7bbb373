import type { Io } from "../shared/cli.ts";
import { printable, shorten } from "../shared/printable.ts";
import { indexFileOf } from "./index-file.ts";
import { openLedgerIndex, type LedgerIndex } from "./ledger-index.ts";
import { warnOfLedger } from "./ledger-warnings.ts";
import type { OpenVault } from "./open-vault.ts";

/** How often a terminal's line is drawn anew, and after how long everybody else is told once. */
const DRAW_MS = 100;
const TELL_MS = 3_000;
const CLEAR = "\r\u001B[K";

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

function showReading({ stderr, stderrIsTty }: Pick<Io, "stderr" | "stderrIsTty">): {
  readonly read: (mover: string, segment: number, entries: number) => void;
  readonly remark: (line: string) => void;
  readonly end: () => void;
} {
  const beganAtMs = performance.now();
  let drawnAtMs = 0;
  let [segments, entries] = [0, 0];
  const clear = (): void => {
    if (stderrIsTty && drawnAtMs > 0) stderr.write(CLEAR);
  };
  return {
    read: (mover, segment, count) => {
      segments += 1;
      entries += count;
      const now = performance.now();
      if (stderrIsTty ? now - drawnAtMs < DRAW_MS : drawnAtMs > 0 || now - beganAtMs < TELL_MS) return;
      drawnAtMs = now;
      const line = `reading what is new in the ledgers: ${printable(mover)}, segment ${segment}; ${entries} entries so far`;
      // one column is left free: a terminal wraps after its last
      stderr.write(stderrIsTty ? `${CLEAR}${shorten(line, (stderr.columns ?? 80) - 1)}` : `airlock: ${line}\n`);
    },
    remark: (line) => {
      clear();
      stderr.write(line);
    },
    end: () => {
      clear();
      if (!stderrIsTty && drawnAtMs > 0) {
        const seconds = Math.round((performance.now() - beganAtMs) / 1000);
        stderr.write(
          `airlock: read ${entries} entries of ${segments} segments in ${seconds} s; they are indexed now\n`,
        );
      }
    },
  };
}
