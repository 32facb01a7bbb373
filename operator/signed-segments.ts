import type { PublicKey } from "../shared/keys.ts";
import { findSigners, type Signed } from "./find-signers.ts";
import type { LedgerItem } from "./ledger-reader.ts";
import { prefetch } from "./prefetch.ts";

/** Segments whose signatures are being verified: more would only wait, and each holds up to 2 MiB. */
const SEGMENTS_AT_ONCE = 3;

export interface SignedItem {
  readonly item: LedgerItem;
  /** Who signed each entry's statement, by the entry's index. */
  readonly signed: ReadonlyMap<number, Signed>;
}

/** While one segment's signatures are verified by other threads, the next is read and parsed here. */
export function withSigners(
  items: AsyncIterable<LedgerItem>,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
  signal: AbortSignal,
): AsyncGenerator<SignedItem, void, undefined> {
  const load = async (item: LedgerItem): Promise<SignedItem> => ({
    item,
    signed: item.kind === "segment" ? await findSigners(item.segment.entries, hosts) : new Map(),
  });
  return prefetch(items, SEGMENTS_AT_ONCE, load, signal);
}
