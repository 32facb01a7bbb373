import { pipeline, Readable } from "node:stream";
import { constants, createZstdCompress } from "node:zlib";
import type { EncodingStep } from "../shared/statement.ts";
import { encryptAge } from "./age-payload.ts";

export interface Compression {
  /** zstd's, 1 to 19. */
  readonly level: number;
  /** Binary logarithm of the window that long mode searches, in bytes; null: without long mode. */
  readonly windowLog: number | null;
}

export interface Encoding {
  readonly compress: Compression | null;
  /** null: stored unencrypted. Never empty. */
  readonly recipients: readonly string[] | null;
}

/** What the statement says of the bytes: the steps in the order in which {@link encodeStream} takes them. */
export function encodingSteps(encoding: Encoding, isTar: boolean): EncodingStep[] {
  const steps: EncodingStep[] = [];
  if (isTar) steps.push("tar");
  if (encoding.compress !== null) steps.push("zstd");
  if (encoding.recipients !== null) steps.push("age");
  return steps;
}

/** The stored bytes of a source, with no more of it in memory than the steps' own buffers. */
export function encodeStream(source: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncIterable<Uint8Array> {
  const compressed = encoding.compress === null ? source : compress(source, encoding.compress);
  return encoding.recipients === null ? compressed : encryptAge(compressed, encoding.recipients);
}

/**
 * One zstd frame with its own checksum, which tells a restore without Airlock that it read what was written.
 * An error of the source destroys the compressor, so it reaches the reader instead of a frame that looks complete.
 */
async function* compress(
  source: AsyncIterable<Uint8Array>,
  { level, windowLog }: Compression,
): AsyncGenerator<Uint8Array, void, undefined> {
  const longMode =
    windowLog === null
      ? {}
      : { [constants.ZSTD_c_enableLongDistanceMatching]: 1, [constants.ZSTD_c_windowLog]: windowLog };
  const zstd = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1, ...longMode },
    chunkSize: 256 * 1024,
  });
  pipeline(Readable.from(source, { objectMode: false, highWaterMark: 256 * 1024 }), zstd, () => {
    // The reader below sees the same error: `pipeline` destroys the compressor with it.
  });
  try {
    for await (const chunk of zstd) yield chunk;
  } finally {
    zstd.destroy();
  }
}
