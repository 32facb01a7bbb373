import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
} from "@aws-sdk/client-s3";
import type { S3Client } from "@aws-sdk/client-s3";
import { answerOf, statusOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check, Meaning } from "../check.ts";
import { drainPolicy, hostPolicy, readPolicy, storePolicy } from "../policies.ts";

type Answer = Promise<{ $metadata: { httpStatusCode?: number } }>;

interface Stage {
  readonly client: S3Client;
  /** An object that was there before: in the drop-zone put by a host, in the vault by the owner. */
  readonly at: { readonly Bucket: string; readonly Key: string };
  readonly VersionId: string | undefined;
}

type Role = "drain" | "store" | "read";

/** Which bucket each role works on, in which folder its questions are asked, and under what policy. */
const ROLES = {
  drain: { kind: "versioned", folder: "h1", policy: drainPolicy, says: "the mover's drop-zone key" },
  store: { kind: "locked", folder: "archive", policy: storePolicy, says: "the mover's vault key" },
  read: { kind: "locked", folder: "archive", policy: readPolicy, says: "the operator's key" },
} as const;

async function stageOf(bench: Bench, role: Role, folder: string): Promise<Stage> {
  const { kind, policy } = ROLES[role];
  const Bucket = await bench.bucket(kind);
  const client = await bench.user(role, Bucket, [policy(Bucket)]);
  const at = { Bucket, Key: bench.freshKey(folder) };
  const writer = role === "drain" ? await bench.user("host", Bucket, [hostPolicy(Bucket, "h1")]) : bench.owner;
  const { VersionId } = await writer.send(new PutObjectCommand({ ...at, Body: "x", IfNoneMatch: "*" }));
  return { client, at, VersionId };
}

function check(
  role: Role,
  id: string,
  question: string,
  aws: string,
  call: (stage: Stage) => Answer,
  means: string,
  folder?: string,
): Check {
  const { kind, folder: own, says } = ROLES[role];
  const otherwise: Meaning = kind === "locked" ? { dropZone: null, vault: means } : { dropZone: means, vault: null };
  const answer = aws.length === 3 ? statusOf : answerOf;
  return {
    id: `${role}-${id}`,
    question: `${question}, with ${says}`,
    aws,
    ask: async (bench) => answer(call(await stageOf(bench, role, folder ?? own))),
    otherwise,
  };
}

const DENIED = "403 AccessDenied";
const cannotWork = "The mover can't work with the least it needs: give it a wider policy.";
const unbounded = "The policy does not bound this here: another means has to, or the key is worth more to a thief.";

const checks: readonly Check[] = [
  check(
    "drain",
    "list",
    "listing",
    "200",
    ({ client, at }) => client.send(new ListObjectsV2Command({ Bucket: at.Bucket, MaxKeys: 1 })),
    cannotWork,
  ),
  check(
    "drain",
    "list-versions",
    "listing of versions",
    "200",
    ({ client, at }) => client.send(new ListObjectVersionsCommand({ Bucket: at.Bucket, MaxKeys: 1 })),
    cannotWork,
  ),
  check(
    "drain",
    "list-uploads",
    "listing of uploads",
    "200",
    ({ client, at }) => client.send(new ListMultipartUploadsCommand({ Bucket: at.Bucket })),
    cannotWork,
  ),
  check(
    "drain",
    "get",
    "GET of a version",
    "200",
    ({ client, at, VersionId }) => client.send(new GetObjectCommand({ ...at, VersionId })),
    cannotWork,
  ),
  check(
    "drain",
    "tags",
    "reading a version's tags",
    "200",
    ({ client, at, VersionId }) => client.send(new GetObjectTaggingCommand({ ...at, VersionId })),
    cannotWork,
  ),
  check(
    "drain",
    "delete",
    "DELETE of a version",
    "204",
    ({ client, at, VersionId }) => client.send(new DeleteObjectCommand({ ...at, VersionId })),
    cannotWork,
  ),
  check(
    "drain",
    "put",
    "PUT of a host's object",
    DENIED,
    ({ client, at }) => client.send(new PutObjectCommand({ ...at, Body: "x" })),
    unbounded,
  ),

  check(
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
  check(
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
  check(
    "store",
    "get-ledger",
    "GET below `_airlock/`",
    "200",
    ({ client, at }) => client.send(new GetObjectCommand(at)),
    cannotWork,
    "_airlock",
  ),
  check(
    "store",
    "list-ledger",
    "listing of `_airlock/`",
    "200",
    ({ client, at }) => client.send(new ListObjectsV2Command({ Bucket: at.Bucket, Prefix: "_airlock/", MaxKeys: 1 })),
    cannotWork,
  ),
  check(
    "store",
    "list-uploads",
    "listing of uploads",
    "200",
    ({ client, at }) => client.send(new ListMultipartUploadsCommand({ Bucket: at.Bucket })),
    cannotWork,
  ),
  check(
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
  check(
    "store",
    "lock-settings",
    "reading the bucket's lock settings",
    "200",
    ({ client, at }) => client.send(new GetObjectLockConfigurationCommand({ Bucket: at.Bucket })),
    cannotWork,
  ),
  check(
    "store",
    "versioning",
    "reading the bucket's versioning",
    "200",
    ({ client, at }) => client.send(new GetBucketVersioningCommand({ Bucket: at.Bucket })),
    cannotWork,
  ),
  check(
    "store",
    "get",
    "GET below `archive/`",
    DENIED,
    ({ client, at }) => client.send(new GetObjectCommand(at)),
    unbounded,
  ),
  check(
    "store",
    "head",
    "HEAD below `archive/`",
    "403",
    ({ client, at }) => client.send(new HeadObjectCommand(at)),
    unbounded,
  ),
  check(
    "store",
    "list-archive",
    "listing of `archive/`",
    DENIED,
    ({ client, at }) => client.send(new ListObjectsV2Command({ Bucket: at.Bucket, Prefix: "archive/" })),
    unbounded,
  ),
  check(
    "store",
    "list-all",
    "listing of everything",
    DENIED,
    ({ client, at }) => client.send(new ListObjectsV2Command({ Bucket: at.Bucket })),
    unbounded,
  ),
  check(
    "store",
    "delete",
    "DELETE below `archive/`",
    DENIED,
    ({ client, at }) => client.send(new DeleteObjectCommand(at)),
    unbounded,
  ),
  check(
    "store",
    "delete-version",
    "DELETE of a version below `archive/`",
    DENIED,
    ({ client, at, VersionId }) => client.send(new DeleteObjectCommand({ ...at, VersionId })),
    unbounded,
  ),
  check(
    "store",
    "delete-ledger",
    "DELETE of a version below `_airlock/`",
    DENIED,
    ({ client, at, VersionId }) => client.send(new DeleteObjectCommand({ ...at, VersionId })),
    unbounded,
    "_airlock",
  ),
  check(
    "store",
    "retention",
    "setting an object's retention",
    DENIED,
    ({ client, at, VersionId }) =>
      client.send(new PutObjectRetentionCommand({ ...at, VersionId, Retention: inADay() })),
    unbounded,
  ),
  check(
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

  check(
    "read",
    "list",
    "listing",
    "200",
    ({ client, at }) => client.send(new ListObjectVersionsCommand({ Bucket: at.Bucket, MaxKeys: 1 })),
    cannotWork,
  ),
  check(
    "read",
    "get",
    "GET below `archive/`",
    "200",
    ({ client, at }) => client.send(new GetObjectCommand(at)),
    cannotWork,
  ),
  check(
    "read",
    "put",
    "PUT",
    DENIED,
    ({ client, at }) => client.send(new PutObjectCommand({ ...at, Body: "x", ChecksumAlgorithm: "SHA256" })),
    unbounded,
  ),
  check("read", "delete", "DELETE", DENIED, ({ client, at }) => client.send(new DeleteObjectCommand(at)), unbounded),
  check(
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

export const otherKeys: Area = { title: "The mover's and the operator's keys", checks };
