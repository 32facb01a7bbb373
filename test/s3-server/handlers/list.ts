import { Buffer } from "node:buffer";
import { bucketOf, ownerXml, query, type Context, type Reply } from "../context.ts";
import { S3Error } from "../errors.ts";
import {
  after,
  commonPrefixesXml,
  hasCurrentObject,
  listedTime,
  parseListing,
  shown,
  walk,
  type ListingOptions,
  type Walk,
} from "../listing.ts";
import type { Bucket, KeyEntry } from "../model.ts";
import { xmlReply } from "../reply.ts";
import { afterPrefix, toByteString } from "../sorted-keys.ts";
import { element, xmlDocument } from "../xml.ts";

export function listObjectsV2(context: Context): Reply {
  const bucket = bucketOf(context);
  const options = parseListing(context, "max-keys");
  const token = query(context, "continuation-token");
  const startAfter = query(context, "start-after");
  if (token === "") throw invalidToken();
  const start = token !== undefined ? decodeToken(token) : startAfter ? after(toByteString(startAfter)) : "";
  const page = walk(bucket.keys, options, start, hasCurrentObject);
  const withOwner = query(context, "fetch-owner") === "true";
  const body =
    header(bucket, options) +
    element("KeyCount", page.items.length) +
    (token === undefined ? "" : element("ContinuationToken", token)) +
    (startAfter === undefined ? "" : element("StartAfter", shown(toByteString(startAfter), options))) +
    element("IsTruncated", page.isTruncated) +
    (page.next === undefined ? "" : element("NextContinuationToken", encodeToken(page.next))) +
    contents(bucket, page, options, withOwner);
  return xmlReply(xmlDocument("ListBucketResult", body));
}

/** The first version of the listing, which continues after a marker instead of a token. */
export function listObjects(context: Context): Reply {
  const bucket = bucketOf(context);
  const options = parseListing(context, "max-keys");
  const marker = toByteString(query(context, "marker") ?? "");
  // A marker that is itself a rolled-up prefix stands for everything under it.
  const isGroup =
    options.delimiter !== "" && marker.endsWith(options.delimiter) && marker.length > options.prefix.length;
  const start = marker === "" ? "" : isGroup ? (afterPrefix(marker) ?? after(marker)) : after(marker);
  const page = walk(bucket.keys, options, start, hasCurrentObject);
  const last = page.items.at(-1);
  const nextMarker = page.isTruncated && options.delimiter !== "" && last !== undefined ? nameOf(last) : undefined;
  const body =
    header(bucket, options) +
    element("Marker", shown(marker, options)) +
    element("IsTruncated", page.isTruncated) +
    (nextMarker === undefined ? "" : element("NextMarker", shown(nextMarker, options))) +
    contents(bucket, page, options, true);
  return xmlReply(xmlDocument("ListBucketResult", body));
}

function nameOf(item: KeyEntry | string): string {
  return typeof item === "string" ? item : item.key;
}

function header(bucket: Bucket, options: ListingOptions): string {
  return (
    element("Name", bucket.name) +
    element("Prefix", shown(options.prefix, options)) +
    (options.delimiter === "" ? "" : element("Delimiter", shown(options.delimiter, options))) +
    element("MaxKeys", options.maxKeys) +
    (options.encodeUrl ? element("EncodingType", "url") : "")
  );
}

function contents(bucket: Bucket, page: Walk<KeyEntry>, options: ListingOptions, withOwner: boolean): string {
  const prefixes: string[] = [];
  let xml = "";
  for (const item of page.items) {
    if (typeof item === "string") {
      prefixes.push(item);
      continue;
    }
    const version = item.versions[0];
    if (version === undefined) continue;
    xml +=
      `<Contents>${element("Key", shown(item.key, options))}${element("LastModified", listedTime(version.lastModifiedMs))}` +
      element("ETag", `"${version.etag}"`) +
      (version.checksum === undefined
        ? ""
        : element("ChecksumAlgorithm", version.checksum.name) + element("ChecksumType", version.checksum.type)) +
      element("Size", version.sizeBytes) +
      (withOwner ? ownerXml(bucket.account) : "") +
      `${element("StorageClass", version.storageClass)}</Contents>`;
  }
  return xml + commonPrefixesXml(prefixes, options);
}

/** A token tells where the next page begins; it is opaque to clients. */
function encodeToken(next: string): string {
  return Buffer.from(`1${next}`, "latin1").toString("base64url");
}

function decodeToken(token: string): string {
  const text = Buffer.from(token, "base64url").toString("latin1");
  if (!text.startsWith("1") || encodeToken(text.slice(1)) !== token) throw invalidToken();
  return text.slice(1);
}

function invalidToken(): S3Error {
  return new S3Error("InvalidArgument", "The continuation token provided is incorrect", {
    ArgumentName: "continuation-token",
  });
}
