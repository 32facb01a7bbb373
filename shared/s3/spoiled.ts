/**
 * Requests that would set something, with what is no document at all in their document's place: a store that lets the
 * key do it refuses what was sent, and sets nothing.
 */
import {
  PutBucketAclCommand,
  PutBucketCorsCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketLoggingCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketReplicationCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutBucketWebsiteCommand,
  PutObjectAclCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  PutPublicAccessBlockCommand,
  RestoreObjectCommand,
  type DeleteObjectsCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { sendMd5 } from "./delete-versions.ts";

export type BucketSetting =
  | "policy"
  | "lifecycle"
  | "versioning"
  | "object lock"
  | "ACL"
  | "notification"
  | "replication"
  | "encryption"
  | "public access block"
  | "ownership"
  | "website"
  | "CORS"
  | "logging"
  | "tags";
export type ObjectMark =
  | "tags"
  | "ACL"
  | "retention"
  | "retention, bypassing governance"
  | "legal hold"
  | "restoration";

interface OfBucket {
  readonly Bucket: string;
  readonly ExpectedBucketOwner: string | undefined;
}
interface OfObject extends OfBucket {
  readonly Key: string;
}
type Send = (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<unknown>;

/** How stores call a document that is none; Ceph and versitygw have the last two. */
export const NO_DOCUMENT = [
  "MalformedXML",
  "MalformedPolicy",
  "MalformedACLError",
  "InvalidArgument",
  "InvalidRequest",
];
/** The last is said to whoever may, of a bucket that takes no ACLs, as new ones do not. */
export const NO_ACL = [...NO_DOCUMENT, "AccessControlListNotSupported"];

/** What whoever may is told: of what Ceph does not know, it says InvalidArgument to everybody. */
export function toldOf(setting: BucketSetting): readonly string[] {
  if (setting === "ACL") return NO_ACL;
  return OLD_SETTINGS.has(setting) ? NO_DOCUMENT : ["MalformedXML"];
}

const OLD_SETTINGS: ReadonlySet<BucketSetting> = new Set([
  "policy",
  "lifecycle",
  "versioning",
  "object lock",
  "notification",
]);

/** By the operation's name in S3. */
export const SETTINGS: Readonly<Record<BucketSetting, readonly [string, (bucket: OfBucket) => Send]>> = {
  policy: [
    "PutBucketPolicy",
    (bucket) => (client, options) => client.send(spoil(new PutBucketPolicyCommand({ ...bucket, Policy: "" })), options),
  ],
  lifecycle: [
    "PutBucketLifecycleConfiguration",
    (bucket) => (client, options) => client.send(spoil(new PutBucketLifecycleConfigurationCommand(bucket)), options),
  ],
  versioning: [
    "PutBucketVersioning",
    (bucket) => (client, options) =>
      client.send(spoil(new PutBucketVersioningCommand({ ...bucket, VersioningConfiguration: {} })), options),
  ],
  "object lock": [
    "PutObjectLockConfiguration",
    (bucket) => (client, options) => client.send(spoil(new PutObjectLockConfigurationCommand(bucket)), options),
  ],
  ACL: ["PutBucketAcl", (bucket) => (client, options) => client.send(spoil(new PutBucketAclCommand(bucket)), options)],
  notification: [
    "PutBucketNotificationConfiguration",
    (bucket) => (client, options) =>
      client.send(
        spoil(new PutBucketNotificationConfigurationCommand({ ...bucket, NotificationConfiguration: {} })),
        options,
      ),
  ],
  replication: [
    "PutBucketReplication",
    (bucket) => (client, options) => {
      const ReplicationConfiguration = { Role: "", Rules: [] };
      return client.send(spoil(new PutBucketReplicationCommand({ ...bucket, ReplicationConfiguration })), options);
    },
  ],
  encryption: [
    "PutBucketEncryption",
    (bucket) => (client, options) => {
      const ServerSideEncryptionConfiguration = { Rules: [] };
      return client.send(
        spoil(new PutBucketEncryptionCommand({ ...bucket, ServerSideEncryptionConfiguration })),
        options,
      );
    },
  ],
  "public access block": [
    "PutPublicAccessBlock",
    (bucket) => (client, options) =>
      client.send(spoil(new PutPublicAccessBlockCommand({ ...bucket, PublicAccessBlockConfiguration: {} })), options),
  ],
  ownership: [
    "PutBucketOwnershipControls",
    (bucket) => (client, options) =>
      client.send(
        spoil(new PutBucketOwnershipControlsCommand({ ...bucket, OwnershipControls: { Rules: [] } })),
        options,
      ),
  ],
  website: [
    "PutBucketWebsite",
    (bucket) => (client, options) =>
      client.send(spoil(new PutBucketWebsiteCommand({ ...bucket, WebsiteConfiguration: {} })), options),
  ],
  CORS: [
    "PutBucketCors",
    (bucket) => (client, options) =>
      client.send(spoil(new PutBucketCorsCommand({ ...bucket, CORSConfiguration: { CORSRules: [] } })), options),
  ],
  logging: [
    "PutBucketLogging",
    (bucket) => (client, options) =>
      client.send(spoil(new PutBucketLoggingCommand({ ...bucket, BucketLoggingStatus: {} })), options),
  ],
  tags: [
    "PutBucketTagging",
    (bucket) => (client, options) =>
      client.send(spoil(new PutBucketTaggingCommand({ ...bucket, Tagging: { TagSet: [] } })), options),
  ],
};

export const MARKS: Readonly<Record<ObjectMark, readonly [string, (object: OfObject) => Send]>> = {
  tags: [
    "PutObjectTagging",
    (object) => (client, options) =>
      client.send(spoil(new PutObjectTaggingCommand({ ...object, Tagging: { TagSet: [] } })), options),
  ],
  ACL: ["PutObjectAcl", (object) => (client, options) => client.send(spoil(new PutObjectAclCommand(object)), options)],
  retention: [
    "PutObjectRetention",
    (object) => (client, options) => client.send(spoil(new PutObjectRetentionCommand(object)), options),
  ],
  "retention, bypassing governance": [
    "PutObjectRetention",
    (object) => (client, options) =>
      client.send(spoil(new PutObjectRetentionCommand({ ...object, BypassGovernanceRetention: true })), options),
  ],
  "legal hold": [
    "PutObjectLegalHold",
    (object) => (client, options) => client.send(spoil(new PutObjectLegalHoldCommand(object)), options),
  ],
  restoration: [
    "RestoreObject",
    (object) => (client, options) => client.send(spoil(new RestoreObjectCommand(object)), options),
  ],
};

/**
 * Neither XML nor JSON, so that no store, however obliging, finds anything in it to set. (Ceph 16 takes `{}` for a
 * policy, and sets it.)
 */
const NOT_A_DOCUMENT = "<AirlockCheck";

interface Command {
  readonly middlewareStack: unknown;
}

/** Lets the command send that instead of its own document. */
export function spoil<T extends Command>(command: T): T {
  // commands' stacks differ in their input types only, which this middleware does not look at
  const stack = command.middlewareStack as DeleteObjectsCommand["middlewareStack"];
  stack.add(
    (next) => async (args) => {
      // an SDK request; its type is not exported by the client package
      (args.request as { body: string }).body = NOT_A_DOCUMENT;
      return next(args);
    },
    // before the SDK counts the body's bytes and sums them up
    { step: "build", name: "spoil", priority: "high" },
  );
  sendMd5(command);
  return command;
}
