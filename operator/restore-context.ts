import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import { printable } from "../shared/printable.ts";
import { startProgress } from "../shared/progress.ts";
import { realTiming } from "../shared/retry.ts";
import type { ArchiveTier } from "../shared/stores.ts";
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

export interface ContextOptions {
  readonly identity?: string;
  /** Days. */
  readonly thaw?: string;
  readonly tier?: ArchiveTier;
  readonly wait?: true;
}

const MAX_THAW_DAYS = 365;

function parseThaw(text: string | undefined): number | null {
  if (text === undefined) return null;
  const days = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (days >= 1 && days <= MAX_THAW_DAYS) return days;
  throw new AirlockError("usage", `--thaw ${JSON.stringify(text)} is not a number of days from 1 to ${MAX_THAW_DAYS}`, {
    remedy: "give it as many days as restoring may take: --thaw 3",
  });
}

/** What restoring needs of the world, for a command. */
export function restoreContext(
  io: Io,
  { config, reader }: OpenVault,
  { identity, thaw, tier, wait }: ContextOptions,
  warnings: LedgerWarnings,
  progress: RestoreProgress,
): RestoreContext {
  return {
    reader,
    archived: reader,
    movers: config.movers,
    hosts: config.hosts,
    timing: realTiming,
    signal: io.abort,
    env: io.env,
    thawDays: parseThaw(thaw),
    tier: tier ?? "standard",
    waits: wait === true,
    tell: (sentence) => io.stderr.write(`airlock: ${printable(sentence)}\n`),
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
