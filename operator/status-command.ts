import type { Io } from "../shared/cli.ts";
import { segmentName, type Holds } from "../shared/ledger.ts";
import type { VaultReader } from "../shared/stores.ts";
import { formatStatus } from "./format-status.ts";
import { judgeFreshness, judgeLedger, type FreshSet, type LedgerState } from "./freshness.ts";
import type { IndexedLedger, LedgerIndex } from "./ledger-index.ts";
import type { LedgerProblem } from "./ledger-reader.ts";
import { openIndex } from "./open-index.ts";
import { openVault } from "./open-vault.ts";

export interface StatusOptions {
  readonly quiet?: true;
}

export interface MoverStatus extends IndexedLedger {
  readonly state: LedgerState;
  /** When the vault took its last segment, by the vault's clock. */
  readonly storedAt: Date | null;
  /** What it holds back, as it said last. */
  readonly holds: Holds;
}

export interface VaultStatus {
  readonly now: Date;
  readonly staleAfterMs: number;
  readonly sets: readonly FreshSet[];
  readonly movers: readonly MoverStatus[];
  readonly problems: readonly LedgerProblem[];
  /** How many of the sets and movers are not as they should be. */
  readonly stale: number;
}

/** `airlock status [--quiet]`: what the vault alone shows of whether backups still come. */
export async function runStatus(io: Io, options: StatusOptions): Promise<void> {
  await using vault = await openVault(io);
  const { config, reader } = vault;
  using index = await openIndex(io, vault);
  const now = new Date();
  const { staleAfterMs } = config;
  const movers = await Promise.all(
    index.ledgers.map(async (ledger): Promise<MoverStatus> => {
      const storedAt = await readStoredAt(reader, ledger, io.abort);
      const state = judgeLedger(config.movers.get(ledger.mover) ?? [], storedAt, staleAfterMs, now);
      return { ...ledger, storedAt, state, holds: lastHolds(index, ledger.mover) };
    }),
  );
  const sets = judgeFreshness(index.sets(), (set) => index.objects(set), { ...config, now });
  const stale =
    sets.filter(({ state }) => state === "stale" || state === "never").length +
    movers.filter(({ state }) => state === "stopped" || state === "silent").length;
  const status: VaultStatus = { now, staleAfterMs, sets, movers, problems: index.problems, stale };
  if (stale > 0) io.exitWith(5);
  if (options.quiet === true && stale === 0 && index.problems.length === 0) return;
  io.print(statusValue(status), () => formatStatus(status, io.stdout.columns ?? 80));
}

/** The store's own time of it: what a mover says of time is a claim. */
async function readStoredAt(
  reader: VaultReader,
  { mover, head }: IndexedLedger,
  signal: AbortSignal,
): Promise<Date | null> {
  if (head === null) return null;
  const prefix = segmentName(mover, head.segment);
  const { versions } = await reader.listPage({ prefix, cursor: null, limit: 1, signal });
  return versions[0]?.lastModified ?? head.writtenAt;
}

function lastHolds(index: LedgerIndex, mover: string): Holds {
  let last: Holds = {};
  for (const held of index.holds()) if (held.mover === mover) last = held.holds;
  return last;
}

/** Times in ISO 8601 UTC, ages and limits in ms, sizes in bytes. */
function statusValue({ now, staleAfterMs, sets, movers, problems, stale }: VaultStatus): object {
  const age = (at: Date | null): number | null => (at === null ? null : now.getTime() - at.getTime());
  return {
    checkedAt: now.toISOString(),
    staleAfterMs,
    stale,
    sets: sets.map(({ host, set, state, everyMs, newest }) => ({
      host,
      set,
      state,
      everyMs,
      newestAt: newest?.completedAt.toISOString() ?? null,
      ageMs: age(newest?.completedAt ?? null),
      size: newest?.sizeBytes ?? null,
    })),
    movers: movers.map(({ mover, state, segments, entries, head, storedAt, holds }) => ({
      mover,
      state,
      segments,
      entries,
      head: head === null ? null : { segment: head.segment, digest: head.digest },
      writtenAt: storedAt?.toISOString() ?? null,
      ageMs: age(storedAt),
      holds,
    })),
    problems,
  };
}
