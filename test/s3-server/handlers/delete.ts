import { authorize, isAllowed } from "../authorize.ts";
import { receiveText } from "../body.ts";
import { declaredChecksum } from "../checksums.ts";
import { tellConflict } from "../conflicts.ts";
import { bucketOf, header, keyOf, query, type Context, type Reply } from "../context.ts";
import { S3Error } from "../errors.ts";
import { checkRemovable, mayBypass } from "../lock.ts";
import type { Bucket } from "../model.ts";
import { notImplemented } from "../quirks.ts";
import { emptyReply, xmlReply } from "../reply.ts";
import { toByteString, fromByteString } from "../sorted-keys.ts";
import {
  addVersion,
  checkVersionId,
  createDeleteMarker,
  currentVersion,
  preconditionFailed,
  noSuchKey,
  removeVersion,
  unquote,
} from "../versions.ts";
import { element, malformedXml, parseXml, xmlDocument } from "../xml.ts";

const maxDeletes = 1000;

interface Deletion {
  /** Byte string. */
  readonly key: string;
  readonly versionId: string | undefined;
  readonly ifMatch: string | undefined;
}

interface Deleted {
  /** Of the version removed or of the marker made; undefined in a bucket without versions. */
  readonly versionId: string | undefined;
  readonly isDeleteMarker: boolean;
}

export async function deleteObject(context: Context): Promise<Reply> {
  await context.beforeEffect();
  const deletion = {
    key: keyOf(context),
    versionId: query(context, "versionId"),
    ifMatch: header(context, "if-match"),
  };
  const deleted = remove(context, bucketOf(context), deletion);
  const headers: Record<string, string> = {};
  if (deleted.versionId !== undefined) headers["x-amz-version-id"] = deleted.versionId;
  if (deleted.isDeleteMarker) headers["x-amz-delete-marker"] = "true";
  return emptyReply(204, headers);
}

/** The effect of one delete. */
function remove(context: Context, bucket: Bucket, { key, versionId, ifMatch }: Deletion): Deleted {
  const { world } = context;
  if (versionId !== undefined) checkVersionId(versionId);
  const { conditionalDelete } = bucket.quirks;
  if (ifMatch !== undefined && conditionalDelete === "refused") throw notImplemented("If-Match");
  if (ifMatch !== undefined && conditionalDelete !== "ignored") checkMatch(bucket, key, ifMatch);
  if (versionId === undefined && bucket.versioning !== "Off") return addMarker(context, bucket, key);

  const target = versionId ?? "null";
  const version = bucket.keys.get(key)?.versions.find((candidate) => candidate.versionId === target);
  if (version === undefined) return { versionId, isDeleteMarker: false };
  const objectArn = `arn:aws:s3:::${bucket.name}/${fromByteString(key)}`;
  checkRemovable(version, world.clock(), mayBypass(context, bucket, objectArn));
  removeVersion(world, bucket, key, target);
  tellConflict(bucket, key);
  world.events.emit(bucket, "ObjectRemoved:Delete", key, version, context);
  return { versionId, isDeleteMarker: version.isDeleteMarker };
}

function addMarker(context: Context, bucket: Bucket, key: string): Deleted {
  const marker = createDeleteMarker(context.world, bucket);
  addVersion(context.world, bucket, key, marker);
  tellConflict(bucket, key);
  context.world.events.emit(bucket, "ObjectRemoved:DeleteMarkerCreated", key, marker, context);
  return { versionId: marker.versionId, isDeleteMarker: true };
}

/**
 * Conditional deletes look at the current version, whichever is to be deleted (S3 User Guide, "Conditional deletes"):
 * 404 where the key has none, 412 where it is a delete marker or another object.
 */
function checkMatch(bucket: Bucket, key: string, ifMatch: string): void {
  const current = currentVersion(bucket, key);
  if (current === undefined) throw noSuchKey(key);
  const isMatch = !current.isDeleteMarker && (ifMatch.trim() === "*" || unquote(ifMatch) === current.etag);
  if (!isMatch) throw preconditionFailed("If-Match");
}

export async function deleteObjects(context: Context): Promise<Reply> {
  const bucketBefore = bucketOf(context);
  if (bucketBefore.quirks.hasNoBatchDelete === true) throw notImplemented("delete");
  const text = await receiveText(context);
  if (header(context, "content-md5") === undefined && declaredChecksum(context.request.headers) === undefined) {
    throw new S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  const document = parseXml(text, "Delete");
  const deletions = document.children("Object").map((node): Deletion => {
    const key = node.value("Key");
    if (key === undefined || key === "") throw malformedXml();
    return { key: toByteString(key), versionId: node.value("VersionId"), ifMatch: node.value("ETag") };
  });
  if (deletions.length === 0 || deletions.length > maxDeletes) throw malformedXml();
  const isQuiet = document.value("Quiet") === "true";

  const allowed = deletions.map((deletion) => refusal(context, bucketBefore, deletion));
  await context.beforeEffect();
  const bucket = bucketOf(context);
  const rows = deletions.map((deletion, index) => {
    try {
      const refused = allowed[index];
      if (refused !== undefined) throw refused;
      const deleted = remove(context, bucket, deletion);
      return isQuiet ? "" : deletedXml(deletion, deleted);
    } catch (error) {
      if (error instanceof S3Error) return errorXml(deletion, error);
      throw error;
    }
  });
  return xmlReply(xmlDocument("DeleteResult", rows.join("")));
}

/** Each key is a request of its own to the policies. */
function refusal(context: Context, bucket: Bucket, { key, versionId, ifMatch }: Deletion): S3Error | undefined {
  const resource = `arn:aws:s3:::${bucket.name}/${fromByteString(key)}`;
  const action = versionId === undefined ? "s3:DeleteObject" : "s3:DeleteObjectVersion";
  const overrides = { versionId, ifMatch };
  try {
    authorize(context, bucket, action, resource, overrides);
  } catch (error) {
    if (error instanceof S3Error) return error;
    throw error;
  }
  const compares = ifMatch !== undefined && ifMatch !== "*";
  if (compares && !isAllowed(context, bucket, "s3:GetObject", resource, overrides)) {
    return new S3Error("AccessDenied", "Access Denied");
  }
  return undefined;
}

function deletedXml({ key, versionId }: Deletion, deleted: Deleted): string {
  const marker = deleted.isDeleteMarker
    ? element("DeleteMarker", true) + element("DeleteMarkerVersionId", deleted.versionId)
    : "";
  return `<Deleted>${element("Key", fromByteString(key))}${element("VersionId", versionId)}${marker}</Deleted>`;
}

function errorXml({ key, versionId }: Deletion, error: S3Error): string {
  return (
    `<Error>${element("Key", fromByteString(key))}${element("VersionId", versionId)}` +
    `${element("Code", error.code)}${element("Message", error.message)}</Error>`
  );
}
