import type { Io } from "../shared/cli.ts";
import { printable } from "../shared/printable.ts";
import { startProgress } from "../shared/progress.ts";
import { realTiming } from "../shared/retry.ts";
import { readIdentities } from "./identity.ts";
import { startLazily } from "./lazy-progress.ts";
import type { LedgerWarnings } from "./ledger-warnings.ts";
import type { OpenVault } from "./open-vault.ts";
import type { RestoreContext } from "./restore.ts";
import { identityInput } from "./terminal.ts";

export interface RestoreProgress {
  readonly reached: RestoreContext["onProgress"];
  end(): void;
}

/** A line for the reading of one object, then one for its decoding. */
export function showProgress(io: Pick<Io, "stderr">, label: string): RestoreProgress {
  const start = (text: string) =>
    startLazily((totalBytes) =>
      startProgress({ label: text, totalBytes, stream: io.stderr, now: () => performance.now() }),
    );
  const lines = { reading: start(label), decoding: start(`decoding ${label}`) };
  return {
    reached: (step, doneBytes, { sizeBytes }) => lines[step].reached(doneBytes, sizeBytes),
    end: () => {
      lines.reading.end();
      lines.decoding.end();
    },
  };
}

/** One line for the reading of all objects, each as large as it turns out to be. */
export function showHostProgress(io: Pick<Io, "stderr">, label: string): RestoreProgress {
  const progress = startProgress({ label, totalBytes: null, stream: io.stderr, now: () => performance.now() });
  const before = new Map<string, number>();
  return {
    reached: (step, doneBytes, { vaultName }) => {
      if (step !== "reading") return;
      progress.add(doneBytes - (before.get(vaultName) ?? 0));
      before.set(vaultName, doneBytes);
    },
    end: () => progress.end(),
  };
}

/** What restoring needs of the world, for a command. */
export function restoreContext(
  io: Io,
  { config, reader }: OpenVault,
  identity: string | undefined,
  warnings: LedgerWarnings,
  progress: RestoreProgress,
): RestoreContext {
  return {
    reader,
    movers: config.movers,
    hosts: config.hosts,
    timing: realTiming,
    signal: io.abort,
    env: io.env,
    readIdentities: () => readIdentities(identity ?? null, identityInput(io)),
    onLedgerProblem: (problem) => warnings.add(problem),
    onProgress: progress.reached,
    onKept: (path) => {
      progress.end();
      io.stderr.write(
        `airlock: what was read so far is kept in ${printable(path)}: the same command goes on from there\n`,
      );
    },
  };
}
