import { AirlockError, isAirlockError } from "../shared/errors.ts";
import type { SigningKey } from "../shared/keys.ts";
import {
  buildSegment,
  formatEntry,
  MAX_SEGMENT_BYTES,
  MAX_SEGMENT_ENTRIES,
  parseSegment,
  segmentDigest,
  segmentName,
  type ChainHead,
  type Holds,
  type NewEntry,
} from "../shared/ledger.ts";
import type { Log } from "../shared/log.ts";
import { retry, type Timing } from "../shared/retry.ts";
import type { LedgerStore } from "../shared/stores.ts";

/** Room for the header, the holds and the signature below {@link MAX_SEGMENT_BYTES}. */
const FRAME_BYTES = 128 * 1024;

export interface LedgerWriterOptions {
  readonly mover: string;
  readonly key: SigningKey;
  readonly store: LedgerStore;
  readonly timing: Timing;
  readonly log: Log;
  /** Ends the waiting for a store that does not answer; what was not written then was not recorded. */
  readonly signal: AbortSignal;
}

interface Waiting {
  readonly entry: NewEntry;
  readonly written: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Writes one mover's ledger. An entry is recorded when the segment that holds it exists; a segment is written whenever
 * none is in flight, and what arrives meanwhile forms the next, so that the ledger never makes a busy mover wait.
 */
export class LedgerWriter {
  readonly #options: LedgerWriterOptions;
  readonly #waiting: Waiting[] = [];
  #head: ChainHead | null;
  #holds: Holds | null = null;
  #writing: Promise<void> | null = null;
  #broken: AirlockError | null = null;

  private constructor(options: LedgerWriterOptions, head: ChainHead | null) {
    this.#options = options;
    this.#head = head;
  }

  /**
   * Finds the tail by listing and continues behind it: the same path for a new vault, a restart and a new box.
   * @throws {AirlockError} `ledger-corrupt`
   */
  static async open(options: LedgerWriterOptions): Promise<LedgerWriter> {
    const head = await findHead(options);
    options.log.info("ledger-resumed", { segment: head?.segment ?? 0, index: head?.index ?? 0 });
    return new LedgerWriter(options, head);
  }

  get head(): ChainHead | null {
    return this.#head;
  }

  /** Resolves when the entry is in the vault; rejects when it is not known to be, and then nothing may be released. */
  append(entry: NewEntry): Promise<void> {
    if (this.#broken !== null) return Promise.reject(this.#broken);
    return new Promise((written, failed) => {
      this.#waiting.push({ entry, written, failed });
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
  }

  #start(): void {
    this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // let what was appended in the same turn come along
    while (this.#broken === null && (this.#waiting.length > 0 || this.#holds !== null)) {
      const { batch, lines } = this.#nextBatch();
      const holds = this.#holds;
      this.#holds = null;
      try {
        await this.#write(lines, holds);
        for (const { written } of batch) written();
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

  #nextBatch(): { batch: Waiting[]; lines: string[] } {
    const lines: string[] = [];
    let sizeBytes = FRAME_BYTES;
    let index = this.#head?.index ?? 0;
    for (const { entry } of this.#waiting) {
      const line = formatEntry({ index: index + 1, ...entry });
      sizeBytes += Buffer.byteLength(line);
      if (lines.length === MAX_SEGMENT_ENTRIES || sizeBytes > MAX_SEGMENT_BYTES) break;
      lines.push(line);
      index++;
    }
    return { batch: this.#waiting.splice(0, lines.length), lines };
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

async function findHead(options: LedgerWriterOptions): Promise<ChainHead | null> {
  const { mover, store, signal } = options;
  let count = 0;
  for await (const segment of store.listSegments(0, signal)) {
    if (segment !== count + 1) {
      throw new AirlockError("ledger-corrupt", `segment ${count + 1} of mover ${mover} is missing`, {
        subject: segmentName(mover, count + 1),
        remedy: "run `airlock verify`; a new mover id starts a new ledger",
      });
    }
    count = segment;
  }
  if (count === 0) return null;
  const last = parseSegment(await store.readSegment(count, signal), mover, count);
  let index = last.entries.at(-1)?.index;
  // a segment that only reports holds has no entry of its own to count from
  for (let before = count - 1; index === undefined && before > 0; before--) {
    index = parseSegment(await store.readSegment(before, signal), mover, before).entries.at(-1)?.index;
  }
  return { segment: count, digest: last.digest, index: index ?? 0 };
}
