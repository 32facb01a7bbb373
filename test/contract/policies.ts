/** The policies whose effect the suite measures: those that Airlock's roles need, as small as they can be. */
import type { PolicyDocument, PolicyStatement } from "../servers/server.ts";

function policy(...statements: readonly PolicyStatement[]): PolicyDocument {
  return { Version: "2012-10-17", Statement: statements };
}

/** The least that a host needs where create-only can't be expressed: it may write below its prefix. */
export function barePolicy(bucket: string, host: string): PolicyDocument {
  return policy({ Effect: "Allow", Action: "s3:PutObject", Resource: `arn:aws:s3:::${bucket}/${host}/*` });
}

/**
 * The same with everything else denied by name. On AWS that changes nothing; on stores where whoever uploads an object
 * owns it, ownership goes further than the policy's silence.
 */
export function hostPolicy(bucket: string, host: string): PolicyDocument {
  const denied = [
    "s3:GetObject*",
    "s3:DeleteObject*",
    "s3:PutObjectAcl",
    "s3:PutObjectVersionAcl",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
    "s3:PutObjectRetention",
    "s3:PutObjectLegalHold",
    "s3:BypassGovernanceRetention",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
  ];
  return policy(
    { Effect: "Allow", Action: "s3:PutObject", Resource: `arn:aws:s3:::${bucket}/${host}/*` },
    { Effect: "Deny", Action: denied, Resource: `arn:aws:s3:::${bucket}/*` },
  );
}

/**
 * A host that can only create: writes have to carry If-None-Match, except for the multipart calls that create nothing
 * yet. Source: Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets".
 */
export function createOnlyPolicy(bucket: string, host: string): PolicyDocument {
  const resource = `arn:aws:s3:::${bucket}/${host}/*`;
  return policy(
    {
      Effect: "Allow",
      Action: "s3:PutObject",
      Resource: resource,
      Condition: { Null: { "s3:if-none-match": "false" } },
    },
    {
      Effect: "Allow",
      Action: "s3:PutObject",
      Resource: resource,
      Condition: { Bool: { "s3:ObjectCreationOperation": "false" } },
    },
  );
}

/** The mover in the drop-zone: reads, deletes exact versions (or what there is, without versions), and probes. */
export function drainPolicy(bucket: string, versioned = true): PolicyDocument {
  const release = versioned ? "s3:DeleteObjectVersion" : "s3:DeleteObject";
  return policy(
    {
      Effect: "Allow",
      Action: ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"],
      Resource: `arn:aws:s3:::${bucket}`,
    },
    {
      Effect: "Allow",
      Action: ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging", release],
      Resource: `arn:aws:s3:::${bucket}/*`,
    },
    { Effect: "Allow", Action: "s3:PutObject", Resource: `arn:aws:s3:::${bucket}/_airlock/probe/*` },
  );
}

/** The mover in the vault: adds below archive/, and keeps its own records below _airlock/. */
export function storePolicy(bucket: string): PolicyDocument {
  return policy(
    { Effect: "Allow", Action: "s3:PutObject", Resource: `arn:aws:s3:::${bucket}/archive/*` },
    { Effect: "Allow", Action: ["s3:GetObject", "s3:PutObject"], Resource: `arn:aws:s3:::${bucket}/_airlock/*` },
    {
      Effect: "Allow",
      Action: "s3:ListBucket",
      Resource: `arn:aws:s3:::${bucket}`,
      Condition: { StringLike: { "s3:prefix": "_airlock/*" } },
    },
    {
      Effect: "Allow",
      Action: ["s3:ListBucketMultipartUploads", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning"],
      Resource: `arn:aws:s3:::${bucket}`,
    },
    { Effect: "Allow", Action: "s3:AbortMultipartUpload", Resource: `arn:aws:s3:::${bucket}/*` },
  );
}

/** The operator: reads the vault. */
export function readPolicy(bucket: string): PolicyDocument {
  return policy(
    { Effect: "Allow", Action: ["s3:ListBucket", "s3:ListBucketVersions"], Resource: `arn:aws:s3:::${bucket}` },
    {
      Effect: "Allow",
      Action: ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention"],
      Resource: `arn:aws:s3:::${bucket}/*`,
    },
  );
}
