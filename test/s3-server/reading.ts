/** Conditions, ranges and readability of what a request wants to read. */
import type { Buffer } from "node:buffer";
import { header, type Context, type World } from "./context.ts";
import { S3Error } from "./errors.ts";
import type { Version } from "./model.ts";
import type { BodySource } from "./reply.ts";
import { parseCustomerKey } from "./settings.ts";
import { blobsOf, preconditionFailed, unquote } from "./versions.ts";

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** If-Match and so on, in RFC 9110's order. Throws 412, or 304 with the headers that it keeps. */
export function checkReadConditions(context: Context, version: Version, prefix = ""): void {
  const seconds = Math.floor(version.lastModifiedMs / 1000) * 1000;
  const time = (name: string): number => Date.parse(header(context, prefix + name) ?? "");
  const ifMatch = header(context, `${prefix}if-match`);
  const ifNoneMatch = header(context, `${prefix}if-none-match`);
  if (ifMatch !== undefined) {
    if (!matchesAny(ifMatch, version.etag)) throw preconditionFailed("If-Match");
  } else if (time("if-unmodified-since") < seconds) {
    throw preconditionFailed("If-Unmodified-Since");
  }
  const isUnchanged =
    ifNoneMatch === undefined ? time("if-modified-since") >= seconds : matchesAny(ifNoneMatch, version.etag);
  if (!isUnchanged) return;
  if (prefix !== "") throw preconditionFailed("If-None-Match");
  throw new S3Error(
    "NotModified",
    "Not Modified",
    {},
    {
      etag: `"${version.etag}"`,
      "last-modified": new Date(seconds).toUTCString(),
    },
  );
}

function matchesAny(list: string, etag: string): boolean {
  return list.split(",").some((item) => item.trim() === "*" || unquote(item.trim().replace(/^W\//, "")) === etag);
}

/** The range of a Range header; undefined for one that S3 ignores (malformed, or several). */
export function parseRange(text: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(text?.trim() ?? "");
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  const [, first = "", last = ""] = match;
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  const start = first === "" ? Math.max(0, sizeBytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
  if (start >= end) {
    throw new S3Error(
      "InvalidRange",
      "The requested range is not satisfiable",
      { RangeRequested: text ?? "", ActualObjectSize: String(sizeBytes) },
      { "content-range": `bytes */${sizeBytes}` },
    );
  }
  return { start, end };
}

const archived = new Set(["GLACIER", "DEEP_ARCHIVE"]);

export function isArchived(version: Version, nowMs: number): boolean {
  const restored = version.extras?.restored;
  const isReadable = restored !== undefined && restored.fromMs <= nowMs && nowMs < restored.untilMs;
  return archived.has(version.storageClass) && !isReadable;
}

export function checkReadable(context: Context, version: Version): void {
  if (isArchived(version, context.world.clock())) {
    throw new S3Error("InvalidObjectState", "The operation is not valid for the object's storage class", {
      StorageClass: version.storageClass,
    });
  }
}

/** SSE-C: the same key must come with every request, and none where there was none. */
export function checkCustomerKey(
  context: Context,
  version: Version,
  prefix = "x-amz-server-side-encryption-customer-",
): void {
  const given = parseCustomerKey(context, prefix);
  const wanted = version.extras?.customerKeyMd5;
  if (wanted === undefined) {
    if (given === undefined) return;
    throw new S3Error("InvalidRequest", "The encryption parameters are not applicable to this object.");
  }
  if (given === undefined) {
    throw new S3Error(
      "InvalidRequest",
      "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
    );
  }
  if (given !== wanted) throw new S3Error("AccessDenied", "Access Denied");
}

/** The version's bytes within the range, kept from being removed until released. */
export function createBodySource(world: World, version: Version, range: ByteRange): BodySource {
  const blobs = blobsOf(version);
  for (const blob of blobs) world.blobs.retain(blob);
  let released = false;
  async function* read(): AsyncGenerator<Buffer, void> {
    let offset = 0;
    for (const blob of blobs) {
      const start = Math.max(0, range.start - offset);
      const end = Math.min(blob.sizeBytes, range.end - offset);
      if (start < end) yield* world.blobs.read(blob, start, end);
      offset += blob.sizeBytes;
    }
  }
  return {
    sizeBytes: range.end - range.start,
    read,
    release: () => {
      if (released) return;
      released = true;
      for (const blob of blobs) world.blobs.release(blob);
    },
  };
}

/** A small body at once, where it lies in one packed blob. */
export function readAtOnce(world: World, version: Version, range: ByteRange): Buffer | undefined {
  const [blob, ...rest] = blobsOf(version);
  return blob === undefined || rest.length > 0 ? undefined : world.blobs.readPacked(blob, range.start, range.end);
}
