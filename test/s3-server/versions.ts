/** The versions of a key: what a write, a delete and a look-up do to them. Every function here is synchronous: it is the effect. */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { Blob } from "./blobs.ts";
import { header, query, type Context, type World } from "./context.ts";
import { S3Error } from "./errors.ts";
import type { Bucket, KeyEntry, Version } from "./model.ts";
import { fromByteString } from "./sorted-keys.ts";
import { isAllowed } from "./authorize.ts";

const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
const sequenceDigits = 9;

/** 32 characters; the first nine tell the order, so that a listing can go on after a version that was deleted meanwhile. */
export function createVersionId(sequence: number): string {
  const letters = randomBytes(32 - sequenceDigits);
  for (const [index, byte] of letters.entries()) letters[index] = idLetters.charCodeAt(byte % 64);
  return flat(sequence.toString(36).padStart(sequenceDigits, "0") + letters.toString("latin1"));
}

/** The same Latin-1 string in memory of its own: not a piece of a URL or a chain of concatenations that it would keep alive. */
function flat(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

export function sequenceOf(versionId: string): number | undefined {
  return versionId === "null" ? undefined : Number.parseInt(versionId.slice(0, sequenceDigits), 36);
}

export function checkVersionId(versionId: string): void {
  if (versionId !== "null" && !/^[A-Za-z0-9._]{32}$/.test(versionId)) {
    throw new S3Error("InvalidArgument", "Invalid version id specified", {
      ArgumentName: "versionId",
      ArgumentValue: versionId,
    });
  }
}

export function currentVersion(bucket: Bucket, key: string): Version | undefined {
  return bucket.keys.get(key)?.versions[0];
}

/** The current version if it is an object, not a delete marker. */
export function currentObject(bucket: Bucket, key: string): Version | undefined {
  const version = currentVersion(bucket, key);
  return version?.isDeleteMarker === false ? version : undefined;
}

export function blobsOf(version: Version): readonly Blob[] {
  if (version.body === undefined) return [];
  return "length" in version.body ? version.body : [version.body];
}

export function releaseBody(world: World, version: Version): void {
  for (const blob of blobsOf(version)) world.blobs.release(blob);
}

/** The id that the bucket gives to what is written now. */
export function nextVersionId(world: World, bucket: Bucket): string {
  return bucket.versioning === "Enabled" ? createVersionId(world.nextSequence()) : "null";
}

/** Makes the version current; a `null` version takes the place of the former one. */
export function addVersion(world: World, bucket: Bucket, key: string, version: Version): void {
  const entry = bucket.keys.get(key);
  if (entry === undefined) {
    bucket.keys.add({ key: flat(key), versions: [version] });
    return;
  }
  if (version.versionId === "null") dropVersion(world, entry, "null");
  entry.versions.unshift(version);
}

function dropVersion(world: World, entry: KeyEntry, versionId: string): Version | undefined {
  const index = entry.versions.findIndex((version) => version.versionId === versionId);
  const version = entry.versions[index];
  if (version === undefined) return undefined;
  entry.versions.splice(index, 1);
  releaseBody(world, version);
  return version;
}

/** Removes exactly that version; undefined if it is not there. */
export function removeVersion(world: World, bucket: Bucket, key: string, versionId: string): Version | undefined {
  const entry = bucket.keys.get(key);
  if (entry === undefined) return undefined;
  const version = dropVersion(world, entry, versionId);
  if (entry.versions.length === 0) bucket.keys.remove(key);
  return version;
}

export function createDeleteMarker(world: World, bucket: Bucket): Version {
  return {
    versionId: nextVersionId(world, bucket),
    isDeleteMarker: true,
    lastModifiedMs: world.clock(),
    sizeBytes: 0,
    etag: "",
    body: undefined,
    checksum: undefined,
    storageClass: "STANDARD",
    headers: new Map(),
    extras: undefined,
  };
}

/** If-None-Match and If-Match of a write, against the current version: S3 User Guide, "Conditional writes". */
export function checkWriteConditions(context: Context, bucket: Bucket, key: string): void {
  const ifNoneMatch = header(context, "if-none-match");
  const ifMatch = header(context, "if-match");
  if (ifNoneMatch === undefined && ifMatch === undefined) return;
  checkConditionForm(ifNoneMatch, ifMatch);
  const current = currentObject(bucket, key);
  const { ignoresCreateOnlyPut, ignoresCreateOnlyComplete } = bucket.quirks;
  const isIgnored = context.operation === "PutObject" ? ignoresCreateOnlyPut : ignoresCreateOnlyComplete;
  if (ifNoneMatch !== undefined && current !== undefined && isIgnored !== true)
    throw preconditionFailed("If-None-Match");
  if (ifMatch === undefined) return;
  if (current === undefined) throw noSuchKey(key);
  if (unquote(ifMatch) !== current.etag) throw preconditionFailed("If-Match");
}

function checkConditionForm(ifNoneMatch: string | undefined, ifMatch: string | undefined): void {
  const unsupported = (name: string): S3Error =>
    new S3Error("NotImplemented", "A header you provided implies functionality that is not implemented", {
      Header: name,
    });
  if (ifNoneMatch !== undefined && (ifNoneMatch.trim() !== "*" || ifMatch !== undefined))
    throw unsupported("If-None-Match");
  if (ifMatch?.trim() === "*") throw unsupported("If-Match");
}

export function preconditionFailed(condition: string): S3Error {
  return new S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
    Condition: condition,
  });
}

export function unquote(etag: string): string {
  return etag.trim().replace(/^"(.*)"$/, "$1");
}

export function noSuchKey(key: string, headers: Record<string, string> = {}): S3Error {
  return new S3Error("NoSuchKey", "The specified key does not exist.", { Key: fromByteString(key) }, headers);
}

/**
 * The version that a request reads: its versionId's, else the current one. Whether something missing is told as 404
 * or as 403 depends on the right to list (GetObject's API page, "Permissions").
 */
export function findVersion(
  context: Context,
  bucket: Bucket,
  key: string,
  versionId = query(context, "versionId"),
): Version {
  if (versionId !== undefined) {
    checkVersionId(versionId);
    const found = bucket.keys.get(key)?.versions.find((version) => version.versionId === versionId);
    if (found === undefined) {
      requireListing(context, bucket);
      throw new S3Error("NoSuchVersion", "The specified version does not exist.", {
        Key: fromByteString(key),
        VersionId: versionId,
      });
    }
    if (found.isDeleteMarker) {
      throw new S3Error(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        { Method: context.request.method, ResourceType: "DeleteMarker" },
        {
          allow: "DELETE",
          "x-amz-delete-marker": "true",
          "x-amz-version-id": found.versionId,
          "last-modified": new Date(found.lastModifiedMs).toUTCString(),
        },
      );
    }
    return found;
  }
  const current = currentVersion(bucket, key);
  if (current?.isDeleteMarker === false) return current;
  requireListing(context, bucket);
  const marker: Record<string, string> =
    current === undefined ? {} : { "x-amz-delete-marker": "true", "x-amz-version-id": current.versionId };
  throw noSuchKey(key, marker);
}

/** Who may not list the bucket is not told what is missing from it. */
function requireListing(context: Context, bucket: Bucket): void {
  if (!isAllowed(context, bucket, "s3:ListBucket", `arn:aws:s3:::${bucket.name}`)) {
    throw new S3Error("AccessDenied", "Access Denied");
  }
}
