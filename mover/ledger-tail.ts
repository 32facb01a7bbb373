/** Start-up's half of the ledger: finds its end by listing, and folds what was written into the books. */
import { AirlockError, isAirlockError, toAirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import { extendChain, parseSegment, segmentDigest, segmentName, type ChainHead, type Entry } from "../shared/ledger.ts";
import type { Log } from "../shared/log.ts";
import type { Ledgers } from "../shared/s3/ledger-store.ts";
import type { CheckpointStore, LedgerStore } from "../shared/stores.ts";
import type { Books } from "./books.ts";
import { parseCheckpoint, type BooksOrigin } from "./checkpoint.ts";
import { hostOfEntry, mergeByTime, openOthers, readInOrder } from "./ledger-merge.ts";
import { formatShare, isInShare, WHOLE, type Share } from "./share.ts";

/** Segments are read side by side and folded in order; each is at most 2 MiB. */
const READ_AHEAD = 16;
/** Of those that can't be used, how many are tried before everything is read from the beginning. */
const MAX_TRIED = 3;

export interface TailOptions {
  readonly mover: string;
  readonly key: PublicKey;
  readonly store: LedgerStore;
  readonly checkpoints: CheckpointStore | null;
  readonly books: Books;
  /** Default: all hosts. */
  readonly share?: Share;
  /** Where its hosts may have been another mover's before; null: it is the only one there ever was. */
  readonly ledgers?: Ledgers | null;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface Tail {
  /** null: there is no ledger yet. */
  readonly head: ChainHead | null;
  readonly origin: BooksOrigin;
}

/** @throws {AirlockError} `ledger-corrupt` */
export async function readTail(options: TailOptions): Promise<Tail> {
  const { mover, store, books, share = WHOLE, ledgers = null, log, signal } = options;
  const restored = await restoreCheckpoint(options);
  let head = restored?.head ?? null;
  const read = restored?.origin.others ?? new Map<string, number>();
  async function* readOwn(): AsyncGenerator<Entry, void> {
    for await (const [number, bytes] of readInOrder(listOn(head, options), store, READ_AHEAD, signal)) {
      const segment = parseSegment(bytes, mover, number);
      head = extendChain(head, segment);
      if (segment.holds !== null) books.holds = segment.holds;
      yield* segment.entries;
    }
  }
  const others = ledgers === null ? [] : await openOthers({ mover, ledgers, read, log, signal });
  for await (const entry of mergeByTime([readOwn(), ...others.map(({ entries }) => entries)])) {
    // what is said of another mover's hosts is for that mover to judge
    if (isInShare(hostOfEntry(entry), share)) books.fold(entry);
  }
  const ends = others.map(({ mover: name, segment }) => [name, segment()] as const);
  return { head, origin: { share: formatShare(share), others: new Map(ends.filter(([, segment]) => segment > 0)) } };
}

/** The newest checkpoint that this mover signed and that sums up the very segment that lies there. */
async function restoreCheckpoint({
  mover,
  key,
  store,
  checkpoints,
  books,
  share = WHOLE,
  log,
  signal,
}: TailOptions): Promise<{ readonly head: ChainHead; readonly origin: BooksOrigin } | null> {
  if (checkpoints === null) return null;
  const segments = await checkpoints.listCheckpoints(signal);
  for (const segment of segments.toReversed().slice(0, MAX_TRIED)) {
    try {
      const checkpoint = parseCheckpoint(await checkpoints.readCheckpoint(segment, signal), mover, segment, key);
      if (segmentDigest(await store.readSegment(segment, signal)) !== checkpoint.head.digest) {
        throw new AirlockError("ledger-corrupt", `checkpoint ${segment} sums up another segment than the one there`);
      }
      const origin = checkpoint.origin ?? { share: formatShare(WHOLE), others: new Map() };
      // of other hosts than these: the ledgers say it all
      if (origin.share !== formatShare(share)) return null;
      books.restore(checkpoint.books);
      return { head: checkpoint.head, origin };
    } catch (thrown) {
      // what can't be trusted only saves no reading; a store that does not answer is another matter
      if (!isAirlockError(thrown, "ledger-corrupt", "not-found")) throw thrown;
      log.failure("checkpoint-refused", toAirlockError(thrown), { segment });
    }
  }
  return null;
}

async function* listOn(head: ChainHead | null, { mover, store, signal }: TailOptions): AsyncGenerator<number, void> {
  let before = head?.segment ?? 0;
  for await (const segment of store.listSegments(before, signal)) {
    if (segment !== before + 1) {
      throw new AirlockError("ledger-corrupt", `segment ${before + 1} of mover ${mover} is missing`, {
        subject: segmentName(mover, before + 1),
        remedy: "run `airlock verify`; a new mover id starts a new ledger",
      });
    }
    before = segment;
    yield segment;
  }
}
