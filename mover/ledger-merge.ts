/**
 * What all movers' ledgers say, in the order of time: a host may have been another mover's before the number of shares
 * changed, and its sequence is one all the same.
 */
import { toAirlockError } from "../shared/errors.ts";
import { parseSegment, type Entry } from "../shared/ledger.ts";
import type { Log } from "../shared/log.ts";
import type { Ledgers } from "../shared/s3/ledger-store.ts";
import type { LedgerStore } from "../shared/stores.ts";
import { hostOf } from "./admit.ts";

/** Segments that are read ahead, of all ledgers together; each is at most 2 MiB. */
const READ_AHEAD = 16;

export interface OthersOptions {
  /** This mover's own name. */
  readonly mover: string;
  readonly ledgers: Ledgers;
  /** The last segment of each that the books hold already. */
  readonly read: ReadonlyMap<string, number>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface OtherLedger {
  readonly entries: AsyncGenerator<Entry, void>;
  readonly mover: string;
  /** The last segment so far. */
  readonly segment: () => number;
}

/** Every other mover's ledger, from where it was read to the last time. */
export async function openOthers({ mover, ledgers, read, log, signal }: OthersOptions): Promise<OtherLedger[]> {
  const others = (await ledgers.listMovers(signal)).filter((name) => name !== mover);
  const ahead = Math.max(1, Math.floor(READ_AHEAD / (others.length + 1)));
  return others.map((name) => {
    let segment = read.get(name) ?? 0;
    async function* readEntries(): AsyncGenerator<Entry, void> {
      const store = ledgers.ledgerOf(name);
      for await (const [number, bytes] of readInOrder(store.listSegments(segment, signal), store, ahead, signal)) {
        segment = number;
        try {
          yield* parseSegment(bytes, name, number).entries;
        } catch (thrown) {
          // another's damage is for `airlock verify`; what it hides shows as a hole in a host's sequence
          log.failure("ledger-skipped", toAirlockError(thrown), { mover: name, segment: number });
        }
      }
    }
    return { mover: name, entries: readEntries(), segment: () => segment };
  });
}

/** The next of all is always the one that was made first. */
export async function* mergeByTime(ledgers: readonly AsyncGenerator<Entry, void>[]): AsyncGenerator<Entry, void> {
  const heads = new Map<AsyncGenerator<Entry, void>, Entry>();
  const advance = async (ledger: AsyncGenerator<Entry, void>): Promise<void> => {
    const { value, done } = await ledger.next();
    if (done === true) heads.delete(ledger);
    else heads.set(ledger, value);
  };
  await Promise.all(ledgers.map(advance));
  while (heads.size > 0) {
    let first: [AsyncGenerator<Entry, void>, Entry] | null = null;
    // ISO 8601 in UTC sorts as text
    for (const head of heads) if (first === null || head[1].at < first[1].at) first = head;
    if (first === null) return;
    yield first[1];
    await advance(first[0]);
  }
}

/** Whose books an entry belongs to. */
export function hostOfEntry({ statement, source, findings }: Entry): string {
  return statement?.host ?? (source === null ? (findings[0]?.host ?? "") : hostOf(source.key));
}

export async function* readInOrder(
  numbers: AsyncIterable<number>,
  store: Pick<LedgerStore, "readSegment">,
  readAhead: number,
  signal: AbortSignal,
): AsyncGenerator<readonly [number, Uint8Array], void> {
  const ahead: { readonly number: number; readonly bytes: Promise<Uint8Array> }[] = [];
  for await (const number of numbers) {
    const bytes = store.readSegment(number, signal);
    bytes.catch(() => undefined); // it is thrown where it is awaited, in its turn
    ahead.push({ number, bytes });
    if (ahead.length < readAhead) continue;
    const next = ahead.shift();
    if (next !== undefined) yield [next.number, await next.bytes];
  }
  for (const { number, bytes } of ahead) yield [number, await bytes];
}
