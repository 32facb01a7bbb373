import { constants, createZstdCompress, type ZstdCompress } from "node:zlib";

export interface Compression {
  /** zstd's, 1 to 19. */
  readonly level: number;
  /** Binary logarithm of the window that long mode searches, in bytes; null: without long mode. */
  readonly windowLog: number | null;
}

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

async function feed(source: AsyncIterable<Uint8Array>, zstd: ZstdCompress): Promise<void> {
  for await (const piece of source) {
    await new Promise<void>((resolve, reject) => zstd.write(piece, (error) => (error ? reject(error) : resolve())));
  }
  zstd.end();
}
