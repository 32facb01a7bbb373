import { checksumElement } from "../checksums.ts";
import { bucketOf, keyOf, ownerXml, query, type Context, type Reply } from "../context.ts";
import { after, commonPrefixesXml, groupOf, listedTime, parseListing, shown, type ListingOptions } from "../listing.ts";
import type { Bucket, Upload } from "../model.ts";
import { xmlReply } from "../reply.ts";
import { parseInteger } from "../request.ts";
import { fromByteString, toByteString } from "../sorted-keys.ts";
import { element, xmlDocument } from "../xml.ts";
import { checkUploadKey, findUpload } from "./multipart.ts";

export function listParts(context: Context): Reply {
  const bucket = bucketOf(context);
  const upload = findUpload(context, bucket);
  if (context.request.headers.has("x-amz-server-side-encryption-customer-algorithm")) checkUploadKey(context, upload);
  const marker = parseInteger(query(context, "part-number-marker") || "0", "part-number-marker", 0, 2 ** 31 - 1);
  const max = Math.min(1000, parseInteger(query(context, "max-parts") || "1000", "max-parts", 0, 2 ** 31 - 1));
  const following = [...upload.parts.values()]
    .filter((part) => part.partNumber > marker)
    .toSorted((a, b) => a.partNumber - b.partNumber);
  const parts = following.slice(0, max);
  const field = checksumElement(upload.checksumName);
  const rows = parts.map(
    (part) =>
      `<Part>${element("PartNumber", part.partNumber)}${element("LastModified", listedTime(part.lastModifiedMs))}` +
      `${element("ETag", `"${part.etag}"`)}${element("Size", part.sizeBytes)}` +
      `${upload.checksumRequested ? element(field, part.checksum) : ""}</Part>`,
  );
  const body =
    element("Bucket", bucket.name) +
    element("Key", fromByteString(keyOf(context))) +
    element("UploadId", upload.uploadId) +
    initiatorXml(bucket, upload) +
    element("StorageClass", upload.settings.storageClass) +
    element("PartNumberMarker", marker) +
    element("NextPartNumberMarker", parts.at(-1)?.partNumber ?? 0) +
    element("MaxParts", max) +
    element("IsTruncated", following.length > parts.length) +
    (upload.checksumRequested
      ? element("ChecksumAlgorithm", upload.checksumName) + element("ChecksumType", upload.checksumType)
      : "") +
    rows.join("");
  return xmlReply(xmlDocument("ListPartsResult", body));
}

function initiatorXml(bucket: Bucket, upload: Upload): string {
  const initiator = `<Initiator>${element("ID", upload.initiatorArn)}${element("DisplayName", upload.initiatorArn.split("/").at(-1))}</Initiator>`;
  return initiator + ownerXml(bucket.account);
}

export function listMultipartUploads(context: Context): Reply {
  const bucket = bucketOf(context);
  const options = parseListing(context, "max-uploads");
  const keyMarker = toByteString(query(context, "key-marker") ?? "");
  const idMarker = query(context, "upload-id-marker") ?? "";
  const page = collect(bucket, options, keyMarker, idMarker);
  const last = page.rows.at(-1);
  const next = page.isTruncated && last !== undefined ? last : undefined;
  const body =
    element("Bucket", bucket.name) +
    element("KeyMarker", shown(keyMarker, options)) +
    element("UploadIdMarker", idMarker) +
    (next === undefined
      ? ""
      : element("NextKeyMarker", shown(typeof next === "string" ? next : next.key, options)) +
        element("NextUploadIdMarker", typeof next === "string" ? "" : next.uploadId)) +
    element("Prefix", shown(options.prefix, options)) +
    (options.delimiter === "" ? "" : element("Delimiter", shown(options.delimiter, options))) +
    (options.encodeUrl ? element("EncodingType", "url") : "") +
    element("MaxUploads", options.maxKeys) +
    element("IsTruncated", page.isTruncated) +
    page.rows.map((row) => (typeof row === "string" ? "" : uploadXml(bucket, row, options))).join("") +
    commonPrefixesXml(
      page.rows.filter((row) => typeof row === "string"),
      options,
    );
  return xmlReply(xmlDocument("ListMultipartUploadsResult", body));
}

function collect(
  bucket: Bucket,
  options: ListingOptions,
  keyMarker: string,
  idMarker: string,
): { rows: (Upload | string)[]; isTruncated: boolean } {
  const { prefix, delimiter, maxKeys } = options;
  const order = (upload: Upload): string => `${upload.key}\u0000${upload.uploadId}`;
  const start = idMarker === "" ? after(keyMarker) : `${keyMarker}\u0000${idMarker}`;
  const uploads = [...bucket.uploads.values()]
    .filter((upload) => upload.key.startsWith(prefix))
    .filter((upload) => keyMarker === "" || (idMarker === "" ? upload.key > keyMarker : order(upload) > start))
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
  const rows: (Upload | string)[] = [];
  for (const upload of uploads) {
    const group = groupOf(upload.key, prefix, delimiter);
    if (group !== undefined && (rows.at(-1) === group || group <= keyMarker)) continue;
    if (rows.length === maxKeys) return { rows, isTruncated: maxKeys > 0 };
    rows.push(group ?? upload);
  }
  return { rows, isTruncated: false };
}

function uploadXml(bucket: Bucket, upload: Upload, options: ListingOptions): string {
  return (
    `<Upload>${element("Key", shown(upload.key, options))}${element("UploadId", upload.uploadId)}` +
    initiatorXml(bucket, upload) +
    element("StorageClass", upload.settings.storageClass) +
    element("Initiated", listedTime(upload.beganMs)) +
    (upload.checksumRequested
      ? element("ChecksumAlgorithm", upload.checksumName) + element("ChecksumType", upload.checksumType)
      : "") +
    `</Upload>`
  );
}
