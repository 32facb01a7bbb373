/** What other stores than AWS S3 do, by bucket: a store as it is, to find out what Airlock makes of it. */
import type { Context } from "./context.ts";
import { S3Error } from "./errors.ts";
import type { Bucket, UploadedPart } from "./model.ts";

export interface Quirks {
  /** If-None-Match of a PUT is taken and not looked at. */
  readonly ignoresCreateOnlyPut?: boolean;
  /** Likewise of a CompleteMultipartUpload. */
  readonly ignoresCreateOnlyComplete?: boolean;
  /** A delete's If-Match: looked at as S3 does, by default; or not; or such deletes are refused. */
  readonly conditionalDelete?: "ignored" | "refused";
  /** Bytes that do not match their checksum, MD5 or payload hash are stored. */
  readonly takesAlteredBytes?: boolean;
  /** DeleteObjects is not known. */
  readonly hasNoBatchDelete?: boolean;
  /** Of one upload. */
  readonly maxParts?: number;
  /** All parts of an upload but the last must have the size of the first (Cloudflare R2). */
  readonly needsEqualParts?: boolean;
}

export function quirksOf({ world, request }: Context): Quirks {
  return world.buckets.get(request.bucket ?? "")?.quirks ?? {};
}

export function notImplemented(what: string): S3Error {
  return new S3Error("NotImplemented", "A header you provided implies functionality that is not implemented", {
    Header: what,
  });
}

export function checkParts({ quirks: { maxParts, needsEqualParts } }: Bucket, parts: readonly UploadedPart[]): void {
  if (maxParts !== undefined && parts.length > maxParts) {
    throw new S3Error("InvalidArgument", `Part number must be an integer between 1 and ${maxParts}, inclusive`);
  }
  const [first] = parts;
  if (needsEqualParts === true && parts.slice(1, -1).some(({ sizeBytes }) => sizeBytes !== first?.sizeBytes)) {
    throw new S3Error("InvalidPart", "All non-trailing parts must have the same length.");
  }
}
