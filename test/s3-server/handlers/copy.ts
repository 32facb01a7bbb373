import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { authorize } from "../authorize.ts";
import {
  checksumElement,
  checksumHeader,
  createChecksum,
  parseChecksumName,
  type ChecksumName,
  type StoredChecksum,
} from "../checksums.ts";
import { bucketOf, header, keyOf, type Context, type Reply } from "../context.ts";
import { S3Error } from "../errors.ts";
import { listedTime } from "../listing.ts";
import type { Bucket, ObjectSettings, Version } from "../model.ts";
import { createBodySource } from "../reading.ts";
import { xmlReply } from "../reply.ts";
import { parseSettings } from "../settings.ts";
import { addVersion, blobsOf, checkWriteConditions, nextVersionId } from "../versions.ts";
import { element, xmlDocument } from "../xml.ts";
import { checkUploadKey, findUpload, parsePartNumber, partEtag } from "./multipart.ts";
import { findSource, parseSourceRange, type Source } from "./copy-source.ts";
import { encryptionHeaders, extrasOf, objectEtag } from "./put.ts";

const maxSourceBytes = 5 * 1024 ** 3;
export async function copyObject(context: Context): Promise<Reply> {
  const source = findSource(context);
  const target = bucketOf(context);
  const settings = copiedSettings(context, target, source);
  if (source.version.sizeBytes > maxSourceBytes) {
    throw new S3Error(
      "InvalidRequest",
      `The specified copy source is larger than the maximum allowable size for a copy source: ${maxSourceBytes}`,
    );
  }
  const { world } = context;
  const body = createBodySource(world, source.version, { start: 0, end: source.version.sizeBytes });
  try {
    const { etag, checksum } = await fingerprint(context, source.version, settings, body.read());
    await context.beforeEffect();
    const bucket = bucketOf(context);
    const key = keyOf(context);
    checkWriteConditions(context, bucket, key);
    const version: Version = {
      versionId: nextVersionId(world, bucket),
      isDeleteMarker: false,
      lastModifiedMs: world.clock(),
      sizeBytes: source.version.sizeBytes,
      etag,
      body: source.version.body,
      checksum,
      storageClass: settings.storageClass,
      headers: settings.headers,
      extras: extrasOf(settings, undefined),
    };
    // The copy shares the source's bytes; each version holds its own reference.
    for (const blob of blobsOf(version)) world.blobs.retain(blob);
    addVersion(world, bucket, key, version);
    world.events.emit(bucket, "ObjectCreated:Copy", key, version, context);
    return copiedReply("CopyObjectResult", source, etag, checksum, version.lastModifiedMs, {
      ...encryptionHeaders(version),
      ...(bucket.versioning === "Off" ? {} : { "x-amz-version-id": version.versionId }),
    });
  } finally {
    body.release();
  }
}

function copiedSettings(context: Context, target: Bucket, source: Source): ObjectSettings {
  const given = parseSettings(context, target);
  const replacesMetadata = header(context, "x-amz-metadata-directive") === "REPLACE";
  const replacesTags = header(context, "x-amz-tagging-directive") === "REPLACE";
  const changes =
    replacesMetadata ||
    given.storageClass !== source.version.storageClass ||
    context.request.headers.has("x-amz-server-side-encryption") ||
    given.customerKeyMd5 !== source.version.extras?.customerKeyMd5;
  const isSame =
    target === source.bucket &&
    keyOf(context) === source.key &&
    target.keys.get(source.key)?.versions[0] === source.version;
  if (isSame && !changes) {
    throw new S3Error(
      "InvalidRequest",
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const tags = replacesTags ? given.tags : (source.version.extras?.tags ?? new Map<string, string>());
  if (!replacesTags && tags.size > 0) {
    authorize(context, source.bucket, "s3:GetObjectTagging", source.arn);
    authorize(context, target, "s3:PutObjectTagging", `arn:aws:s3:::${target.name}/${context.request.key ?? ""}`);
  }
  return { ...given, tags, headers: replacesMetadata ? given.headers : source.version.headers };
}

/** ETag and full-object checksum of the copy: taken over where they speak of the bytes alone, else computed. */
async function fingerprint(
  context: Context,
  version: Version,
  settings: ObjectSettings,
  bytes: AsyncIterable<Buffer>,
): Promise<{ etag: string; checksum: StoredChecksum }> {
  const asked = header(context, "x-amz-checksum-algorithm");
  const name: ChecksumName = asked === undefined ? (version.checksum?.name ?? "CRC64NVME") : parseChecksumName(asked);
  const known =
    version.checksum?.type === "FULL_OBJECT" && version.checksum.name === name ? version.checksum : undefined;
  const isPlain = version.extras?.customerKeyMd5 === undefined && version.extras?.encryption === undefined;
  if (known !== undefined && isPlain && !version.etag.includes("-")) {
    return { etag: objectEtag(Buffer.from(version.etag, "hex"), settings), checksum: known };
  }
  const md5 = createHash("md5");
  const running = createChecksum(name);
  for await (const chunk of bytes) {
    md5.update(chunk);
    running.update(chunk);
  }
  const value = running.digest().toString("base64");
  return { etag: objectEtag(md5.digest(), settings), checksum: { name, type: "FULL_OBJECT", value } };
}

function copiedReply(
  root: string,
  { version }: Source,
  etag: string,
  checksum: { readonly name: ChecksumName; readonly value: string; readonly type?: string } | undefined,
  lastModifiedMs: number,
  headers: Record<string, string>,
): Reply {
  const body =
    element("LastModified", listedTime(lastModifiedMs)) +
    element("ETag", `"${etag}"`) +
    (checksum === undefined
      ? ""
      : element(checksumElement(checksum.name), checksum.value) + element("ChecksumType", checksum.type));
  const sourceVersion = version.versionId === "null" ? {} : { "x-amz-copy-source-version-id": version.versionId };
  return xmlReply(xmlDocument(root, body), { ...headers, ...sourceVersion });
}

export async function uploadPartCopy(context: Context): Promise<Reply> {
  const partNumber = parsePartNumber(context);
  const before = findUpload(context, bucketOf(context));
  checkUploadKey(context, before);
  const source = findSource(context);
  const range = parseSourceRange(header(context, "x-amz-copy-source-range"), source.version.sizeBytes);
  const { world } = context;
  const body = createBodySource(world, source.version, range);
  const writer = world.blobs.createWriter();
  const md5 = createHash("md5");
  const running = createChecksum(before.checksumName);
  try {
    for await (const chunk of body.read()) {
      md5.update(chunk);
      running.update(chunk);
      await writer.write(chunk);
    }
  } catch (error) {
    await writer.discard();
    throw error;
  } finally {
    body.release();
  }
  const blob = await writer.commit();
  try {
    await context.beforeEffect();
    const upload = findUpload(context, bucketOf(context));
    const etag = partEtag(md5.digest(), upload);
    const checksum = running.digest().toString("base64");
    const former = upload.parts.get(partNumber);
    const lastModifiedMs = world.clock();
    upload.parts.set(partNumber, { partNumber, sizeBytes: blob.sizeBytes, etag, checksum, lastModifiedMs, body: blob });
    if (former !== undefined) world.blobs.release(former.body);
    const shown = upload.checksumRequested ? { name: upload.checksumName, value: checksum } : undefined;
    const headers: Record<string, string> = shown === undefined ? {} : { [checksumHeader(shown.name)]: shown.value };
    return copiedReply("CopyPartResult", source, etag, shown, lastModifiedMs, headers);
  } catch (error) {
    world.blobs.release(blob);
    throw error;
  }
}
