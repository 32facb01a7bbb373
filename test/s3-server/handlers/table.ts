import type { Handler } from "../context.ts";
import type { OperationName } from "../operations.ts";
import * as bucket from "./bucket.ts";
import { completeMultipartUpload } from "./complete.ts";
import { deleteObject, deleteObjects } from "./delete.ts";
import { getObject, headObject } from "./get.ts";
import { listMultipartUploads, listParts } from "./list-uploads.ts";
import { listObjectVersions } from "./list-versions.ts";
import { listObjects, listObjectsV2 } from "./list.ts";
import { abortMultipartUpload, createMultipartUpload, uploadPart } from "./multipart.ts";
import { putObject } from "./put.ts";

/** Handlers that change something await the faults before their effect themselves; for the others it is done for them. */
export interface HandlerEntry {
  readonly handler: Handler;
  readonly writes: boolean;
}

const read = (handler: Handler): HandlerEntry => ({ handler, writes: false });
const write = (handler: Handler): HandlerEntry => ({ handler, writes: true });

export const handlers: Partial<Record<OperationName, HandlerEntry>> = {
  ListBuckets: read(bucket.listBuckets),
  CreateBucket: write(bucket.createBucket),
  DeleteBucket: write(bucket.deleteBucket),
  HeadBucket: read(bucket.headBucket),
  GetBucketLocation: read(bucket.getBucketLocation),
  GetBucketVersioning: read(bucket.getBucketVersioning),
  PutBucketVersioning: write(bucket.putBucketVersioning),
  ListObjects: read(listObjects),
  ListObjectsV2: read(listObjectsV2),
  ListObjectVersions: read(listObjectVersions),
  ListMultipartUploads: read(listMultipartUploads),
  ListParts: read(listParts),
  DeleteObject: write(deleteObject),
  DeleteObjects: write(deleteObjects),
  PutObject: write(putObject),
  GetObject: read(getObject),
  HeadObject: read(headObject),
  CreateMultipartUpload: write(createMultipartUpload),
  UploadPart: write(uploadPart),
  CompleteMultipartUpload: write(completeMultipartUpload),
  AbortMultipartUpload: write(abortMultipartUpload),
};
