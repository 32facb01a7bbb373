/** Tags, locks, ACLs, restoring and attributes of a version that is there already. */
import { receiveText } from "../body.ts";
import { checksumElement } from "../checksums.ts";
import { bucketOf, header, keyOf, ownerXml, type Context, type Reply } from "../context.ts";
import { S3Error } from "../errors.ts";
import { checkRetentionChange, mayBypass, parseRetentionDocument, requireLockedBucket } from "../lock.ts";
import type { Bucket, Version, VersionExtras } from "../model.ts";
import { checkCustomerKey, isArchived } from "../reading.ts";
import { emptyReply, xmlReply } from "../reply.ts";
import { parseInteger } from "../request.ts";
import { aclNotSupported } from "../settings.ts";
import { parseTagSet, tagSetXml } from "../tags.ts";
import { findVersion } from "../versions.ts";
import { element, malformedXml, parseXml, xmlDocument } from "../xml.ts";

const noExtras: VersionExtras = {
  tags: new Map(),
  retention: undefined,
  legalHold: false,
  customerKeyMd5: undefined,
  encryption: undefined,
  restored: undefined,
  parts: undefined,
};

function find(context: Context): { bucket: Bucket; version: Version } {
  const bucket = bucketOf(context);
  return { bucket, version: findVersion(context, bucket, keyOf(context)) };
}

function change(version: Version, changes: Partial<VersionExtras>): void {
  version.extras = { ...(version.extras ?? noExtras), ...changes };
}

function versionHeader(bucket: Bucket, version: Version): Record<string, string> {
  return bucket.versioning === "Off" ? {} : { "x-amz-version-id": version.versionId };
}

export function getObjectTagging(context: Context): Reply {
  const { bucket, version } = find(context);
  const tags = version.extras?.tags ?? noExtras.tags;
  return xmlReply(xmlDocument("Tagging", tagSetXml(tags)), versionHeader(bucket, version));
}

export async function putObjectTagging(context: Context): Promise<Reply> {
  const tags = parseTagSet(parseXml(await receiveText(context), "Tagging"));
  await context.beforeEffect();
  const { bucket, version } = find(context);
  change(version, { tags });
  return emptyReply(200, versionHeader(bucket, version));
}

export async function deleteObjectTagging(context: Context): Promise<Reply> {
  await context.beforeEffect();
  const { bucket, version } = find(context);
  change(version, { tags: new Map() });
  return emptyReply(204, versionHeader(bucket, version));
}

export function getObjectRetention(context: Context): Reply {
  const { bucket, version } = find(context);
  requireLockedBucket(bucket);
  const retention = version.extras?.retention;
  if (retention === undefined) throw noLock();
  const body = element("Mode", retention.mode) + element("RetainUntilDate", new Date(retention.untilMs).toISOString());
  return xmlReply(xmlDocument("Retention", body));
}

function noLock(): S3Error {
  return new S3Error("NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration");
}

export async function putObjectRetention(context: Context): Promise<Reply> {
  const { world } = context;
  const text = await receiveText(context);
  requireLockedBucket(bucketOf(context));
  const retention = parseRetentionDocument(text, world.clock());
  await context.beforeEffect();
  const { bucket, version } = find(context);
  const bypass = mayBypass(context, bucket, `arn:aws:s3:::${bucket.name}/${context.request.key ?? ""}`);
  checkRetentionChange(version, retention, world.clock(), bypass);
  change(version, { retention });
  return emptyReply();
}

export function getObjectLegalHold(context: Context): Reply {
  const { bucket, version } = find(context);
  requireLockedBucket(bucket);
  if (version.extras === undefined) throw noLock();
  return xmlReply(xmlDocument("LegalHold", element("Status", version.extras.legalHold ? "ON" : "OFF")));
}

export async function putObjectLegalHold(context: Context): Promise<Reply> {
  const text = await receiveText(context);
  requireLockedBucket(bucketOf(context));
  const status = parseXml(text, "LegalHold").value("Status");
  if (status !== "ON" && status !== "OFF") throw malformedXml();
  await context.beforeEffect();
  change(find(context).version, { legalHold: status === "ON" });
  return emptyReply();
}

export function getObjectAcl(context: Context): Reply {
  const { bucket } = find(context);
  return xmlReply(aclXml(bucket));
}

/** With the bucket owner enforced, the owner has everything and nobody else is named. */
export function aclXml(bucket: Bucket): string {
  const grantee =
    `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">` +
    `${element("ID", bucket.account.canonicalId)}${element("DisplayName", bucket.account.name)}</Grantee>`;
  const grant = `<Grant>${grantee}${element("Permission", "FULL_CONTROL")}</Grant>`;
  return xmlDocument(
    "AccessControlPolicy",
    `${ownerXml(bucket.account)}<AccessControlList>${grant}</AccessControlList>`,
  );
}

export async function putObjectAcl(context: Context): Promise<Reply> {
  const text = await receiveText(context);
  if (text !== "") parseXml(text, "AccessControlPolicy");
  await context.beforeEffect();
  if (header(context, "x-amz-acl") !== "bucket-owner-full-control") throw aclNotSupported();
  find(context);
  return emptyReply();
}

const DAY_MS = 86_400_000;

/** A copy that can be read, for some days from when it is there, rounded up to midnight UTC. */
export async function restoreObject(context: Context): Promise<Reply> {
  const days = Number(parseXml(await receiveText(context), "RestoreRequest").value("Days") ?? "");
  if (!Number.isInteger(days) || days < 1) throw malformedXml();
  await context.beforeEffect();
  const { version } = find(context);
  if (version.storageClass !== "GLACIER" && version.storageClass !== "DEEP_ARCHIVE") {
    throw new S3Error("InvalidObjectState", "Restore is not allowed for the object's current storage class", {
      StorageClass: version.storageClass,
    });
  }
  const nowMs = context.world.clock();
  if (!isArchived(version, nowMs)) {
    // what is there is kept for longer, or for less long
    const fromMs = version.extras?.restored?.fromMs ?? nowMs;
    change(version, { restored: { fromMs, untilMs: nextMidnight(nowMs + days * DAY_MS) } });
    return emptyReply(200);
  }
  if (nowMs < (version.extras?.restored?.fromMs ?? 0)) {
    throw new S3Error("RestoreAlreadyInProgress", "Object restore is already in progress");
  }
  const fromMs = nowMs + context.world.restoreTakesMs;
  change(version, { restored: { fromMs, untilMs: nextMidnight(fromMs + days * DAY_MS) } });
  return emptyReply(202);
}

function nextMidnight(ms: number): number {
  return Math.ceil(ms / DAY_MS) * DAY_MS;
}

export function getObjectAttributes(context: Context): Reply {
  const { bucket, version } = find(context);
  checkCustomerKey(context, version);
  const names = (header(context, "x-amz-object-attributes") ?? "").split(",").map((name) => name.trim());
  const known = new Set(["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]);
  if (names.some((name) => !known.has(name))) {
    throw new S3Error("InvalidArgument", "Invalid attribute name specified.");
  }
  const { checksum } = version;
  const wants = new Set(names);
  const body =
    (wants.has("ETag") ? element("ETag", version.etag) : "") +
    (wants.has("Checksum") && checksum !== undefined
      ? `<Checksum>${element(checksumElement(checksum.name), checksum.value)}${element("ChecksumType", checksum.type)}</Checksum>`
      : "") +
    (wants.has("ObjectParts") ? partsXml(context, version) : "") +
    (wants.has("StorageClass") ? element("StorageClass", version.storageClass) : "") +
    (wants.has("ObjectSize") ? element("ObjectSize", version.sizeBytes) : "");
  return xmlReply(xmlDocument("GetObjectAttributesResponse", body), {
    "last-modified": new Date(version.lastModifiedMs).toUTCString(),
    ...versionHeader(bucket, version),
  });
}

function partsXml(context: Context, version: Version): string {
  const parts = version.extras?.parts;
  if (parts === undefined) return "";
  const marker = parseInteger(header(context, "x-amz-part-number-marker") ?? "0", "part-number-marker", 0, 10_000);
  const max = parseInteger(header(context, "x-amz-max-parts") ?? "1000", "max-parts", 0, 1000);
  const shown = parts.filter((part) => part.partNumber > marker).slice(0, max);
  const next = shown.at(-1)?.partNumber ?? marker;
  const rows = shown.map(
    (part) =>
      `<Part>${element("PartNumber", part.partNumber)}${element("Size", part.sizeBytes)}` +
      `${version.checksum === undefined ? "" : element(checksumElement(version.checksum.name), part.checksum)}</Part>`,
  );
  // S3 lists the single parts only where each has a checksum of its own.
  const listed = parts.every((part) => part.checksum !== undefined) ? rows.join("") : "";
  const paging =
    element("PartNumberMarker", marker) +
    element("NextPartNumberMarker", next) +
    element("MaxParts", max) +
    element("IsTruncated", next < parts.length && shown.length > 0);
  return `<ObjectParts>${element("PartsCount", parts.length)}${paging}${listed}</ObjectParts>`;
}
