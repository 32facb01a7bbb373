import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { AirlockError } from "../shared/errors.ts";

/** Of the beginning, in memory. What is compressed or encrypted already shows it from its first block on. */
export const SAMPLE_BYTES = 1024 * 1024;
/** Less than this is not worth the time that both ends spend on it. */
const MIN_GAIN = 0.03;

const compressWhole = promisify(zstdCompress);

/** Whether compression gains anything with these bytes, tried at zstd's fastest ordinary level. */
export async function isCompressible(sample: Uint8Array): Promise<boolean> {
  const compressed = await compressWhole(sample, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  return compressed.length <= sample.length * (1 - MIN_GAIN);
}

/** A stream of which the beginning is known. Disposing of it ends what is behind it, unless it has ended. */
export interface BegunStream extends AsyncDisposable {
  /** At most {@link SAMPLE_BYTES}; fewer only when these are all. */
  readonly sample: Uint8Array;
  /** All bytes, those of the sample included; to be called once. */
  readAll(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** @throws whatever the stream throws before it has given a sample */
export async function beginStream(
  open: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<BegunStream> {
  const end = new AbortController();
  const iterator = open(AbortSignal.any([signal, end.signal]))[Symbol.asyncIterator]();
  const buffer = Buffer.allocUnsafeSlow(SAMPLE_BYTES);
  let sizeBytes = 0;
  let rest: Uint8Array = new Uint8Array(0);
  let ended = false;
  // Copied, since a source may use a piece's memory again for its next.
  while (sizeBytes < SAMPLE_BYTES && !ended) {
    const next = await iterator.next();
    if (next.done === true) ended = true;
    else {
      const copied = next.value.subarray(0, SAMPLE_BYTES - sizeBytes);
      buffer.set(copied, sizeBytes);
      sizeBytes += copied.length;
      rest = next.value.subarray(copied.length);
    }
  }
  const sample = buffer.subarray(0, sizeBytes);

  async function* readAll(readerSignal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const stop = (): void => end.abort(readerSignal.reason);
    if (readerSignal.aborted) stop();
    readerSignal.addEventListener("abort", stop, { once: true });
    try {
      for (const piece of [sample, rest]) if (piece.length > 0) yield piece;
      while (!ended) {
        const next = await iterator.next();
        if (next.done === true) ended = true;
        else yield next.value;
      }
    } finally {
      readerSignal.removeEventListener("abort", stop);
      await iterator.return?.();
    }
  }

  return {
    sample,
    readAll,
    [Symbol.asyncDispose]: async () => {
      if (!ended) end.abort(new AirlockError("interrupted", "nobody reads on"));
      await iterator.return?.();
    },
  };
}
