import { Buffer } from "node:buffer";
import { isAllowed } from "../authorize.ts";
import { checksumHeader } from "../checksums.ts";
import { bucketOf, header, keyOf, query, type Context, type Reply } from "../context.ts";
import { S3Error } from "../errors.ts";
import { lockHeaders } from "../lock.ts";
import type { Bucket, Version } from "../model.ts";
import {
  checkCustomerKey,
  checkReadable,
  checkReadConditions,
  createBodySource,
  parseRange,
  readAtOnce,
  type ByteRange,
} from "../reading.ts";
import { parseInteger } from "../request.ts";
import { findVersion } from "../versions.ts";
import { encryptionHeaders } from "./put.ts";

const overridable = [
  "content-type",
  "content-language",
  "expires",
  "cache-control",
  "content-disposition",
  "content-encoding",
];

export function getObject(context: Context): Reply {
  const { bucket, version, slice, reply } = prepare(context);
  if (version.sizeBytes === 0) return { ...reply, body: Buffer.alloc(0) };
  checkReadable(context, version);
  const body = readAtOnce(context.world, version, slice) ?? createBodySource(context.world, version, slice);
  if (bucket.versioning !== "Off") reply.headers["x-amz-version-id"] = version.versionId;
  return { ...reply, body };
}

export function headObject(context: Context): Reply {
  return prepare(context).reply;
}

interface Prepared {
  readonly bucket: Bucket;
  readonly version: Version;
  readonly slice: ByteRange;
  readonly reply: Reply;
}

function prepare(context: Context): Prepared {
  const bucket = bucketOf(context);
  const version = findVersion(context, bucket, keyOf(context));
  checkCustomerKey(context, version);
  checkReadConditions(context, version);
  const { slice, isPartial, headers } = selectBytes(context, version);
  const reply: Reply = {
    status: isPartial ? 206 : 200,
    headers: {
      ...objectHeaders(context, bucket, version),
      ...headers,
      "content-length": String(slice.end - slice.start),
    },
  };
  if (!isPartial) addChecksum(context, version, reply.headers);
  for (const name of overridable) {
    const value = query(context, `response-${name}`);
    if (value === undefined) continue;
    if (context.caller.holder === undefined) {
      throw new S3Error(
        "InvalidRequest",
        "Request specific response headers cannot be used for anonymous GET requests.",
      );
    }
    reply.headers[name] = value;
  }
  return { bucket, version, slice, reply };
}

function addChecksum(context: Context, version: Version, headers: Record<string, string>): void {
  if (header(context, "x-amz-checksum-mode")?.toUpperCase() !== "ENABLED" || version.checksum === undefined) return;
  headers[checksumHeader(version.checksum.name)] = version.checksum.value;
  headers["x-amz-checksum-type"] = version.checksum.type;
}

function selectBytes(
  context: Context,
  version: Version,
): { slice: ByteRange; isPartial: boolean; headers: Record<string, string> } {
  const rangeHeader = header(context, "range");
  const partNumber = query(context, "partNumber");
  const whole = { start: 0, end: version.sizeBytes };
  if (partNumber === undefined) {
    const range = parseRange(rangeHeader, version.sizeBytes);
    if (range === undefined) return { slice: whole, isPartial: false, headers: {} };
    return { slice: range, isPartial: true, headers: contentRange(range, version) };
  }
  if (rangeHeader !== undefined) {
    throw new S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  }
  return selectPart(context, version, parseInteger(partNumber, "partNumber", 1, 10_000));
}

function selectPart(
  context: Context,
  version: Version,
  number: number,
): { slice: ByteRange; isPartial: boolean; headers: Record<string, string> } {
  const parts = version.extras?.parts ?? [{ partNumber: 1, sizeBytes: version.sizeBytes, checksum: undefined }];
  const part = parts[number - 1];
  if (part === undefined) {
    throw new S3Error("InvalidPartNumber", "The requested partnumber is not satisfiable", {
      PartNumberRequested: String(number),
      ActualPartCount: String(parts.length),
    });
  }
  const start = parts.slice(0, number - 1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const slice = { start, end: start + part.sizeBytes };
  const headers = version.sizeBytes === 0 ? {} : contentRange(slice, version);
  if (version.extras?.parts !== undefined) headers["x-amz-mp-parts-count"] = String(parts.length);
  const wantsChecksum = header(context, "x-amz-checksum-mode")?.toUpperCase() === "ENABLED";
  if (wantsChecksum && part.checksum !== undefined && version.checksum !== undefined) {
    headers[checksumHeader(version.checksum.name)] = part.checksum;
    headers["x-amz-checksum-type"] = version.checksum.type;
  }
  return { slice, isPartial: true, headers };
}

function contentRange({ start, end }: ByteRange, version: Version): Record<string, string> {
  return { "content-range": `bytes ${start}-${end - 1}/${version.sizeBytes}` };
}

function objectHeaders(context: Context, bucket: Bucket, version: Version): Record<string, string> {
  const headers: Record<string, string> = {
    "last-modified": new Date(version.lastModifiedMs).toUTCString(),
    etag: `"${version.etag}"`,
    "accept-ranges": "bytes",
    ...encryptionHeaders(version),
  };
  for (const [name, value] of version.headers) headers[name] = value;
  if (bucket.versioning !== "Off") headers["x-amz-version-id"] = version.versionId;
  if (version.storageClass !== "STANDARD") headers["x-amz-storage-class"] = version.storageClass;
  const { extras } = version;
  if (extras === undefined) return headers;
  const objectArn = `arn:aws:s3:::${bucket.name}/${context.request.key ?? ""}`;
  // These three are shown only to who may ask for them on their own.
  const may = (action: string): boolean => isAllowed(context, bucket, action, objectArn);
  if (extras.tags.size > 0 && may("s3:GetObjectTagging")) headers["x-amz-tagging-count"] = String(extras.tags.size);
  const lock = lockHeaders(extras);
  if (extras.retention !== undefined && may("s3:GetObjectRetention")) Object.assign(headers, lock.retention);
  if (extras.legalHold && may("s3:GetObjectLegalHold")) Object.assign(headers, lock.legalHold);
  const nowMs = context.world.clock();
  if (extras.restored !== undefined && nowMs < extras.restored.untilMs) {
    const expiry = new Date(extras.restored.untilMs).toUTCString();
    headers["x-amz-restore"] =
      nowMs < extras.restored.fromMs ? `ongoing-request="true"` : `ongoing-request="false", expiry-date="${expiry}"`;
  }
  return headers;
}
