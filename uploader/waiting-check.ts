import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { AirlockError } from "../shared/errors.ts";
import type { UploadedPart } from "../shared/stores.ts";
import { damaged, type WaitingObject } from "./spool.ts";

const READ_BYTES = 1024 * 1024;

/**
 * Reads a body once more, whole and in order, and holds it against its digest; and what the store confirmed of each part
 * (the CRC-32 of what was sent, where the store was given one) against the part as it now reads.
 * @returns the numbers of parts that were sent with other bytes
 * @throws {AirlockError} `spool-damaged`
 */
export async function findAlteredParts(
  object: WaitingObject,
  file: FileHandle,
  { parts, partBytes }: { readonly parts: readonly UploadedPart[]; readonly partBytes: number },
  signal: AbortSignal,
): Promise<readonly number[]> {
  const sha256 = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const sums: number[] = [];
  for (let position = 0; position < object.sizeBytes;) {
    if (signal.aborted) throw new AirlockError("interrupted", "interrupted", { cause: signal.reason });
    const index = Math.floor(position / partBytes);
    const wanted = Math.min(buffer.length, (index + 1) * partBytes - position, object.sizeBytes - position);
    const { bytesRead } = await file.read(buffer, 0, wanted, position).catch((cause: unknown) => {
      throw damaged(object.id, "it can't be read", cause);
    });
    if (bytesRead === 0) throw damaged(object.id, "it has become shorter");
    const piece = buffer.subarray(0, bytesRead);
    sha256.update(piece);
    sums[index] = crc32(piece, sums[index] ?? 0);
    position += bytesRead;
  }
  if (sha256.digest("hex") !== object.sha256) throw damaged(object.id, "its digest is another");
  const isAltered = ({ number, checksum }: UploadedPart): boolean =>
    checksum !== null && checksum !== formatCrc32(sums[number - 1] ?? 0);
  return parts.filter(isAltered).map(({ number }) => number);
}

/** As S3 has it: base64 of the big-endian value. */
function formatCrc32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString("base64");
}
