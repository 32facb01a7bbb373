import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectRetentionCommand,
} from "@aws-sdk/client-s3";
import type { Area, Check } from "../check.ts";
import { DENIED, cannotWork, roleCheck, unbounded } from "../role-check.ts";

const checks: readonly Check[] = [
  roleCheck(
    "store",
    "put",
    "PUT below `archive/`, create-only, with a SHA-256",
    "200",
    ({ client, at }) =>
      client.send(
        new PutObjectCommand({ ...at, Key: `${at.Key}-new`, Body: "x", IfNoneMatch: "*", ChecksumAlgorithm: "SHA256" }),
      ),
    cannotWork,
  ),
  roleCheck(
    "store",
    "put-ledger",
    "PUT below `_airlock/`, create-only",
    "200",
    ({ client, at }) =>
      client.send(
        new PutObjectCommand({ ...at, Key: `${at.Key}-new`, Body: "x", IfNoneMatch: "*", ChecksumAlgorithm: "SHA256" }),
      ),
    cannotWork,
    "_airlock",
  ),
  roleCheck(
    "store",
    "get-ledger",
    "GET below `_airlock/`",
    "200",
    ({ client, at }) => client.send(new GetObjectCommand(at)),
    cannotWork,
    "_airlock",
  ),
  roleCheck(
    "store",
    "list-ledger",
    "listing of `_airlock/`",
    "200",
    ({ client, at }) => client.send(new ListObjectsV2Command({ Bucket: at.Bucket, Prefix: "_airlock/", MaxKeys: 1 })),
    cannotWork,
  ),
  roleCheck(
    "store",
    "list-uploads",
    "listing of uploads",
    "200",
    ({ client, at }) => client.send(new ListMultipartUploadsCommand({ Bucket: at.Bucket })),
    cannotWork,
  ),
  roleCheck(
    "store",
    "abort",
    "abort of an upload below `archive/`",
    "204",
    async ({ client, at }) => {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
      return client.send(new AbortMultipartUploadCommand({ ...at, UploadId }));
    },
    cannotWork,
  ),
  roleCheck(
    "store",
    "lock-settings",
    "reading the bucket's lock settings",
    "200",
    ({ client, at }) => client.send(new GetObjectLockConfigurationCommand({ Bucket: at.Bucket })),
    cannotWork,
  ),
  roleCheck(
    "store",
    "versioning",
    "reading the bucket's versioning",
    "200",
    ({ client, at }) => client.send(new GetBucketVersioningCommand({ Bucket: at.Bucket })),
    cannotWork,
  ),
  roleCheck(
    "store",
    "get",
    "GET below `archive/`",
    DENIED,
    ({ client, at }) => client.send(new GetObjectCommand(at)),
    unbounded,
  ),
  roleCheck(
    "store",
    "head",
    "HEAD below `archive/`",
    "403",
    ({ client, at }) => client.send(new HeadObjectCommand(at)),
    unbounded,
  ),
  roleCheck(
    "store",
    "list-archive",
    "listing of `archive/`",
    DENIED,
    ({ client, at }) => client.send(new ListObjectsV2Command({ Bucket: at.Bucket, Prefix: "archive/" })),
    unbounded,
  ),
  roleCheck(
    "store",
    "list-all",
    "listing of everything",
    DENIED,
    ({ client, at }) => client.send(new ListObjectsV2Command({ Bucket: at.Bucket })),
    unbounded,
  ),
  roleCheck(
    "store",
    "delete",
    "DELETE below `archive/`",
    DENIED,
    ({ client, at }) => client.send(new DeleteObjectCommand(at)),
    unbounded,
  ),
  roleCheck(
    "store",
    "delete-version",
    "DELETE of a version below `archive/`",
    DENIED,
    ({ client, at, VersionId }) => client.send(new DeleteObjectCommand({ ...at, VersionId })),
    unbounded,
  ),
  roleCheck(
    "store",
    "delete-ledger",
    "DELETE of a version below `_airlock/`",
    DENIED,
    ({ client, at, VersionId }) => client.send(new DeleteObjectCommand({ ...at, VersionId })),
    unbounded,
    "_airlock",
  ),
  roleCheck(
    "store",
    "retention",
    "setting an object's retention",
    DENIED,
    ({ client, at, VersionId }) =>
      client.send(new PutObjectRetentionCommand({ ...at, VersionId, Retention: inADay() })),
    unbounded,
  ),
  roleCheck(
    "store",
    "put-retention",
    "PUT with retention headers",
    DENIED,
    ({ client, at }) =>
      client.send(
        new PutObjectCommand({
          ...at,
          Key: `${at.Key}-new`,
          Body: "x",
          ChecksumAlgorithm: "SHA256",
          ObjectLockMode: "GOVERNANCE",
          ObjectLockRetainUntilDate: inADay().RetainUntilDate,
        }),
      ),
    "A taken mover can keep what it archives for longer than the bucket's default, which costs money.",
  ),

  roleCheck(
    "read",
    "list",
    "listing",
    "200",
    ({ client, at }) => client.send(new ListObjectVersionsCommand({ Bucket: at.Bucket, MaxKeys: 1 })),
    cannotWork,
  ),
  roleCheck(
    "read",
    "get",
    "GET below `archive/`",
    "200",
    ({ client, at }) => client.send(new GetObjectCommand(at)),
    cannotWork,
  ),
  roleCheck(
    "read",
    "put",
    "PUT",
    DENIED,
    ({ client, at }) => client.send(new PutObjectCommand({ ...at, Body: "x", ChecksumAlgorithm: "SHA256" })),
    unbounded,
  ),
  roleCheck(
    "read",
    "delete",
    "DELETE",
    DENIED,
    ({ client, at }) => client.send(new DeleteObjectCommand(at)),
    unbounded,
  ),
  roleCheck(
    "read",
    "delete-version",
    "DELETE of a version",
    DENIED,
    ({ client, at, VersionId }) => client.send(new DeleteObjectCommand({ ...at, VersionId })),
    unbounded,
  ),
];

function inADay(): { Mode: "GOVERNANCE"; RetainUntilDate: Date } {
  return { Mode: "GOVERNANCE", RetainUntilDate: new Date(Date.now() + 86_400_000) };
}

export const vaultKeys: Area = { title: "The mover's and the operator's keys in the vault", checks };
