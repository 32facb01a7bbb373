import { createHash, hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { StoreConfig } from "../config/store-config.ts";
import type { PartBody } from "../stores.ts";
import { readPieces } from "./part-body.ts";
import { UNSIGNED_PAYLOAD } from "./sigv4.ts";
import type { Integrity } from "./transport.ts";

export interface Protection {
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** What is signed: hex SHA-256 of the body, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
  /** Base64 CRC-32; null where a Content-MD5 was sent in its place. */
  readonly checksum: string | null;
}

/**
 * Everything by which a store can tell that a body was altered. Besides the payload hash there is always a checksum
 * header: S3 demands one of whatever is stored under Object Lock.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
 */
export function protectBody(body: Uint8Array, checksums: StoreConfig["checksums"], integrity: Integrity): Protection {
  const payloadHash = integrity === "signed-payload" ? hash("sha256", body, "hex") : UNSIGNED_PAYLOAD;
  if (checksums === "required-only")
    return describe(payloadHash, { md5: createHash("md5").update(body).digest("base64") });
  return describe(payloadHash, { crc32: formatCrc32(crc32(body)) });
}

/** {@link protectBody} for a body that may be in a file, which is read once for it. */
export async function protectPart(
  body: PartBody,
  checksums: StoreConfig["checksums"],
  integrity: Integrity,
): Promise<Protection> {
  if (body instanceof Uint8Array) return protectBody(body, checksums, integrity);
  const sha256 = createHash("sha256");
  const md5 = createHash("md5");
  const isOld = checksums === "required-only";
  let crc = 0;
  for await (const piece of readPieces(body)) {
    if (integrity === "signed-payload") sha256.update(piece);
    if (isOld) md5.update(piece);
    else crc = crc32(piece, crc);
  }
  const payloadHash = integrity === "signed-payload" ? sha256.digest("hex") : UNSIGNED_PAYLOAD;
  return describe(payloadHash, isOld ? { md5: md5.digest("base64") } : { crc32: formatCrc32(crc) });
}

function describe(payloadHash: string, sum: { readonly md5: string } | { readonly crc32: string }): Protection {
  // for stores older than S3's checksums
  if ("md5" in sum) return { headers: [["content-md5", sum.md5]], payloadHash, checksum: null };
  // Ceph checks the value only when the algorithm is named as well
  const headers = [["x-amz-sdk-checksum-algorithm", "CRC32"] as const, ["x-amz-checksum-crc32", sum.crc32] as const];
  return { headers, payloadHash, checksum: sum.crc32 };
}

/** As the header has it: base64 of the big-endian value. */
function formatCrc32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString("base64");
}
