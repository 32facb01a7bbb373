/** Configurations of a bucket: those that this server obeys (policy, lock, public access block) and those that it only keeps. */
import { receiveText } from "../body.ts";
import { bucketOf, type Context, type Handler, type Reply } from "../context.ts";
import { S3Error, type S3ErrorCode } from "../errors.ts";
import { parseLockConfiguration } from "../lock.ts";
import type { PublicAccessBlock } from "../model.ts";
import { isPublicPolicy, malformedPolicy, parsePolicy } from "../policy.ts";
import { emptyReply, xmlReply } from "../reply.ts";
import { aclNotSupported } from "../settings.ts";
import { parseTagSet, tagSetXml } from "../tags.ts";
import { element, malformedXml, parseXml, xmlDocument, type XmlNode } from "../xml.ts";
import { aclXml } from "./object-state.ts";

const maxBucketTags = 50;

export function getBucketPolicy(context: Context): Reply {
  const { policy, name } = bucketOf(context);
  if (policy === undefined) {
    throw new S3Error("NoSuchBucketPolicy", "The bucket policy does not exist", { BucketName: name });
  }
  return { status: 200, headers: { "content-type": "application/json" }, body: policy.text };
}

export async function putBucketPolicy(context: Context): Promise<Reply> {
  const text = await receiveText(context);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw malformedPolicy("Policies must be valid JSON and the first byte must be '{'");
  }
  const before = bucketOf(context);
  const statements = parsePolicy(document, "bucket", before.name);
  if (isPublicPolicy(statements) && before.publicAccessBlock?.BlockPublicPolicy === true) {
    throw new S3Error(
      "AccessDenied",
      "Access Denied because public policies are blocked by the BlockPublicPolicy setting in S3 Block Public Access.",
    );
  }
  await context.beforeEffect();
  bucketOf(context).policy = { text, statements };
  return emptyReply(204);
}

export async function deleteBucketPolicy(context: Context): Promise<Reply> {
  await context.beforeEffect();
  bucketOf(context).policy = undefined;
  return emptyReply(204);
}

export function getBucketPolicyStatus(context: Context): Reply {
  const { policy, name } = bucketOf(context);
  if (policy === undefined) {
    throw new S3Error("NoSuchBucketPolicy", "The bucket policy does not exist", { BucketName: name });
  }
  return xmlReply(xmlDocument("PolicyStatus", element("IsPublic", isPublicPolicy(policy.statements))));
}

export function getBucketAcl(context: Context): Reply {
  return xmlReply(aclXml(bucketOf(context)));
}

export async function putBucketAcl(context: Context): Promise<Reply> {
  const text = await receiveText(context);
  if (text !== "") parseXml(text, "AccessControlPolicy");
  await context.beforeEffect();
  throw aclNotSupported();
}

export function getPublicAccessBlock(context: Context): Reply {
  const block = bucketOf(context).publicAccessBlock;
  if (block === undefined) {
    throw new S3Error("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found");
  }
  const body = Object.entries(block).map(([name, value]: [string, boolean]) => element(name, value));
  return xmlReply(xmlDocument("PublicAccessBlockConfiguration", body.join("")));
}

export async function putPublicAccessBlock(context: Context): Promise<Reply> {
  const document = parseXml(await receiveText(context), "PublicAccessBlockConfiguration");
  const isSet = (name: keyof PublicAccessBlock): boolean => document.value(name)?.toLowerCase() === "true";
  await context.beforeEffect();
  bucketOf(context).publicAccessBlock = {
    BlockPublicAcls: isSet("BlockPublicAcls"),
    IgnorePublicAcls: isSet("IgnorePublicAcls"),
    BlockPublicPolicy: isSet("BlockPublicPolicy"),
    RestrictPublicBuckets: isSet("RestrictPublicBuckets"),
  };
  return emptyReply();
}

export async function deletePublicAccessBlock(context: Context): Promise<Reply> {
  await context.beforeEffect();
  bucketOf(context).publicAccessBlock = undefined;
  return emptyReply(204);
}

export function getObjectLockConfiguration(context: Context): Reply {
  const { objectLock } = bucketOf(context);
  if (objectLock === undefined) {
    throw new S3Error(
      "ObjectLockConfigurationNotFoundError",
      "Object Lock configuration does not exist for this bucket",
    );
  }
  const { rule } = objectLock;
  const retention =
    rule === undefined
      ? ""
      : `<Rule><DefaultRetention>${element("Mode", rule.mode)}${element(rule.unit, rule.amount)}</DefaultRetention></Rule>`;
  return xmlReply(xmlDocument("ObjectLockConfiguration", element("ObjectLockEnabled", "Enabled") + retention));
}

export async function putObjectLockConfiguration(context: Context): Promise<Reply> {
  const rule = parseLockConfiguration(await receiveText(context));
  await context.beforeEffect();
  const bucket = bucketOf(context);
  if (bucket.versioning !== "Enabled") {
    throw new S3Error(
      "InvalidBucketState",
      "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    );
  }
  bucket.objectLock = { rule };
  return emptyReply();
}

export function getBucketTagging(context: Context): Reply {
  const text = bucketOf(context).documents.get("Tagging");
  if (text === undefined) throw new S3Error("NoSuchTagSet", "The TagSet does not exist");
  return xmlReply(text);
}

export async function putBucketTagging(context: Context): Promise<Reply> {
  const tags = parseTagSet(parseXml(await receiveText(context), "Tagging"), maxBucketTags);
  await context.beforeEffect();
  bucketOf(context).documents.set("Tagging", xmlDocument("Tagging", tagSetXml(tags)));
  return emptyReply(204);
}

/** A handler that answers with the document kept under that root name, or with the error for a missing one. */
export function getDocument(root: string, missing: S3ErrorCode, message: string): Handler {
  return (context) => {
    const text = bucketOf(context).documents.get(root);
    if (text === undefined) throw new S3Error(missing, message);
    return xmlReply(text);
  };
}

/** A handler that keeps the document as it came, once it has the right root and passes the check. */
export function putDocument(root: string, check: (document: XmlNode) => void): Handler {
  return async (context) => {
    const text = await receiveText(context);
    check(parseXml(text, root));
    await context.beforeEffect();
    bucketOf(context).documents.set(root, text);
    return emptyReply();
  };
}

export function deleteDocument(root: string): Handler {
  return async (context) => {
    await context.beforeEffect();
    bucketOf(context).documents.delete(root);
    return emptyReply(204);
  };
}

/** Kept, not carried out: what makes a document one of S3's is checked, what its rules would do isn't. */
export function checkLifecycle(document: XmlNode): void {
  const rules = document.children("Rule");
  if (rules.length === 0 || rules.length > 1000) throw malformedXml();
  for (const rule of rules) {
    const status = rule.value("Status");
    const actions = [
      "Expiration",
      "Transition",
      "NoncurrentVersionExpiration",
      "NoncurrentVersionTransition",
      "AbortIncompleteMultipartUpload",
    ];
    const hasAction = actions.some((name) => rule.child(name) !== undefined);
    if ((status !== "Enabled" && status !== "Disabled") || !hasAction) throw malformedXml();
  }
}

export const defaultEncryption = xmlDocument(
  "ServerSideEncryptionConfiguration",
  "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>",
);

export const defaultOwnership = xmlDocument(
  "OwnershipControls",
  "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>",
);

export function checkOwnership(document: XmlNode): void {
  if (document.child("Rule")?.value("ObjectOwnership") !== "BucketOwnerEnforced") {
    throw new S3Error("NotImplemented", "This server knows buckets with the bucket owner enforced only.");
  }
}
