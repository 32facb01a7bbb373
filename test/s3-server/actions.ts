/** The permissions that each request needs: Service Authorization Reference, "Actions for Amazon S3", and S3's API pages. */
import type { OperationName } from "./operations.ts";
import type { ParsedRequest } from "./request.ts";

const bucketActions: Readonly<Partial<Record<OperationName, string>>> = {
  DeleteBucket: "s3:DeleteBucket",
  HeadBucket: "s3:ListBucket",
  GetBucketLocation: "s3:GetBucketLocation",
  GetBucketVersioning: "s3:GetBucketVersioning",
  PutBucketVersioning: "s3:PutBucketVersioning",
  GetBucketPolicy: "s3:GetBucketPolicy",
  PutBucketPolicy: "s3:PutBucketPolicy",
  DeleteBucketPolicy: "s3:DeleteBucketPolicy",
  GetBucketPolicyStatus: "s3:GetBucketPolicyStatus",
  GetBucketLifecycleConfiguration: "s3:GetLifecycleConfiguration",
  PutBucketLifecycleConfiguration: "s3:PutLifecycleConfiguration",
  DeleteBucketLifecycle: "s3:PutLifecycleConfiguration",
  GetBucketTagging: "s3:GetBucketTagging",
  PutBucketTagging: "s3:PutBucketTagging",
  DeleteBucketTagging: "s3:PutBucketTagging",
  GetBucketAcl: "s3:GetBucketAcl",
  PutBucketAcl: "s3:PutBucketAcl",
  GetPublicAccessBlock: "s3:GetBucketPublicAccessBlock",
  PutPublicAccessBlock: "s3:PutBucketPublicAccessBlock",
  DeletePublicAccessBlock: "s3:PutBucketPublicAccessBlock",
  GetBucketOwnershipControls: "s3:GetBucketOwnershipControls",
  PutBucketOwnershipControls: "s3:PutBucketOwnershipControls",
  GetBucketEncryption: "s3:GetEncryptionConfiguration",
  PutBucketEncryption: "s3:PutEncryptionConfiguration",
  GetBucketNotificationConfiguration: "s3:GetBucketNotification",
  PutBucketNotificationConfiguration: "s3:PutBucketNotification",
  GetObjectLockConfiguration: "s3:GetBucketObjectLockConfiguration",
  PutObjectLockConfiguration: "s3:PutBucketObjectLockConfiguration",
  ListObjects: "s3:ListBucket",
  ListObjectsV2: "s3:ListBucket",
  ListObjectVersions: "s3:ListBucketVersions",
  ListMultipartUploads: "s3:ListBucketMultipartUploads",
};

/** Object operations; with `versionId` the action of the second column, where there is one. */
const objectActions: Readonly<Partial<Record<OperationName, readonly [string, string?]>>> = {
  GetObject: ["s3:GetObject", "s3:GetObjectVersion"],
  HeadObject: ["s3:GetObject", "s3:GetObjectVersion"],
  DeleteObject: ["s3:DeleteObject", "s3:DeleteObjectVersion"],
  GetObjectTagging: ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
  PutObjectTagging: ["s3:PutObjectTagging", "s3:PutObjectVersionTagging"],
  DeleteObjectTagging: ["s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"],
  GetObjectAcl: ["s3:GetObjectAcl", "s3:GetObjectVersionAcl"],
  PutObjectAcl: ["s3:PutObjectAcl", "s3:PutObjectVersionAcl"],
  GetObjectRetention: ["s3:GetObjectRetention"],
  PutObjectRetention: ["s3:PutObjectRetention"],
  GetObjectLegalHold: ["s3:GetObjectLegalHold"],
  PutObjectLegalHold: ["s3:PutObjectLegalHold"],
  RestoreObject: ["s3:RestoreObject"],
  UploadPart: ["s3:PutObject"],
  UploadPartCopy: ["s3:PutObject"],
  CompleteMultipartUpload: ["s3:PutObject"],
  AbortMultipartUpload: ["s3:AbortMultipartUpload"],
  ListParts: ["s3:ListMultipartUploadParts"],
};

export interface NeededPermission {
  readonly action: string;
  readonly resource: string;
}

/**
 * What a request needs before its handler runs. What depends on more than line and headers (each key of
 * DeleteObjects, a copy's source, bypassing governance) its handler asks itself.
 */
export function neededPermissions(operation: OperationName, request: ParsedRequest): NeededPermission[] {
  const bucketArn = `arn:aws:s3:::${request.bucket ?? ""}`;
  const objectArn = `${bucketArn}/${request.key ?? ""}`;
  const { headers, query } = request;
  const bucketAction = bucketActions[operation];
  if (bucketAction !== undefined) return [{ action: bucketAction, resource: bucketArn }];

  const onObject = (...actions: string[]): NeededPermission[] =>
    actions.map((action) => ({ action, resource: objectArn }));
  switch (operation) {
    case "ListBuckets":
      return [{ action: "s3:ListAllMyBuckets", resource: "arn:aws:s3:::*" }];
    case "CreateBucket": {
      const isLocked = headers.get("x-amz-bucket-object-lock-enabled")?.toLowerCase() === "true";
      const extra = isLocked ? ["s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"] : [];
      return ["s3:CreateBucket", ...extra].map((action) => ({ action, resource: bucketArn }));
    }
    case "DeleteObjects":
      return [];
    case "PutObject":
    case "CopyObject":
    case "CreateMultipartUpload":
      return onObject("s3:PutObject", ...creationActions(operation, headers));
    case "GetObjectAttributes":
      return query.has("versionId")
        ? onObject("s3:GetObjectVersion", "s3:GetObjectVersionAttributes")
        : onObject("s3:GetObject", "s3:GetObjectAttributes");
    default: {
      const [plain = "", versioned] = objectActions[operation] ?? [];
      const action = versioned !== undefined && query.has("versionId") ? versioned : plain;
      const ifMatch = headers.get("if-match");
      const compares = operation === "CompleteMultipartUpload" || operation === "DeleteObject";
      // Comparing an ETag tells something about the object: it needs the right to read it, too.
      const extra = compares && ifMatch !== undefined && ifMatch !== "*" ? ["s3:GetObject"] : [];
      return onObject(action, ...extra);
    }
  }
}

function creationActions(operation: OperationName, headers: ReadonlyMap<string, string>): string[] {
  const actions: string[] = [];
  if (headers.has("x-amz-tagging")) actions.push("s3:PutObjectTagging");
  if (hasAclHeaders(headers)) actions.push("s3:PutObjectAcl");
  if (headers.has("x-amz-object-lock-mode") || headers.has("x-amz-object-lock-retain-until-date")) {
    actions.push("s3:PutObjectRetention");
  }
  if (headers.has("x-amz-object-lock-legal-hold")) actions.push("s3:PutObjectLegalHold");
  if (operation === "PutObject" && headers.has("if-match")) actions.push("s3:GetObject");
  return actions;
}

export function hasAclHeaders(headers: ReadonlyMap<string, string>): boolean {
  if (headers.has("x-amz-acl")) return true;
  for (const name of headers.keys()) if (name.startsWith("x-amz-grant-")) return true;
  return false;
}
