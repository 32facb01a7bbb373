import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { receiveText } from "../body.ts";
import { checksumElement, checksumHeader, completeChecksum, type StoredChecksum } from "../checksums.ts";
import { watchConflicts } from "../conflicts.ts";
import { bucketOf, header, keyOf, query, type Context, type Reply } from "../context.ts";
import { S3Error } from "../errors.ts";
import { defaultRetention } from "../lock.ts";
import type { Bucket, FinishedUpload, Upload, UploadedPart, Version } from "../model.ts";
import { checkParts } from "../quirks.ts";
import { xmlReply } from "../reply.ts";
import { fromByteString } from "../sorted-keys.ts";
import { addVersion, checkWriteConditions, nextVersionId, unquote } from "../versions.ts";
import { element, malformedXml, parseXml, xmlDocument, type XmlNode } from "../xml.ts";
import { findUpload, noSuchUpload } from "./multipart.ts";
import { encryptionHeaders, extrasOf } from "./put.ts";

const minPartBytes = 5 * 1024 * 1024;
const maxRemembered = 10_000;

interface RequestedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly node: XmlNode;
}

export function completeMultipartUpload(context: Context): Promise<Reply> {
  return watchConflicts(context, bucketOf(context), keyOf(context), (checkConflict) =>
    complete(context, checkConflict),
  );
}

async function complete(context: Context, checkConflict: () => void): Promise<Reply> {
  // A Complete's checksum header speaks of the object, not of this request's document.
  const text = await receiveText(withoutObjectChecksum(context));
  const requested = parseParts(text);
  await context.beforeEffect();
  const bucket = bucketOf(context);
  const key = keyOf(context);
  const uploadId = query(context, "uploadId") ?? "";
  const partList = requested.map(({ partNumber, etag }) => `${partNumber}:${etag}`).join();
  const finished = bucket.finishedUploads.get(uploadId);
  if (finished !== undefined) return repeat(context, bucket, key, partList, finished);

  const upload = findUpload(context, bucket);
  const parts = chooseParts(upload, requested);
  checkParts(bucket, parts);
  const checksum = completeChecksum(
    upload.checksumName,
    upload.checksumType,
    parts.map((part) => ({ value: part.checksum, sizeBytes: part.sizeBytes })),
  );
  checkDeclared(context, upload, checksum, parts);
  checkConflict();
  checkWriteConditions(context, bucket, key);
  const version = assemble(context, bucket, upload, parts, checksum);
  bucket.uploads.delete(uploadId);
  const chosen = new Set(parts);
  for (const part of upload.parts.values()) if (!chosen.has(part)) context.world.blobs.release(part.body);
  addVersion(context.world, bucket, key, version);
  remember(bucket, uploadId, { key, partList, version });
  context.world.events.emit(bucket, "ObjectCreated:CompleteMultipartUpload", key, version, context);
  return completedReply(context, bucket, version);
}

function withoutObjectChecksum(context: Context): Context {
  const headers = new Map([...context.request.headers].filter(([name]) => !name.startsWith("x-amz-checksum-")));
  headers.delete("x-amz-sdk-checksum-algorithm");
  return { ...context, request: { ...context.request, headers } };
}

function parseParts(text: string): RequestedPart[] {
  const nodes = parseXml(text, "CompleteMultipartUpload").children("Part");
  if (nodes.length === 0) throw malformedXml();
  const parts = nodes.map((node) => {
    const partNumber = Number(node.value("PartNumber") ?? "");
    const etag = node.value("ETag");
    if (!Number.isInteger(partNumber) || partNumber < 1 || etag === undefined) throw malformedXml();
    return { partNumber, etag: unquote(etag), node };
  });
  for (let index = 1; index < parts.length; index++) {
    if ((parts[index]?.partNumber ?? 0) <= (parts[index - 1]?.partNumber ?? 0)) {
      throw new S3Error(
        "InvalidPartOrder",
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
      );
    }
  }
  return parts;
}

function chooseParts(upload: Upload, requested: readonly RequestedPart[]): UploadedPart[] {
  const field = checksumElement(upload.checksumName);
  const mustProve = upload.checksumRequested && upload.checksumType === "COMPOSITE";
  return requested.map(({ partNumber, etag, node }, index) => {
    const part = upload.parts.get(partNumber);
    const checksum = node.value(field);
    if (part === undefined || part.etag !== etag || (checksum !== undefined && checksum !== part.checksum)) {
      throw new S3Error(
        "InvalidPart",
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        { UploadId: upload.uploadId, PartNumber: String(partNumber), ETag: etag },
      );
    }
    if (mustProve && checksum === undefined) {
      throw new S3Error(
        "InvalidRequest",
        `The upload was created using a ${upload.checksumName.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${partNumber} in the request.`,
      );
    }
    if (index < requested.length - 1 && part.sizeBytes < minPartBytes) {
      throw new S3Error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", {
        ProposedSize: String(part.sizeBytes),
        MinSizeAllowed: String(minPartBytes),
        PartNumber: String(partNumber),
        ETag: part.etag,
      });
    }
    return part;
  });
}

/** What the request says of the whole object must be so. */
function checkDeclared(
  context: Context,
  upload: Upload,
  checksum: StoredChecksum,
  parts: readonly UploadedPart[],
): void {
  const type = header(context, "x-amz-checksum-type")?.toUpperCase();
  if (type !== undefined && type !== upload.checksumType) {
    throw new S3Error(
      "InvalidRequest",
      `The upload was created using the ${upload.checksumType} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  const declared = header(context, checksumHeader(upload.checksumName));
  if (declared !== undefined && declared.replace(/-\d+$/, "") !== checksum.value.replace(/-\d+$/, "")) {
    throw new S3Error("BadDigest", `The ${upload.checksumName} you specified did not match the calculated checksum.`);
  }
  const size = header(context, "x-amz-mp-object-size");
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  if (size !== undefined && Number(size) !== sizeBytes) {
    throw new S3Error(
      "InvalidRequest",
      `The provided 'x-amz-mp-object-size' header value ${size} does not match what was computed: ${sizeBytes}`,
    );
  }
}

function assemble(
  context: Context,
  bucket: Bucket,
  upload: Upload,
  parts: readonly UploadedPart[],
  checksum: StoredChecksum,
): Version {
  const md5 = createHash("md5");
  for (const part of parts) md5.update(Buffer.from(part.etag, "hex"));
  const { world } = context;
  const isPartChecksumKept = upload.checksumType === "COMPOSITE" || upload.checksumRequested;
  const keptParts = parts.map((part, index) => ({
    partNumber: index + 1,
    sizeBytes: part.sizeBytes,
    checksum: isPartChecksumKept ? part.checksum : undefined,
  }));
  const settings = {
    ...upload.settings,
    retention: upload.settings.retention ?? defaultRetention(bucket, world.clock()),
  };
  return {
    versionId: nextVersionId(world, bucket),
    isDeleteMarker: false,
    // S3 dates a multipart object by the beginning of its upload (User Guide, "Multipart upload").
    lastModifiedMs: upload.beganMs,
    sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0),
    etag: `${md5.digest("hex")}-${parts.length}`,
    body: parts.map((part) => part.body),
    checksum,
    storageClass: upload.settings.storageClass,
    headers: upload.settings.headers,
    extras: extrasOf(settings, keptParts),
  };
}

function remember(bucket: Bucket, uploadId: string, finished: FinishedUpload): void {
  bucket.finishedUploads.set(uploadId, finished);
  if (bucket.finishedUploads.size <= maxRemembered) return;
  const [oldest] = bucket.finishedUploads.keys();
  if (oldest !== undefined) bucket.finishedUploads.delete(oldest);
}

/**
 * A Complete sent again after it succeeded is answered like the first while its object is there, as S3 does for a
 * while; with a condition, the object that it made itself now fails that condition.
 */
function repeat(context: Context, bucket: Bucket, key: string, partList: string, finished: FinishedUpload): Reply {
  const isThere = bucket.keys.get(key)?.versions.includes(finished.version) === true;
  if (finished.key !== key || finished.partList !== partList || !isThere) throw noSuchUpload(context);
  checkWriteConditions(context, bucket, key);
  return completedReply(context, bucket, finished.version);
}

function completedReply(context: Context, bucket: Bucket, version: Version): Reply {
  const { checksum } = version;
  const host = header(context, "host") ?? "";
  const body =
    element("Location", `${context.world.scheme}://${host}${context.request.rawPath}`) +
    element("Bucket", bucket.name) +
    element("Key", fromByteString(keyOf(context))) +
    element("ETag", `"${version.etag}"`) +
    (checksum === undefined
      ? ""
      : element(checksumElement(checksum.name), checksum.value) + element("ChecksumType", checksum.type));
  const headers = encryptionHeaders(version);
  if (bucket.versioning !== "Off") headers["x-amz-version-id"] = version.versionId;
  return xmlReply(xmlDocument("CompleteMultipartUploadResult", body), headers);
}
