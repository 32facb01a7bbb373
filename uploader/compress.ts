import { constants, createZstdCompress, type ZstdCompress } from "node:zlib";

export interface Compression {
  /** zstd's, 1 to 19. */
  readonly level: number;
  /** Binary logarithm of the window that long mode searches, in bytes; null: without long mode. */
  readonly windowLog: number | null;
}

const INPUT_BYTES = 1024 * 1024;
const OUTPUT_BYTES = 1024 * 1024;

/**
 * One zstd frame with its own checksum, which tells a restore without Airlock that it read what was written. An error of
 * the source reaches the reader instead of a frame that looks complete. A piece of the source is done with when the next
 * one is asked for.
 */
export async function* compress(
  source: AsyncIterable<Uint8Array>,
  { level, windowLog }: Compression,
): AsyncGenerator<Uint8Array, void, undefined> {
  const longMode =
    windowLog === null
      ? {}
      : { [constants.ZSTD_c_enableLongDistanceMatching]: 1, [constants.ZSTD_c_windowLog]: windowLog };
  const options = {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1, ...longMode },
    chunkSize: OUTPUT_BYTES,
    // A stream's option, which zlib's own type leaves out: it goes on while its reader is busy with the last output.
    highWaterMark: 2 * OUTPUT_BYTES,
  };
  const zstd = createZstdCompress(options);
  feed(source, zstd).catch((error: unknown) => zstd.destroy(error instanceof Error ? error : new Error(String(error))));
  try {
    for await (const chunk of zstd) yield chunk;
  } finally {
    zstd.destroy();
  }
}

/** Two pieces at once, so that the compressor has its next one the moment that it is done with the last. */
async function feed(source: AsyncIterable<Uint8Array>, zstd: ZstdCompress): Promise<void> {
  const inputs = Array.from({ length: 2 }, () => ({
    bytes: Buffer.allocUnsafeSlow(INPUT_BYTES),
    taken: Promise.resolve(),
  }));
  let turn = 0;
  for await (const piece of source) {
    for (let offset = 0; offset < piece.length; offset += INPUT_BYTES) {
      const input = inputs[turn++ % inputs.length];
      if (input === undefined) throw new RangeError("there is one for each turn");
      await input.taken;
      const part = piece.subarray(offset, offset + INPUT_BYTES);
      input.bytes.set(part);
      input.taken = write(zstd, input.bytes.subarray(0, part.length));
      input.taken.catch(() => undefined); // whoever waits for it hears of it
    }
  }
  await Promise.all(inputs.map(({ taken }) => taken));
  zstd.end();
}

function write(zstd: ZstdCompress, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => zstd.write(bytes, (error) => (error ? reject(error) : resolve())));
}
