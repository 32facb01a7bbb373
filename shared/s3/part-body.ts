import type { FileSlice, PartBody } from "../stores.ts";

/** How much of a body is read, hashed or sent at a time; each piece that is sent counts as progress. */
export const PIECE_BYTES = 256 * 1024;

/** The body's bytes, piece by piece. A file that is shorter than its slice says throws, so that nothing short is sent. */
export async function* readPieces(body: PartBody): AsyncGenerator<Uint8Array, void, undefined> {
  if (body instanceof Uint8Array) {
    for (let start = 0; start < body.length; start += PIECE_BYTES) yield body.subarray(start, start + PIECE_BYTES);
    return;
  }
  for (let done = 0; done < body.length;) {
    // a new buffer each time: the socket may still hold the last one
    const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, body.length - done));
    const { bytesRead } = await body.file.read(buffer, 0, buffer.length, body.offset + done);
    if (bytesRead === 0) throw new RangeError(`the file ends ${body.length - done} bytes early`);
    yield buffer.subarray(0, bytesRead);
    done += bytesRead;
  }
}

export function isFileSlice(body: unknown): body is FileSlice {
  return typeof body === "object" && body !== null && "file" in body && "offset" in body && "length" in body;
}
