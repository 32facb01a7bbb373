import { parseSegment } from "./ledger.ts";
import type { LedgerStore } from "./stores.ts";

/** An object that is there, as the ledger names it. */
export interface Archived {
  readonly name: string;
  readonly versionId: string | null;
}

/** Of the newest segments: those without an entry only report holds. */
const MAX_SEGMENTS_READ = 100;

/** The newest archived object that a mover's ledger names; null before the first. */
export async function findArchived(
  ledger: Pick<LedgerStore, "listSegments" | "readSegment">,
  mover: string,
  signal: AbortSignal,
): Promise<Archived | null> {
  let count = 0;
  for await (const segment of ledger.listSegments(0, signal)) count = segment;
  for (let number = count; number > Math.max(0, count - MAX_SEGMENTS_READ); number--) {
    const { entries } = parseSegment(await ledger.readSegment(number, signal), mover, number);
    const vaults = entries.flatMap(({ vault }) => vault ?? []);
    const archived = vaults.findLast(({ versionId }) => versionId !== null) ?? vaults.at(-1);
    if (archived !== undefined) return archived;
  }
  return null;
}
