/** Which operation a request is: method, whether it names a key, and the subresource in its query. */
import { S3Error } from "./errors.ts";
import type { ParsedRequest } from "./request.ts";
import type { SqsOperation } from "./sqs-protocol.ts";

export type OperationName = S3Operation | SqsOperation;

export type S3Operation =
  | "ListBuckets"
  | "CreateBucket"
  | "DeleteBucket"
  | "HeadBucket"
  | "GetBucketLocation"
  | "GetBucketVersioning"
  | "PutBucketVersioning"
  | "GetBucketPolicy"
  | "PutBucketPolicy"
  | "DeleteBucketPolicy"
  | "GetBucketPolicyStatus"
  | "GetBucketLifecycleConfiguration"
  | "PutBucketLifecycleConfiguration"
  | "DeleteBucketLifecycle"
  | "GetBucketTagging"
  | "PutBucketTagging"
  | "DeleteBucketTagging"
  | "GetBucketAcl"
  | "PutBucketAcl"
  | "GetPublicAccessBlock"
  | "PutPublicAccessBlock"
  | "DeletePublicAccessBlock"
  | "GetBucketOwnershipControls"
  | "PutBucketOwnershipControls"
  | "GetBucketEncryption"
  | "PutBucketEncryption"
  | "GetBucketNotificationConfiguration"
  | "PutBucketNotificationConfiguration"
  | "GetObjectLockConfiguration"
  | "PutObjectLockConfiguration"
  | "ListObjects"
  | "ListObjectsV2"
  | "ListObjectVersions"
  | "ListMultipartUploads"
  | "DeleteObjects"
  | "PutObject"
  | "CopyObject"
  | "GetObject"
  | "HeadObject"
  | "DeleteObject"
  | "GetObjectAttributes"
  | "GetObjectTagging"
  | "PutObjectTagging"
  | "DeleteObjectTagging"
  | "GetObjectAcl"
  | "PutObjectAcl"
  | "GetObjectRetention"
  | "PutObjectRetention"
  | "GetObjectLegalHold"
  | "PutObjectLegalHold"
  | "RestoreObject"
  | "CreateMultipartUpload"
  | "UploadPart"
  | "UploadPartCopy"
  | "CompleteMultipartUpload"
  | "AbortMultipartUpload"
  | "ListParts";

/** Method and subresource to operation; the empty subresource is the plain request. */
const bucketOperations = new Map<string, S3Operation>([
  ["PUT ", "CreateBucket"],
  ["DELETE ", "DeleteBucket"],
  ["HEAD ", "HeadBucket"],
  ["GET location", "GetBucketLocation"],
  ["GET versioning", "GetBucketVersioning"],
  ["PUT versioning", "PutBucketVersioning"],
  ["GET policy", "GetBucketPolicy"],
  ["PUT policy", "PutBucketPolicy"],
  ["DELETE policy", "DeleteBucketPolicy"],
  ["GET policyStatus", "GetBucketPolicyStatus"],
  ["GET lifecycle", "GetBucketLifecycleConfiguration"],
  ["PUT lifecycle", "PutBucketLifecycleConfiguration"],
  ["DELETE lifecycle", "DeleteBucketLifecycle"],
  ["GET tagging", "GetBucketTagging"],
  ["PUT tagging", "PutBucketTagging"],
  ["DELETE tagging", "DeleteBucketTagging"],
  ["GET acl", "GetBucketAcl"],
  ["PUT acl", "PutBucketAcl"],
  ["GET publicAccessBlock", "GetPublicAccessBlock"],
  ["PUT publicAccessBlock", "PutPublicAccessBlock"],
  ["DELETE publicAccessBlock", "DeletePublicAccessBlock"],
  ["GET ownershipControls", "GetBucketOwnershipControls"],
  ["PUT ownershipControls", "PutBucketOwnershipControls"],
  ["GET encryption", "GetBucketEncryption"],
  ["PUT encryption", "PutBucketEncryption"],
  ["GET notification", "GetBucketNotificationConfiguration"],
  ["PUT notification", "PutBucketNotificationConfiguration"],
  ["GET object-lock", "GetObjectLockConfiguration"],
  ["PUT object-lock", "PutObjectLockConfiguration"],
  ["GET versions", "ListObjectVersions"],
  ["GET uploads", "ListMultipartUploads"],
  ["POST delete", "DeleteObjects"],
]);

const objectOperations = new Map<string, S3Operation>([
  ["GET ", "GetObject"],
  ["HEAD ", "HeadObject"],
  ["DELETE ", "DeleteObject"],
  ["GET attributes", "GetObjectAttributes"],
  ["GET tagging", "GetObjectTagging"],
  ["PUT tagging", "PutObjectTagging"],
  ["DELETE tagging", "DeleteObjectTagging"],
  ["GET acl", "GetObjectAcl"],
  ["PUT acl", "PutObjectAcl"],
  ["GET retention", "GetObjectRetention"],
  ["PUT retention", "PutObjectRetention"],
  ["GET legal-hold", "GetObjectLegalHold"],
  ["PUT legal-hold", "PutObjectLegalHold"],
  ["POST restore", "RestoreObject"],
  ["POST uploads", "CreateMultipartUpload"],
  ["POST uploadId", "CompleteMultipartUpload"],
  ["DELETE uploadId", "AbortMultipartUpload"],
  ["GET uploadId", "ListParts"],
]);

const subresources = new Set(
  (
    "acl accelerate analytics attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle location " +
    "logging metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication " +
    "requestPayment restore retention select tagging torrent uploadId uploads versioning versions website annotations"
  ).split(" "),
);

export function findOperation(request: ParsedRequest): S3Operation {
  const { method, bucket, key, query, headers } = request;
  if (bucket === undefined) {
    if (method === "GET") return "ListBuckets";
    throw notAllowed(method);
  }
  const subresource = [...query.keys()].find((name) => subresources.has(name)) ?? "";
  if (key === undefined) {
    if (method === "GET" && subresource === "") return query.get("list-type") === "2" ? "ListObjectsV2" : "ListObjects";
    return required(bucketOperations.get(`${method} ${subresource}`), request, subresource);
  }
  if (method === "PUT" && (subresource === "" || subresource === "uploadId")) {
    const isCopy = headers.has("x-amz-copy-source");
    if (subresource === "uploadId" && query.has("partNumber")) return isCopy ? "UploadPartCopy" : "UploadPart";
    return isCopy ? "CopyObject" : "PutObject";
  }
  return required(objectOperations.get(`${method} ${subresource}`), request, subresource);
}

function required(operation: S3Operation | undefined, request: ParsedRequest, subresource: string): S3Operation {
  if (operation !== undefined) return operation;
  if (subresource !== "") {
    throw new S3Error("NotImplemented", `This server does not know ${request.method} of ?${subresource}.`);
  }
  throw notAllowed(request.method);
}

function notAllowed(method: string): S3Error {
  return new S3Error("MethodNotAllowed", "The specified method is not allowed against this resource.", {
    Method: method,
  });
}
