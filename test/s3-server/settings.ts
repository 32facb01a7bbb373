/** What a creating request (PutObject, CreateMultipartUpload, CopyObject) says about the object to be. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { hasAclHeaders } from "./actions.ts";
import { header, type Context } from "./context.ts";
import { S3Error } from "./errors.ts";
import { defaultRetention, parseLegalHold, parseRetentionHeaders } from "./lock.ts";
import type { Bucket, KeptHeaders, ObjectSettings } from "./model.ts";
import { parseTagQuery } from "./tags.ts";

const keptNames = new Set([
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
  "x-amz-website-redirect-location",
]);
const storageClasses = new Set([
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER",
  "GLACIER_IR",
  "DEEP_ARCHIVE",
]);
const metadataPrefix = "x-amz-meta-";
const maxMetadataBytes = 2 * 1024;
const maxKeyBytes = 1024;

export function parseSettings(context: Context, bucket: Bucket): ObjectSettings {
  if ((context.request.keyBytes?.length ?? 0) > maxKeyBytes) {
    throw new S3Error("KeyTooLongError", "Your key is too long", { MaxSizeAllowed: String(maxKeyBytes) });
  }
  checkAcl(context);
  const storageClass = header(context, "x-amz-storage-class") ?? "STANDARD";
  if (!storageClasses.has(storageClass)) {
    throw new S3Error("InvalidStorageClass", "The storage class you specified is not valid", {
      StorageClassRequested: storageClass,
    });
  }
  const tagging = header(context, "x-amz-tagging");
  const nowMs = context.world.clock();
  return {
    headers: keptHeaders(context.request.headers),
    storageClass,
    tags: tagging === undefined ? new Map() : parseTagQuery(tagging),
    retention: parseRetentionHeaders(context, bucket) ?? defaultRetention(bucket, nowMs),
    legalHold: parseLegalHold(context, bucket),
    customerKeyMd5: parseCustomerKey(context, "x-amz-server-side-encryption-customer-"),
    encryption: parseEncryption(context),
  };
}

/** With the bucket owner enforced (the default of every new bucket), only the ACL that changes nothing is accepted. */
export function checkAcl(context: Context): void {
  const { headers } = context.request;
  if (!hasAclHeaders(headers) || headers.get("x-amz-acl") === "bucket-owner-full-control") return;
  throw aclNotSupported();
}

export function aclNotSupported(): S3Error {
  return new S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs");
}

function parseEncryption(context: Context): string | undefined {
  const value = header(context, "x-amz-server-side-encryption");
  if (value === undefined || value === "AES256") return undefined;
  if (value !== "aws:kms" && value !== "aws:kms:dsse") {
    throw new S3Error("InvalidArgument", "The encryption method specified is not supported");
  }
  return value;
}

/** SSE-C: the key's MD5, once algorithm, key and MD5 agree; undefined without these headers. */
export function parseCustomerKey(context: Context, prefix: string): string | undefined {
  const algorithm = header(context, `${prefix}algorithm`);
  const key = header(context, `${prefix}key`);
  const md5 = header(context, `${prefix}key-md5`);
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined;
  const bytes = Buffer.from(key ?? "", "base64");
  if (algorithm !== "AES256") {
    throw new S3Error(
      "InvalidArgument",
      "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.",
    );
  }
  if (bytes.length !== 32) {
    throw new S3Error("InvalidArgument", "The secret key was invalid for the specified algorithm.");
  }
  if (createHash("md5").update(bytes).digest("base64") !== md5) {
    throw new S3Error(
      "InvalidArgument",
      "The calculated MD5 hash of the key did not match the hash that was provided.",
    );
  }
  return md5;
}

const interned = new Map<string, KeptHeaders>();

/** Headers and user metadata to keep; equal sets share one Map, since most objects have the same. */
export function keptHeaders(headers: ReadonlyMap<string, string>): KeptHeaders {
  const kept: [string, string][] = [];
  let metadataBytes = 0;
  for (const [name, value] of headers) {
    if (name.startsWith(metadataPrefix)) {
      metadataBytes += name.length - metadataPrefix.length + value.length;
      kept.push([name, value]);
    } else if (keptNames.has(name)) {
      const stored = name === "content-encoding" ? withoutChunked(value) : value;
      if (stored !== "") kept.push([name, stored]);
    }
  }
  if (metadataBytes > maxMetadataBytes) {
    throw new S3Error("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", {
      Size: String(metadataBytes),
      MaxSizeAllowed: String(maxMetadataBytes),
    });
  }
  if (!kept.some(([name]) => name === "content-type")) kept.push(["content-type", "binary/octet-stream"]);
  kept.sort(([a], [b]) => (a < b ? -1 : 1));
  const id = JSON.stringify(kept);
  const known = interned.get(id);
  if (known !== undefined) return known;
  const result = new Map(kept);
  if (interned.size >= 1000) interned.clear();
  interned.set(id, result);
  return result;
}

/** `aws-chunked` speaks of the transfer; it is not part of what is stored. */
function withoutChunked(value: string): string {
  return value
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "aws-chunked")
    .join(",");
}
