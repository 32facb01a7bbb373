/** Everything that can be asked of an account's buckets, as one value: to be compared with a later one. */
import {
  GetBucketAclCommand,
  GetBucketCorsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketLoggingCommand,
  GetBucketNotificationConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketReplicationCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  GetBucketWebsiteCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  GetPublicAccessBlockCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  S3ServiceException,
  type S3Client,
} from "@aws-sdk/client-s3";

export async function snapshotAccount(owner: S3Client): Promise<Readonly<Record<string, unknown>>> {
  const { Buckets = [] } = await owner.send(new ListBucketsCommand({}));
  const found: Record<string, unknown> = {};
  for (const { Name: Bucket = "" } of Buckets) found[Bucket] = await snapshotBucket(owner, Bucket);
  return found;
}

async function snapshotBucket(owner: S3Client, Bucket: string): Promise<object> {
  const at = { Bucket };
  const { Versions = [], DeleteMarkers = [] } = await owner.send(new ListObjectVersionsCommand(at));
  const { Uploads = [] } = await owner.send(new ListMultipartUploadsCommand(at));
  const objects = [];
  for (const { Key, VersionId, Size, ETag, LastModified } of Versions) {
    const version = { Bucket, Key, ...(VersionId === "null" ? {} : { VersionId }) };
    objects.push({
      Key,
      VersionId,
      Size,
      ETag,
      LastModified,
      headers: await answer(async () => {
        const { Body, $metadata: _, ...headers } = await owner.send(new GetObjectCommand(version));
        await Body?.transformToByteArray();
        return headers;
      }),
      tags: await answer(() => owner.send(new GetObjectTaggingCommand(version))),
      acl: await answer(() => owner.send(new GetObjectAclCommand(version))),
      retention: await answer(() => owner.send(new GetObjectRetentionCommand(version))),
      legalHold: await answer(() => owner.send(new GetObjectLegalHoldCommand(version))),
    });
  }
  return {
    objects,
    markers: DeleteMarkers.map(({ Key, VersionId }) => ({ Key, VersionId })),
    uploads: Uploads.map(({ Key, UploadId }) => ({ Key, UploadId })),
    policy: await answer(() => owner.send(new GetBucketPolicyCommand(at))),
    lifecycle: await answer(() => owner.send(new GetBucketLifecycleConfigurationCommand(at))),
    versioning: await answer(() => owner.send(new GetBucketVersioningCommand(at))),
    objectLock: await answer(() => owner.send(new GetObjectLockConfigurationCommand(at))),
    acl: await answer(() => owner.send(new GetBucketAclCommand(at))),
    notification: await answer(() => owner.send(new GetBucketNotificationConfigurationCommand(at))),
    replication: await answer(() => owner.send(new GetBucketReplicationCommand(at))),
    encryption: await answer(() => owner.send(new GetBucketEncryptionCommand(at))),
    publicAccessBlock: await answer(() => owner.send(new GetPublicAccessBlockCommand(at))),
    ownership: await answer(() => owner.send(new GetBucketOwnershipControlsCommand(at))),
    website: await answer(() => owner.send(new GetBucketWebsiteCommand(at))),
    cors: await answer(() => owner.send(new GetBucketCorsCommand(at))),
    logging: await answer(() => owner.send(new GetBucketLoggingCommand(at))),
    tags: await answer(() => owner.send(new GetBucketTaggingCommand(at))),
  };
}

/** A refusal is an answer too, such as that there is no policy. What differs by request is left out. */
async function answer(call: () => Promise<object>): Promise<unknown> {
  try {
    const { $metadata: _, ...value } = { $metadata: null, ...(await call()) };
    return structuredClone(value);
  } catch (error) {
    // a body that is not the XML that S3 would send
    if (error instanceof Error && "$response" in error && !(error instanceof S3ServiceException)) return "unreadable";
    if (!(error instanceof S3ServiceException)) throw error;
    return `${error.$metadata.httpStatusCode} ${error.name}`;
  }
}
