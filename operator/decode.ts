import { pipeline, Readable } from "node:stream";
import { createZstdDecompress } from "node:zlib";
import { AirlockError, isAirlockError } from "../shared/errors.ts";
import type { EncodingStep } from "../shared/statement.ts";
import { decryptAge } from "./age-payload.ts";

const PIECE_BYTES = 256 * 1024;

/**
 * Undoes what was done to the bytes, last step first, up to the tar archive, which is for `unpack`. Memory stays
 * bounded whatever a small input grows to; how much is written is the disk's to limit.
 * @throws {AirlockError} `decrypt-failed` or `object-corrupt`, at the latest at the end
 */
export function decodeStream(
  stored: AsyncIterable<Uint8Array>,
  encoding: readonly EncodingStep[],
  identities: readonly string[],
): AsyncIterable<Uint8Array> {
  let decoded = stored;
  for (const step of encoding.toReversed()) {
    if (step === "age") decoded = decryptAge(decoded, identities);
    if (step === "zstd") decoded = decompress(decoded);
  }
  return decoded;
}

/** Whether the steps are ones that {@link decodeStream} and `unpack` can undo: an archive is made first or not at all. */
export function isDecodable(encoding: readonly EncodingStep[]): boolean {
  return encoding.lastIndexOf("tar") <= 0;
}

const SUFFIXES: Readonly<Record<EncodingStep, string>> = { tar: ".tar", zstd: ".zst", age: ".age" };

/** The file's own name: without the suffixes of the steps that were undone, as far as it has them. */
export function decodedName(name: string, encoding: readonly EncodingStep[]): string {
  let decoded = name;
  for (const step of encoding.toReversed()) {
    if (!decoded.endsWith(SUFFIXES[step])) break;
    decoded = decoded.slice(0, -SUFFIXES[step].length);
  }
  return decoded === "" || decoded === "." || decoded === ".." ? name : decoded;
}

/** zstd's own limit on its window (128 MiB) holds here too: a frame that asks for more is refused. */
async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const zstd = createZstdDecompress({ chunkSize: PIECE_BYTES });
  pipeline(Readable.from(source, { objectMode: false, highWaterMark: PIECE_BYTES }), zstd, () => {
    // The reader below sees the same error: `pipeline` destroys the decompressor with it.
  });
  try {
    for await (const chunk of zstd) yield chunk;
  } catch (cause) {
    if (isAirlockError(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AirlockError("object-corrupt", `it does not decompress: ${reason}`, {
      remedy: "restore an earlier object with --at; its stored bytes can be had with --raw",
      cause,
    });
  } finally {
    zstd.destroy();
  }
}
