import { AirlockError, isAirlockError, toAirlockError } from "../shared/errors.ts";
import type { SigningKey } from "../shared/keys.ts";
import {
  buildSegment,
  formatEntry,
  MAX_LINE_BYTES,
  MAX_SEGMENT_BYTES,
  MAX_SEGMENT_ENTRIES,
  segmentDigest,
  segmentName,
  type ChainHead,
  type Holds,
  type NewEntry,
} from "../shared/ledger.ts";
import type { Log } from "../shared/log.ts";
import { retry, type Timing } from "../shared/retry.ts";
import type { Ledgers } from "../shared/s3/ledger-store.ts";
import type { CheckpointStore, LedgerStore } from "../shared/stores.ts";
import { Books } from "./books.ts";
import { formatCheckpoint, type BooksOrigin } from "./checkpoint.ts";
import { fitHolds } from "./fit-holds.ts";
import { readTail, type Tail } from "./ledger-tail.ts";
import type { Share } from "./share.ts";

/** Room for the header and the signature below {@link MAX_SEGMENT_BYTES}. */
const FRAME_BYTES = 4 * 1024;
/** What folding an entry can add to it: a handful of findings. */
const FINDINGS_BYTES = 4 * 1024;
const CHECKPOINT_EVERY = 10_000;

export interface LedgerWriterOptions {
  readonly mover: string;
  readonly key: SigningKey;
  readonly store: LedgerStore;
  readonly timing: Timing;
  readonly log: Log;
  /** Ends the waiting for a store that does not answer; what was not written then was not recorded. */
  readonly signal: AbortSignal;
  /** What the ledger adds up to; default: without any expectations. */
  readonly books?: Books;
  /** Of the hosts that the books are about; default: all. */
  readonly share?: Share;
  /** All movers' ledgers, this one's too; without it, a host was never another mover's. */
  readonly ledgers?: Ledgers;
  /** Without it, start-up reads the whole ledger. */
  readonly checkpoints?: CheckpointStore;
  /** Segments; default: 10,000. */
  readonly checkpointEvery?: number;
  /** Told of each entry as it is about to be written, and again by the next process if this one dies before it is. */
  readonly onEntry?: (entry: NewEntry) => void;
}

interface Waiting {
  readonly entry: NewEntry;
  /** Its line's, with all that may be added to it. */
  readonly atMostBytes: number;
  readonly written: (entry: NewEntry) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Writes one mover's ledger. An entry is recorded when the segment that holds it exists; a segment is written whenever
 * none is in flight, and what arrives meanwhile forms the next, so that the ledger never makes a busy mover wait.
 */
export class LedgerWriter {
  readonly books: Books;
  readonly #options: LedgerWriterOptions;
  readonly #origin: BooksOrigin;
  readonly #waiting: Waiting[] = [];
  #head: ChainHead | null;
  #holds: Holds | null = null;
  #writing: Promise<void> | null = null;
  #broken: AirlockError | null = null;
  /** Never rejects, and nothing waits for it but the end. */
  #checkpointing: Promise<void> = Promise.resolve();

  private constructor(options: LedgerWriterOptions, books: Books, { head, origin }: Tail) {
    this.#options = options;
    this.books = books;
    this.#head = head;
    this.#origin = origin;
  }

  /**
   * Finds the tail by listing and continues behind it: the same path for a new vault, a restart and a new box.
   * @throws {AirlockError} `ledger-corrupt`
   */
  static async open(options: LedgerWriterOptions): Promise<LedgerWriter> {
    const { books = new Books(new Map()), checkpoints = null, key } = options;
    const tail = await readTail({ ...options, key: key.public, books, checkpoints });
    options.log.info("ledger-resumed", { segment: tail.head?.segment ?? 0, index: tail.head?.index ?? 0 });
    return new LedgerWriter(options, books, tail);
  }

  get head(): ChainHead | null {
    return this.#head;
  }

  /**
   * Resolves with the entry as it was written, when it is in the vault; rejects when it is not known to be, and then
   * nothing may be released. An entry that no reader would take is refused by itself (`object-unreadable`).
   */
  append(entry: NewEntry): Promise<NewEntry> {
    if (this.#broken !== null) return Promise.reject(this.#broken);
    const atMostBytes = Buffer.byteLength(formatEntry({ index: Number.MAX_SAFE_INTEGER, ...entry })) + FINDINGS_BYTES;
    if (atMostBytes > MAX_LINE_BYTES) return Promise.reject(tooLong(entry));
    return new Promise((written, failed) => {
      this.#waiting.push({ entry, atMostBytes, written, failed });
      this.#start();
    });
  }

  /** Goes out with the next segment, or with one of its own. */
  reportHolds(holds: Holds): void {
    this.#holds = holds;
    this.#start();
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    await this.#checkpointing;
  }

  #start(): void {
    this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // let what was appended in the same turn come along
    while (this.#broken === null && (this.#waiting.length > 0 || this.#holds !== null)) {
      const holds = this.#holds === null ? null : fitHolds(this.#holds);
      this.#holds = null;
      const { batch, folded, lines } = this.#nextBatch(holds);
      if (holds !== null) this.books.holds = holds;
      try {
        await this.#write(lines, holds);
        for (const [index, { written, entry }] of batch.entries()) written(folded[index] ?? entry);
      } catch (error) {
        // Whether the segment exists is not known, so nothing may be written behind it by this process.
        this.#broken = isAirlockError(error)
          ? error
          : new AirlockError("unexpected", "the ledger could not be written", { cause: error });
        for (const { failed } of [...batch, ...this.#waiting.splice(0)]) failed(this.#broken);
      }
    }
    this.#writing = null; // in the same turn as the last look: whoever appends from now on starts anew
  }

  /** Folds exactly what goes into the segment, so that the books are at every segment what start-up would make of it. */
  #nextBatch(holds: Holds | null): { batch: Waiting[]; folded: NewEntry[]; lines: string[] } {
    const lines: string[] = [];
    const folded: NewEntry[] = [];
    let sizeBytes = FRAME_BYTES + (holds === null ? 0 : Buffer.byteLength(JSON.stringify({ holds })));
    let index = this.#head?.index ?? 0;
    for (const { entry, atMostBytes } of this.#waiting) {
      if (lines.length === MAX_SEGMENT_ENTRIES || sizeBytes + atMostBytes > MAX_SEGMENT_BYTES) break;
      const final = this.books.fold(entry);
      const line = formatEntry({ index: index + 1, ...final });
      this.#options.onEntry?.(final);
      sizeBytes += Buffer.byteLength(line);
      folded.push(final);
      lines.push(line);
      index++;
    }
    return { batch: this.#waiting.splice(0, lines.length), folded, lines };
  }

  async #write(lines: readonly string[], holds: Holds | null): Promise<void> {
    const { mover, key, timing, log } = this.#options;
    const segment = (this.#head?.segment ?? 0) + 1;
    const writtenAt = new Date(timing.now()).toISOString();
    const bytes = buildSegment(
      { v: 1, mover, segment, prev: this.#head?.digest ?? null, writtenAt },
      lines,
      holds,
      key,
    );
    await this.#create(segment, bytes); // the commit point of all that the segment records
    this.#head = { segment, digest: segmentDigest(bytes), index: (this.#head?.index ?? 0) + lines.length };
    log.debug("segment-written", { segment, entries: lines.length, bytes: bytes.length });
    if (segment % (this.#options.checkpointEvery ?? CHECKPOINT_EVERY) === 0)
      this.#checkpointing = this.#checkpoint(this.#head);
  }

  /** Saves the next start some reading. Where it can't be written, that start reads more; nothing depends on it. */
  async #checkpoint(head: ChainHead): Promise<void> {
    const { mover, key, timing, log, checkpoints, signal } = this.#options;
    if (checkpoints === undefined) return;
    const bytes = formatCheckpoint(
      { head, books: this.books.toState(), origin: this.#origin },
      mover,
      new Date(timing.now()),
      key,
    );
    try {
      await checkpoints.createCheckpoint(head.segment, bytes, signal);
      log.info("checkpoint-written", { segment: head.segment, bytes: bytes.length });
    } catch (thrown) {
      log.failure("checkpoint-refused", toAirlockError(thrown), { segment: head.segment });
    }
  }

  /** Tries until the segment is known to exist with these bytes, or another writer's is found in its place. */
  async #create(segment: number, bytes: Uint8Array): Promise<void> {
    const { store, timing, log, signal } = this.#options;
    await retry(
      async () => {
        try {
          await store.createSegment(segment, bytes, signal);
        } catch (error) {
          if (!isAirlockError(error, "outcome-unknown", "already-exists")) throw error;
          if (!(await this.#isOurs(segment, bytes))) throw error;
        }
      },
      {
        attempts: Infinity,
        baseMs: 100,
        capMs: 30_000,
        retryable: (error) => !isAirlockError(error, "ledger-conflict", "interrupted"),
        onRetry: (error, failures, waitMs) => {
          if (isAirlockError(error))
            log.failure("segment-retry", error, { segment, failures, waitMs: Math.round(waitMs) });
        },
      },
      timing,
      signal,
    );
  }

  /** Reads back. False: definitely not there. @throws {AirlockError} `ledger-conflict` where other bytes are */
  async #isOurs(segment: number, bytes: Uint8Array): Promise<boolean> {
    const { store, mover, signal } = this.#options;
    let found: Uint8Array;
    try {
      found = await store.readSegment(segment, signal);
    } catch (error) {
      if (isAirlockError(error, "not-found")) return false;
      throw error;
    }
    if (Buffer.compare(found, bytes) === 0) return true;
    throw new AirlockError("ledger-conflict", `segment ${segment} of mover ${mover} was written by somebody else`, {
      subject: segmentName(mover, segment),
      remedy:
        "stop the other mover of this name, or give this one another `id`; then look at the segment with `airlock verify`",
    });
  }
}

/** What a store says of an object has no bound that all stores keep to. */
function tooLong({ source }: NewEntry): AirlockError {
  return new AirlockError("object-unreadable", "what is to be recorded of it does not fit into the ledger", {
    ...(source === null ? {} : { subject: source.key }),
    remedy: "look at its tags in the drop-zone, and upload it with fewer or shorter ones; or discard it",
  });
}
