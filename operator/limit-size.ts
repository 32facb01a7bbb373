import { formatBytes } from "../shared/config/units.ts";
import { AirlockError } from "../shared/errors.ts";

/** So much may come of anything, however small. */
const FLOOR_BYTES = 1024 ** 3;
/** Dumps and logs shrink to a tenth or a fiftieth; what grows more than this was made to, or is mostly zeros. */
const MAX_RATIO = 200;

/** What may come of so many stored bytes unless somebody says otherwise. */
export function defaultSizeLimit(storedBytes: number): number {
  return Math.max(FLOOR_BYTES, storedBytes * MAX_RATIO);
}

/** How many bytes came of it so far. */
export interface Tally {
  bytes: number;
}

/**
 * Passes bytes on up to a limit and counts them: a few KiB can be made to decompress to a full disk, and the host that
 * signed them may have been taken over.
 * @throws {AirlockError} `object-too-large`
 */
export async function* limitSize(
  decoded: AsyncIterable<Uint8Array>,
  { maxBytes, storedBytes }: { readonly maxBytes: number; readonly storedBytes: number },
  tally: Tally,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of decoded) {
    tally.bytes += piece.length;
    if (tally.bytes > maxBytes) {
      throw new AirlockError(
        "object-too-large",
        `it grows to more than ${formatBytes(maxBytes)} from ${formatBytes(storedBytes)} stored, as what is made to fill a disk does`,
        { remedy: "if it may be that large, allow it: --max-size 100GiB" },
      );
    }
    yield piece;
  }
}
