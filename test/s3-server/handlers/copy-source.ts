/** What a copy reads: the source that x-amz-copy-source names, under the caller's rights. */
import { authorize } from "../authorize.ts";
import { findBucket, header, type Context } from "../context.ts";
import { S3Error } from "../errors.ts";
import type { Bucket, Version } from "../model.ts";
import { checkCustomerKey, checkReadable, checkReadConditions, type ByteRange } from "../reading.ts";
import { toByteString } from "../sorted-keys.ts";
import { checkVersionId, findVersion } from "../versions.ts";

const sourceKeyPrefix = "x-amz-copy-source-server-side-encryption-customer-";

export interface Source {
  readonly bucket: Bucket;
  readonly key: string;
  readonly version: Version;
  readonly arn: string;
}

/** The version to copy from, after the caller's right to read it and the source conditions were checked. */
export function findSource(context: Context): Source {
  const { bucketName, key, versionId } = parseSource(header(context, "x-amz-copy-source") ?? "");
  const bucket = findBucket(context.world, bucketName);
  const expected = header(context, "x-amz-source-expected-bucket-owner");
  if (expected !== undefined && expected !== bucket.account.id) throw new S3Error("AccessDenied", "Access Denied");
  const arn = `arn:aws:s3:::${bucketName}/${key}`;
  authorize(context, bucket, versionId === undefined ? "s3:GetObject" : "s3:GetObjectVersion", arn, { versionId });
  const keyBytes = toByteString(key);
  if (versionId !== undefined) {
    checkVersionId(versionId);
    const named = bucket.keys.get(keyBytes)?.versions.find((version) => version.versionId === versionId);
    if (named?.isDeleteMarker === true) {
      throw new S3Error(
        "InvalidRequest",
        "The source of a copy request may not specifically refer to a delete marker by version id.",
      );
    }
  }
  const version = findVersion(context, bucket, keyBytes, versionId);
  checkCustomerKey(context, version, sourceKeyPrefix);
  checkReadConditions(context, version, "x-amz-copy-source-");
  checkReadable(context, version);
  return { bucket, key: keyBytes, version, arn };
}

function parseSource(text: string): { bucketName: string; key: string; versionId: string | undefined } {
  const [path = "", versionId] = text.split("?versionId=");
  let decoded: string;
  try {
    decoded = decodeURIComponent(path).replace(/^\//, "");
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    decoded = "";
  }
  const slash = decoded.indexOf("/");
  if (slash < 1 || slash === decoded.length - 1) {
    throw new S3Error("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", {
      ArgumentName: "x-amz-copy-source",
      ArgumentValue: text,
    });
  }
  return { bucketName: decoded.slice(0, slash), key: decoded.slice(slash + 1), versionId };
}

/** Unlike a GET's, this range must be whole and inside the source. */
export function parseSourceRange(text: string | undefined, sizeBytes: number): ByteRange {
  if (text === undefined) return { start: 0, end: sizeBytes };
  const match = /^bytes=(\d+)-(\d+)$/.exec(text);
  const start = Number(match?.[1]);
  const end = Number(match?.[2]) + 1;
  if (match === null || start >= end) {
    throw new S3Error(
      "InvalidArgument",
      "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
    );
  }
  if (end > sizeBytes) {
    throw new S3Error("InvalidArgument", `Range specified is not valid for source object of size: ${sizeBytes}`);
  }
  return { start, end };
}
