import { bucketOf, ownerXml, query, type Context, type Reply } from "../context.ts";
import { S3Error } from "../errors.ts";
import { after, commonPrefixesXml, groupOf, listedTime, parseListing, shown, type ListingOptions } from "../listing.ts";
import type { Bucket, KeyEntry, Version } from "../model.ts";
import { xmlReply } from "../reply.ts";
import { afterPrefix, toByteString } from "../sorted-keys.ts";
import { checkVersionId, sequenceOf } from "../versions.ts";
import { element, xmlDocument } from "../xml.ts";

interface Page {
  readonly rows: { readonly entry: KeyEntry; readonly version: Version }[];
  readonly prefixes: string[];
  isTruncated: boolean;
  nextKey: string | undefined;
  nextVersionId: string | undefined;
}

export function listObjectVersions(context: Context): Reply {
  const bucket = bucketOf(context);
  const options = parseListing(context, "max-keys");
  const keyMarker = toByteString(query(context, "key-marker") ?? "");
  const versionMarker = query(context, "version-id-marker");
  if (versionMarker !== undefined) checkMarker(versionMarker, keyMarker);
  const page = collect(bucket, options, keyMarker, versionMarker);
  const body =
    element("Name", bucket.name) +
    element("Prefix", shown(options.prefix, options)) +
    element("KeyMarker", shown(keyMarker, options)) +
    element("VersionIdMarker", versionMarker ?? "") +
    (page.nextKey === undefined ? "" : element("NextKeyMarker", shown(page.nextKey, options))) +
    element("NextVersionIdMarker", page.nextVersionId) +
    element("MaxKeys", options.maxKeys) +
    (options.delimiter === "" ? "" : element("Delimiter", shown(options.delimiter, options))) +
    (options.encodeUrl ? element("EncodingType", "url") : "") +
    element("IsTruncated", page.isTruncated) +
    page.rows.map(({ entry, version }) => versionXml(bucket, entry, version, options)).join("") +
    commonPrefixesXml(page.prefixes, options);
  return xmlReply(xmlDocument("ListVersionsResult", body));
}

function checkMarker(versionMarker: string, keyMarker: string): void {
  if (keyMarker === "") {
    throw new S3Error("InvalidArgument", "A version-id marker cannot be specified without a key marker.", {
      ArgumentName: "version-id-marker",
      ArgumentValue: versionMarker,
    });
  }
  if (versionMarker === "") {
    throw new S3Error("InvalidArgument", "A version-id marker cannot be empty.", { ArgumentName: "version-id-marker" });
  }
  checkVersionId(versionMarker);
}

function collect(bucket: Bucket, options: ListingOptions, keyMarker: string, versionMarker: string | undefined): Page {
  const { prefix, delimiter, maxKeys } = options;
  const page: Page = { rows: [], prefixes: [], isTruncated: false, nextKey: undefined, nextVersionId: undefined };
  const isGroup = delimiter !== "" && keyMarker.endsWith(delimiter) && keyMarker.length > prefix.length;
  let start: string | undefined = keyMarker;
  if (keyMarker !== "" && versionMarker === undefined) start = isGroup ? afterPrefix(keyMarker) : after(keyMarker);
  if (start !== undefined && start < prefix) start = prefix;

  let count = 0;
  const isFull = (): boolean => {
    page.isTruncated = count === maxKeys;
    return page.isTruncated;
  };
  if (maxKeys === 0) return page;
  while (start !== undefined) {
    let jump: string | undefined;
    for (const entry of bucket.keys.from(start)) {
      if (!entry.key.startsWith(prefix)) return finish(page, false);
      const group = groupOf(entry.key, prefix, delimiter);
      if (group !== undefined) {
        if (isFull()) return finish(page, true);
        page.prefixes.push(group);
        [page.nextKey, page.nextVersionId] = [group, undefined];
        count++;
        jump = afterPrefix(group);
        break;
      }
      const versions =
        entry.key === keyMarker && versionMarker !== undefined ? rest(entry, versionMarker) : entry.versions;
      for (const version of versions) {
        if (isFull()) return finish(page, true);
        page.rows.push({ entry, version });
        [page.nextKey, page.nextVersionId] = [entry.key, version.versionId];
        count++;
      }
    }
    start = jump;
  }
  return finish(page, false);
}

function finish(page: Page, isTruncated: boolean): Page {
  page.isTruncated = isTruncated;
  if (!isTruncated) [page.nextKey, page.nextVersionId] = [undefined, undefined];
  return page;
}

/** The versions that follow the marker, which may have been deleted since the last page. */
function rest(entry: KeyEntry, marker: string): readonly Version[] {
  const index = entry.versions.findIndex((version) => version.versionId === marker);
  if (index !== -1) return entry.versions.slice(index + 1);
  const sequence = sequenceOf(marker);
  // Nothing tells where a vanished null version was: showing versions twice loses none.
  if (sequence === undefined) return entry.versions;
  const next = entry.versions.findIndex((version) => (sequenceOf(version.versionId) ?? Infinity) < sequence);
  return next === -1 ? [] : entry.versions.slice(next);
}

function versionXml(bucket: Bucket, entry: KeyEntry, version: Version, options: ListingOptions): string {
  const common =
    element("Key", shown(entry.key, options)) +
    element("VersionId", version.versionId) +
    element("IsLatest", entry.versions[0] === version) +
    element("LastModified", listedTime(version.lastModifiedMs));
  if (version.isDeleteMarker) return `<DeleteMarker>${common}${ownerXml(bucket.account)}</DeleteMarker>`;
  return (
    `<Version>${common}${element("ETag", `"${version.etag}"`)}` +
    (version.checksum === undefined
      ? ""
      : element("ChecksumAlgorithm", version.checksum.name) + element("ChecksumType", version.checksum.type)) +
    `${element("Size", version.sizeBytes)}${ownerXml(bucket.account)}${element("StorageClass", version.storageClass)}</Version>`
  );
}
