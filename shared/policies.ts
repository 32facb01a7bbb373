/**
 * The least that each role needs, in IAM's terms: the one source of what `init` prints, what `deploy/` holds and what
 * `check` measures. Denials stand by name where silence would do on AWS, because on some stores whoever uploads an object
 * owns it, and ownership reaches further than a policy's silence; `Deny` with `NotAction` does nothing on Ceph.
 */

type Condition = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

export interface PolicyStatement {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Condition;
}

export interface PolicyDocument {
  readonly Version: "2012-10-17";
  readonly Statement: readonly PolicyStatement[];
}

export interface PolicyOptions {
  readonly bucket: string;
  /** Whether requests without TLS are refused: false only for a store on this machine. */
  readonly secureTransport: boolean;
}

/** What nobody who only adds may do to an object, to a bucket or to what others uploaded. */
const BEYOND_ADDING = [
  "s3:DeleteObject*",
  "s3:PutObjectAcl",
  "s3:PutObjectVersionAcl",
  "s3:PutObjectTagging",
  "s3:PutObjectVersionTagging",
  "s3:DeleteObjectTagging",
  "s3:DeleteObjectVersionTagging",
  "s3:PutObjectRetention",
  "s3:PutObjectLegalHold",
  "s3:BypassGovernanceRetention",
  "s3:PutBucket*",
  "s3:DeleteBucket*",
  "s3:PutLifecycleConfiguration",
  "s3:PutReplicationConfiguration",
  "s3:PutEncryptionConfiguration",
];

/**
 * A host: creates below its own prefix. Every request that creates a name has to carry `If-None-Match`; the multipart
 * calls that create none yet cannot carry it, and `s3:ObjectCreationOperation` is false for them.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
 */
export function hostPolicy({ bucket, host, secureTransport }: PolicyOptions & { readonly host: string }): PolicyDocument {
  const own = objects(bucket, `${host}/*`);
  return policy(bucket, secureTransport, [
    { Sid: "Create", Effect: "Allow", Action: "s3:PutObject", Resource: own },
    createOnly(own),
    {
      Sid: "NothingElse",
      Effect: "Deny",
      Action: ["s3:GetObject*", "s3:List*", "s3:AbortMultipartUpload", "s3:RestoreObject", ...BEYOND_ADDING],
      Resource: [arn(bucket), objects(bucket, "*")],
    },
  ]);
}

/** The mover in the drop-zone: lists, reads, deletes exact versions, and probes below a prefix of its own. */
export function moverDropZonePolicy({
  bucket,
  secureTransport,
  versioned,
}: PolicyOptions & { readonly versioned: boolean }): PolicyDocument {
  return policy(bucket, secureTransport, [
    {
      Sid: "List",
      Effect: "Allow",
      Action: ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"],
      Resource: arn(bucket),
    },
    {
      Sid: "ReadAndRelease",
      Effect: "Allow",
      Action: [
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:GetObjectTagging",
        "s3:GetObjectVersionTagging",
        // with versions, a delete without a version id would hide an object instead of removing it
        versioned ? "s3:DeleteObjectVersion" : "s3:DeleteObject",
      ],
      Resource: objects(bucket, "*"),
    },
    { Sid: "Probe", Effect: "Allow", Action: "s3:PutObject", Resource: objects(bucket, "_airlock/probe/*") },
  ]);
}

/** The mover in the vault: adds below `archive/`, keeps its own records below `_airlock/`, and removes nothing. */
export function moverVaultPolicy({
  bucket,
  secureTransport,
  verify,
}: PolicyOptions & { readonly verify: "checksum" | "readback" }): PolicyDocument {
  const archive = objects(bucket, "archive/*");
  const own = objects(bucket, "_airlock/*");
  return policy(bucket, secureTransport, [
    { Sid: "Add", Effect: "Allow", Action: ["s3:PutObject", "s3:AbortMultipartUpload"], Resource: [archive, own] },
    createOnly([archive, own]),
    {
      Sid: "ListOwnRecords",
      Effect: "Allow",
      Action: "s3:ListBucket",
      Resource: arn(bucket),
      Condition: { StringLike: { "s3:prefix": "_airlock/*" } },
    },
    { Sid: "Read", Effect: "Allow", Action: "s3:GetObject", Resource: verify === "readback" ? [own, archive] : own },
    {
      Sid: "KnowTheBucket",
      Effect: "Allow",
      Action: ["s3:ListBucketMultipartUploads", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning"],
      Resource: arn(bucket),
    },
    { Sid: "RemoveNothing", Effect: "Deny", Action: BEYOND_ADDING, Resource: [arn(bucket), objects(bucket, "*")] },
  ]);
}

/** The operator in the vault: reads everything and changes nothing. */
export function operatorPolicy({ bucket, secureTransport }: PolicyOptions): PolicyDocument {
  return policy(bucket, secureTransport, [
    {
      Sid: "List",
      Effect: "Allow",
      Action: ["s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning"],
      Resource: arn(bucket),
    },
    {
      Sid: "Read",
      Effect: "Allow",
      Action: ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:GetObjectLegalHold"],
      Resource: objects(bucket, "*"),
    },
    {
      Sid: "ChangeNothing",
      Effect: "Deny",
      Action: ["s3:PutObject", "s3:AbortMultipartUpload", ...BEYOND_ADDING],
      Resource: [arn(bucket), objects(bucket, "*")],
    },
  ]);
}

function createOnly(resource: string | readonly string[]): PolicyStatement {
  return {
    Sid: "CreateOnly",
    Effect: "Deny",
    Action: "s3:PutObject",
    Resource: resource,
    Condition: { Null: { "s3:if-none-match": "true" }, Bool: { "s3:ObjectCreationOperation": "true" } },
  };
}

function policy(bucket: string, secureTransport: boolean, statements: readonly PolicyStatement[]): PolicyDocument {
  const tls: PolicyStatement = {
    Sid: "OnlyOverTls",
    Effect: "Deny",
    Action: "s3:*",
    Resource: [arn(bucket), objects(bucket, "*")],
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  };
  return { Version: "2012-10-17", Statement: secureTransport ? [...statements, tls] : statements };
}

function arn(bucket: string): string {
  return `arn:aws:s3:::${bucket}`;
}

function objects(bucket: string, path: string): string {
  return `arn:aws:s3:::${bucket}/${path}`;
}
