import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { receiveBlob } from "../body.ts";
import { checksumHeader } from "../checksums.ts";
import { watchConflicts } from "../conflicts.ts";
import { bucketOf, keyOf, type Context, type Reply } from "../context.ts";
import { requireIntegrity } from "../lock.ts";
import type { Bucket, ObjectSettings, PartOfObject, Version, VersionExtras } from "../model.ts";
import { parseSettings } from "../settings.ts";
import { addVersion, checkWriteConditions, nextVersionId } from "../versions.ts";

export function putObject(context: Context): Promise<Reply> {
  return watchConflicts(context, bucketOf(context), keyOf(context), (checkConflict) => put(context, checkConflict));
}

async function put(context: Context, checkConflict: () => void): Promise<Reply> {
  const settings = parseSettings(context, bucketOf(context));
  const received = await receiveBlob(context, "CRC64NVME");
  try {
    requireIntegrity(settings.retention !== undefined, received.isDeclared, context, "Object");
    await context.beforeEffect();
    const bucket = bucketOf(context);
    const key = keyOf(context);
    checkConflict();
    checkWriteConditions(context, bucket, key);
    const version: Version = {
      versionId: nextVersionId(context.world, bucket),
      isDeleteMarker: false,
      lastModifiedMs: context.world.clock(),
      sizeBytes: received.sizeBytes,
      etag: objectEtag(received.md5, settings),
      body: received.blob,
      checksum: { ...received.checksum, type: "FULL_OBJECT" },
      storageClass: settings.storageClass,
      headers: settings.headers,
      extras: extrasOf(settings, undefined),
    };
    addVersion(context.world, bucket, key, version);
    context.world.events.emit(bucket, "ObjectCreated:Put", key, version, context);
    return { status: 200, headers: writtenHeaders(bucket, version) };
  } catch (error) {
    context.world.blobs.release(received.blob);
    throw error;
  }
}

/** MD5 of the bytes, save for objects encrypted with a key of the customer's or KMS, whose ETag says nothing of them. */
export function objectEtag(md5: Buffer, settings: ObjectSettings): string {
  const salt = settings.customerKeyMd5 ?? settings.encryption;
  if (salt === undefined) return md5.toString("hex");
  return createHash("md5").update(salt).update(md5).digest("hex");
}

export function extrasOf(
  settings: ObjectSettings,
  parts: readonly PartOfObject[] | undefined,
): VersionExtras | undefined {
  const { tags, retention, legalHold, customerKeyMd5, encryption } = settings;
  const isPlain =
    tags.size === 0 &&
    retention === undefined &&
    !legalHold &&
    customerKeyMd5 === undefined &&
    encryption === undefined;
  if (isPlain && parts === undefined) return undefined;
  return { tags, retention, legalHold, customerKeyMd5, encryption, restored: undefined, parts };
}

/** What S3 answers to a write: ETag, version, encryption and checksum. */
export function writtenHeaders(bucket: Bucket, version: Version): Record<string, string> {
  const headers: Record<string, string> = { etag: `"${version.etag}"`, ...encryptionHeaders(version) };
  if (bucket.versioning !== "Off") headers["x-amz-version-id"] = version.versionId;
  if (version.checksum !== undefined) {
    headers[checksumHeader(version.checksum.name)] = version.checksum.value;
    headers["x-amz-checksum-type"] = version.checksum.type;
  }
  return headers;
}

export function encryptionHeaders(version: Version): Record<string, string> {
  const { customerKeyMd5, encryption } = version.extras ?? {};
  if (customerKeyMd5 !== undefined) return customerKeyHeaders(customerKeyMd5);
  return { "x-amz-server-side-encryption": encryption ?? "AES256" };
}

export function customerKeyHeaders(md5: string): Record<string, string> {
  return {
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-server-side-encryption-customer-key-md5": md5,
  };
}
