import { createHash, hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { StoreConfig } from "../config/store-config.ts";
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
  if (checksums === "required-only") {
    // for stores older than S3's checksums
    return { headers: [["content-md5", createHash("md5").update(body).digest("base64")]], payloadHash, checksum: null };
  }
  const checksum = formatCrc32(body);
  // Ceph checks the value only when the algorithm is named as well
  const headers = [["x-amz-sdk-checksum-algorithm", "CRC32"] as const, ["x-amz-checksum-crc32", checksum] as const];
  return { headers, payloadHash, checksum };
}

/** As the header has it: base64 of the big-endian value. */
function formatCrc32(body: Uint8Array): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString("base64");
}
