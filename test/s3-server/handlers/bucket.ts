import { receiveText } from "../body.ts";
import { bucketOf, header, ownerXml, query, type Context, type Reply, type World } from "../context.ts";
import { S3Error } from "../errors.ts";
import type { AccountState } from "../accounts.ts";
import type { Bucket } from "../model.ts";
import type { Quirks } from "../quirks.ts";
import { emptyReply, xmlReply } from "../reply.ts";
import { checkAcl } from "../settings.ts";
import { createSortedKeys } from "../sorted-keys.ts";
import { element, malformedXml, parseXml, xmlDocument } from "../xml.ts";
import { listedTime } from "../listing.ts";

export interface NewBucket {
  readonly name: string;
  readonly region: string;
  readonly versioning: boolean;
  readonly objectLock: boolean;
  readonly quirks?: Quirks;
}

export function addBucket(world: World, account: AccountState, options: NewBucket): Bucket {
  const { name } = options;
  const isValid =
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes("..") && !/^\d+\.\d+\.\d+\.\d+$/.test(name);
  if (!isValid) throw new S3Error("InvalidBucketName", "The specified bucket is not valid.", { BucketName: name });
  const known = world.buckets.get(name);
  if (known?.account === account) {
    throw new S3Error(
      "BucketAlreadyOwnedByYou",
      "Your previous request to create the named bucket succeeded and you already own it.",
      { BucketName: name },
    );
  }
  if (known !== undefined) {
    throw new S3Error(
      "BucketAlreadyExists",
      "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
      { BucketName: name },
    );
  }
  const bucket: Bucket = {
    name,
    account,
    region: options.region,
    createdMs: world.clock(),
    quirks: options.quirks ?? {},
    versioning: options.versioning || options.objectLock ? "Enabled" : "Off",
    objectLock: options.objectLock ? { rule: undefined } : undefined,
    policy: undefined,
    publicAccessBlock: {
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    },
    documents: new Map(),
    notifications: undefined,
    keys: createSortedKeys(),
    uploads: new Map(),
    finishedUploads: new Map(),
    conditionalWrites: new Map(),
  };
  world.buckets.set(name, bucket);
  return bucket;
}

export async function createBucket(context: Context): Promise<Reply> {
  const { holder } = context.caller;
  if (holder === undefined) throw new S3Error("AccessDenied", "Access Denied");
  checkAcl(context);
  const text = await receiveText(context);
  const constraint = text === "" ? undefined : parseXml(text, "CreateBucketConfiguration").value("LocationConstraint");
  const { region } = context.world;
  if (constraint !== undefined && constraint !== region) {
    throw new S3Error(
      "IllegalLocationConstraintException",
      `The ${constraint} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    );
  }
  if (constraint === undefined && region !== "us-east-1") {
    throw new S3Error(
      "IllegalLocationConstraintException",
      "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.",
    );
  }
  await context.beforeEffect();
  const isLocked = header(context, "x-amz-bucket-object-lock-enabled")?.toLowerCase() === "true";
  const name = context.request.bucket ?? "";
  addBucket(context.world, holder.account, { name, region, versioning: false, objectLock: isLocked });
  return emptyReply(200, { location: `/${name}` });
}

export async function deleteBucket(context: Context): Promise<Reply> {
  await context.beforeEffect();
  const bucket = bucketOf(context);
  if (bucket.keys.size > 0 || bucket.uploads.size > 0) {
    throw new S3Error("BucketNotEmpty", "The bucket you tried to delete is not empty", { BucketName: bucket.name });
  }
  context.world.buckets.delete(bucket.name);
  return emptyReply(204);
}

export function headBucket(context: Context): Reply {
  return emptyReply(200, { "x-amz-bucket-region": bucketOf(context).region, "x-amz-access-point-alias": "false" });
}

export function listBuckets(context: Context): Reply {
  const account = context.caller.holder?.account;
  if (account === undefined) throw new S3Error("AccessDenied", "Access Denied");
  const prefix = query(context, "prefix") ?? "";
  const rows = [...context.world.buckets.values()]
    .filter((bucket) => bucket.account === account && bucket.name.startsWith(prefix))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(
      (bucket) =>
        `<Bucket>${element("Name", bucket.name)}${element("CreationDate", listedTime(bucket.createdMs))}` +
        `${element("BucketRegion", bucket.region)}</Bucket>`,
    );
  const body = `${ownerXml(account)}<Buckets>${rows.join("")}</Buckets>${element("Prefix", prefix === "" ? undefined : prefix)}`;
  return xmlReply(xmlDocument("ListAllMyBucketsResult", body));
}

export function getBucketLocation(context: Context): Reply {
  const { region } = bucketOf(context);
  const text = region === "us-east-1" ? "" : region;
  return xmlReply(
    `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${text}</LocationConstraint>`,
  );
}

export function getBucketVersioning(context: Context): Reply {
  const { versioning } = bucketOf(context);
  return xmlReply(xmlDocument("VersioningConfiguration", versioning === "Off" ? "" : element("Status", versioning)));
}

export async function putBucketVersioning(context: Context): Promise<Reply> {
  const status = parseXml(await receiveText(context), "VersioningConfiguration").value("Status");
  if (status !== "Enabled" && status !== "Suspended") throw malformedXml();
  await context.beforeEffect();
  const bucket = bucketOf(context);
  if (status === "Suspended" && bucket.objectLock !== undefined) {
    throw new S3Error(
      "InvalidBucketState",
      "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
    );
  }
  bucket.versioning = status;
  return emptyReply();
}
