import { createHash, randomBytes } from "node:crypto";
import type { Buffer } from "node:buffer";
import { receiveBlob } from "../body.ts";
import {
  checksumHeader,
  multipartTypes,
  parseChecksumName,
  type ChecksumName,
  type ChecksumType,
} from "../checksums.ts";
import { bucketOf, header, keyOf, query, type Context, type Reply } from "../context.ts";
import { S3Error } from "../errors.ts";
import { requireIntegrity } from "../lock.ts";
import type { Bucket, Upload } from "../model.ts";
import { emptyReply, xmlReply } from "../reply.ts";
import { parseInteger } from "../request.ts";
import { parseCustomerKey, parseSettings } from "../settings.ts";
import { fromByteString } from "../sorted-keys.ts";
import { element, xmlDocument } from "../xml.ts";
import { customerKeyHeaders } from "./put.ts";

export async function createMultipartUpload(context: Context): Promise<Reply> {
  const settings = parseSettings(context, bucketOf(context));
  const checksum = parseUploadChecksum(context);
  await context.beforeEffect();
  const bucket = bucketOf(context);
  const upload: Upload = {
    // Opaque; the sequence in front orders the uploads of one key by the time they were begun.
    uploadId: context.world.nextSequence().toString(36).padStart(9, "0") + randomBytes(48).toString("base64url"),
    key: keyOf(context),
    beganMs: context.world.clock(),
    initiatorArn: context.caller.holder?.principal.arn ?? "anonymous",
    settings,
    checksumName: checksum.name,
    checksumType: checksum.type,
    checksumRequested: checksum.isRequested,
    parts: new Map(),
  };
  bucket.uploads.set(upload.uploadId, upload);
  const body =
    element("Bucket", bucket.name) + element("Key", fromByteString(upload.key)) + element("UploadId", upload.uploadId);
  return xmlReply(xmlDocument("InitiateMultipartUploadResult", body), {
    ...uploadEncryption(upload),
    ...(checksum.isRequested
      ? { "x-amz-checksum-algorithm": checksum.name, "x-amz-checksum-type": checksum.type }
      : {}),
  });
}

function uploadEncryption({ settings }: Upload): Record<string, string> {
  if (settings.customerKeyMd5 !== undefined) return customerKeyHeaders(settings.customerKeyMd5);
  return { "x-amz-server-side-encryption": settings.encryption ?? "AES256" };
}

function parseUploadChecksum(context: Context): { name: ChecksumName; type: ChecksumType; isRequested: boolean } {
  const algorithm = header(context, "x-amz-checksum-algorithm");
  const type = header(context, "x-amz-checksum-type")?.toUpperCase();
  if (algorithm === undefined) {
    if (type !== undefined) {
      throw new S3Error(
        "InvalidRequest",
        "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
      );
    }
    return { name: "CRC64NVME", type: "FULL_OBJECT", isRequested: false };
  }
  const name = parseChecksumName(algorithm);
  const allowed = multipartTypes(name);
  const chosen = type === undefined ? allowed[0] : allowed.find((candidate) => candidate === type);
  if (chosen === undefined) {
    throw new S3Error(
      "InvalidRequest",
      `The ${type} checksum type cannot be used with the ${name.toLowerCase()} checksum algorithm.`,
    );
  }
  return { name, type: chosen, isRequested: true };
}

/** The upload that the request names, if it is one of that key and still open. */
export function findUpload(context: Context, bucket: Bucket): Upload {
  const upload = bucket.uploads.get(query(context, "uploadId") ?? "");
  if (upload === undefined || upload.key !== keyOf(context)) throw noSuchUpload(context);
  return upload;
}

export function noSuchUpload(context: Context): S3Error {
  return new S3Error(
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    { UploadId: query(context, "uploadId") ?? "" },
  );
}

export function parsePartNumber(context: Context): number {
  const text = query(context, "partNumber") ?? "";
  try {
    return parseInteger(text, "partNumber", 1, 10_000);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    throw new S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", {
      ArgumentName: "partNumber",
      ArgumentValue: text,
    });
  }
}

/** A part must carry the key that its upload was begun with, and no key where there was none. */
export function checkUploadKey(context: Context, upload: Upload): void {
  const given = parseCustomerKey(context, "x-amz-server-side-encryption-customer-");
  if (given === upload.settings.customerKeyMd5) return;
  throw new S3Error(
    "InvalidRequest",
    upload.settings.customerKeyMd5 === undefined
      ? "The multipart upload was not initiated with customer provided encryption keys."
      : "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.",
  );
}

export async function uploadPart(context: Context): Promise<Reply> {
  const partNumber = parsePartNumber(context);
  const before = findUpload(context, bucketOf(context));
  checkUploadKey(context, before);
  const received = await receiveBlob(context, before.checksumName);
  try {
    const { checksum, isDeclared } = received;
    const expected = before.checksumRequested ? before.checksumName : undefined;
    if (isDeclared && checksum.name !== before.checksumName) {
      throw new S3Error(
        "InvalidRequest",
        `Checksum Type mismatch occurred, expected checksum Type: ${expected?.toLowerCase() ?? "null"}, actual checksum Type: ${checksum.name.toLowerCase()}`,
      );
    }
    requireIntegrity(before.settings.retention !== undefined, isDeclared, context, "Part");
    await context.beforeEffect();
    const upload = findUpload(context, bucketOf(context));
    const etag = partEtag(received.md5, upload);
    const former = upload.parts.get(partNumber);
    upload.parts.set(partNumber, {
      partNumber,
      sizeBytes: received.sizeBytes,
      etag,
      checksum: checksum.value,
      lastModifiedMs: context.world.clock(),
      body: received.blob,
    });
    if (former !== undefined) context.world.blobs.release(former.body);
    const shown = isDeclared || upload.checksumRequested;
    return emptyReply(200, {
      etag: `"${etag}"`,
      ...uploadEncryption(upload),
      ...(shown ? { [checksumHeader(checksum.name)]: checksum.value } : {}),
    });
  } catch (error) {
    context.world.blobs.release(received.blob);
    throw error;
  }
}

export function partEtag(md5: Buffer, { settings }: Upload): string {
  const salt = settings.customerKeyMd5 ?? settings.encryption;
  return salt === undefined ? md5.toString("hex") : createHash("md5").update(salt).update(md5).digest("hex");
}

export async function abortMultipartUpload(context: Context): Promise<Reply> {
  await context.beforeEffect();
  const bucket = bucketOf(context);
  const upload = findUpload(context, bucket);
  bucket.uploads.delete(upload.uploadId);
  for (const part of upload.parts.values()) context.world.blobs.release(part.body);
  return emptyReply(204);
}
