import type { Handler } from "../context.ts";
import type { S3Operation } from "../operations.ts";
import * as bucket from "./bucket.ts";
import * as settings from "./bucket-settings.ts";
import { completeMultipartUpload } from "./complete.ts";
import { copyObject, uploadPartCopy } from "./copy.ts";
import { deleteObject, deleteObjects } from "./delete.ts";
import { getObject, headObject } from "./get.ts";
import { listMultipartUploads, listParts } from "./list-uploads.ts";
import { listObjectVersions } from "./list-versions.ts";
import { listObjects, listObjectsV2 } from "./list.ts";
import { abortMultipartUpload, createMultipartUpload, uploadPart } from "./multipart.ts";
import { getBucketNotification, putBucketNotification } from "./notification.ts";
import * as state from "./object-state.ts";
import { putObject } from "./put.ts";
import { xmlReply } from "../reply.ts";
import { bucketOf } from "../context.ts";

/** Handlers that change something await the faults before their effect themselves; for the others it is done for them. */
export interface HandlerEntry {
  readonly handler: Handler;
  readonly writes: boolean;
}

const read = (handler: Handler): HandlerEntry => ({ handler, writes: false });
const write = (handler: Handler): HandlerEntry => ({ handler, writes: true });

export const handlers: Readonly<Record<S3Operation, HandlerEntry>> = {
  ListBuckets: read(bucket.listBuckets),
  CreateBucket: write(bucket.createBucket),
  DeleteBucket: write(bucket.deleteBucket),
  HeadBucket: read(bucket.headBucket),
  GetBucketLocation: read(bucket.getBucketLocation),
  GetBucketVersioning: read(bucket.getBucketVersioning),
  PutBucketVersioning: write(bucket.putBucketVersioning),
  GetBucketPolicy: read(settings.getBucketPolicy),
  PutBucketPolicy: write(settings.putBucketPolicy),
  DeleteBucketPolicy: write(settings.deleteBucketPolicy),
  GetBucketPolicyStatus: read(settings.getBucketPolicyStatus),
  GetBucketLifecycleConfiguration: read(
    settings.getDocument(
      "LifecycleConfiguration",
      "NoSuchLifecycleConfiguration",
      "The lifecycle configuration does not exist",
    ),
  ),
  PutBucketLifecycleConfiguration: write(settings.putDocument("LifecycleConfiguration", settings.checkLifecycle)),
  DeleteBucketLifecycle: write(settings.deleteDocument("LifecycleConfiguration")),
  GetBucketTagging: read(settings.getBucketTagging),
  PutBucketTagging: write(settings.putBucketTagging),
  DeleteBucketTagging: write(settings.deleteDocument("Tagging")),
  GetBucketAcl: read(settings.getBucketAcl),
  PutBucketAcl: write(settings.putBucketAcl),
  GetPublicAccessBlock: read(settings.getPublicAccessBlock),
  PutPublicAccessBlock: write(settings.putPublicAccessBlock),
  DeletePublicAccessBlock: write(settings.deletePublicAccessBlock),
  GetBucketOwnershipControls: read((context) =>
    xmlReply(bucketOf(context).documents.get("OwnershipControls") ?? settings.defaultOwnership),
  ),
  PutBucketOwnershipControls: write(settings.putDocument("OwnershipControls", settings.checkOwnership)),
  GetBucketEncryption: read((context) =>
    xmlReply(bucketOf(context).documents.get("ServerSideEncryptionConfiguration") ?? settings.defaultEncryption),
  ),
  PutBucketEncryption: write(settings.putDocument("ServerSideEncryptionConfiguration", () => undefined)),
  GetBucketNotificationConfiguration: read(getBucketNotification),
  PutBucketNotificationConfiguration: write(putBucketNotification),
  GetObjectLockConfiguration: read(settings.getObjectLockConfiguration),
  PutObjectLockConfiguration: write(settings.putObjectLockConfiguration),
  ListObjects: read(listObjects),
  ListObjectsV2: read(listObjectsV2),
  ListObjectVersions: read(listObjectVersions),
  ListMultipartUploads: read(listMultipartUploads),
  ListParts: read(listParts),
  DeleteObject: write(deleteObject),
  DeleteObjects: write(deleteObjects),
  PutObject: write(putObject),
  CopyObject: write(copyObject),
  UploadPartCopy: write(uploadPartCopy),
  GetObjectAttributes: read(state.getObjectAttributes),
  GetObjectTagging: read(state.getObjectTagging),
  PutObjectTagging: write(state.putObjectTagging),
  DeleteObjectTagging: write(state.deleteObjectTagging),
  GetObjectAcl: read(state.getObjectAcl),
  PutObjectAcl: write(state.putObjectAcl),
  GetObjectRetention: read(state.getObjectRetention),
  PutObjectRetention: write(state.putObjectRetention),
  GetObjectLegalHold: read(state.getObjectLegalHold),
  PutObjectLegalHold: write(state.putObjectLegalHold),
  RestoreObject: write(state.restoreObject),
  GetObject: read(getObject),
  HeadObject: read(headObject),
  CreateMultipartUpload: write(createMultipartUpload),
  UploadPart: write(uploadPart),
  CompleteMultipartUpload: write(completeMultipartUpload),
  AbortMultipartUpload: write(abortMultipartUpload),
};
