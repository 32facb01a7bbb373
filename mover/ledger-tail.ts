/** Start-up's half of the ledger: finds its end by listing, and folds what was written into the books. */
import { AirlockError, isAirlockError, toAirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import { extendChain, parseSegment, segmentDigest, segmentName, type ChainHead } from "../shared/ledger.ts";
import type { Log } from "../shared/log.ts";
import type { CheckpointStore, LedgerStore } from "../shared/stores.ts";
import type { Books } from "./books.ts";
import { parseCheckpoint } from "./checkpoint.ts";

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
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** null: there is no ledger yet. @throws {AirlockError} `ledger-corrupt` */
export async function readTail(options: TailOptions): Promise<ChainHead | null> {
  const { mover, store, books, signal } = options;
  let head = await restoreCheckpoint(options);
  for await (const [number, bytes] of readInOrder(listOn(head, options), store, signal)) {
    const segment = parseSegment(bytes, mover, number);
    head = extendChain(head, segment);
    for (const entry of segment.entries) books.fold(entry);
  }
  return head;
}

/** The newest checkpoint that this mover signed and that sums up the very segment that lies there. */
async function restoreCheckpoint({
  mover,
  key,
  store,
  checkpoints,
  books,
  log,
  signal,
}: TailOptions): Promise<ChainHead | null> {
  if (checkpoints === null) return null;
  const segments = await checkpoints.listCheckpoints(signal);
  for (const segment of segments.toReversed().slice(0, MAX_TRIED)) {
    try {
      const checkpoint = parseCheckpoint(await checkpoints.readCheckpoint(segment, signal), mover, segment, key);
      if (segmentDigest(await store.readSegment(segment, signal)) !== checkpoint.head.digest) {
        throw new AirlockError("ledger-corrupt", `checkpoint ${segment} sums up another segment than the one there`);
      }
      books.restore(checkpoint.books);
      return checkpoint.head;
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

async function* readInOrder(
  numbers: AsyncIterable<number>,
  store: LedgerStore,
  signal: AbortSignal,
): AsyncGenerator<readonly [number, Uint8Array], void> {
  const ahead: { readonly number: number; readonly bytes: Promise<Uint8Array> }[] = [];
  for await (const number of numbers) {
    const bytes = store.readSegment(number, signal);
    bytes.catch(() => undefined); // it is thrown where it is awaited, in its turn
    ahead.push({ number, bytes });
    if (ahead.length < READ_AHEAD) continue;
    const next = ahead.shift();
    if (next !== undefined) yield [next.number, await next.bytes];
  }
  for (const { number, bytes } of ahead) yield [number, await bytes];
}
