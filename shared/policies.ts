/**
 * What each role may do, as IAM policies: `init` prints them, `check` holds keys against them, deployments are made
 * from them. They are identity policies; on other stores a user's policy is the same document.
 */

export interface PolicyStatement {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

export interface Policy {
  readonly Version: "2012-10-17";
  readonly Statement: readonly PolicyStatement[];
}

interface BucketOptions {
  readonly bucket: string;
  /** False only for a plain http endpoint on loopback, where there is no TLS to insist on. */
  readonly secureTransport: boolean;
}

export interface HostPolicyOptions extends BucketOptions {
  readonly host: string;
  /** Whoever writes there knows no If-None-Match: a log shipper, `aws s3 cp`. The bucket then has to keep versions. */
  readonly foreign?: boolean;
}

/**
 * A host creates under its own prefix and nothing else.
 *
 * Silence would deny the rest on AWS. It is denied by name as well because other policies may allow it, and because
 * some stores (Ceph) let whoever uploaded an object do as he likes with it unless a policy says no.
 */
export function hostPolicy({ bucket, host, foreign = false, secureTransport }: HostPolicyOptions): Policy {
  return policy([
    allow("Create", "s3:PutObject", `${bucket}/${host}/*`),
    ...(foreign ? [] : [createOnly(`${bucket}/${host}/*`)]),
    deny("NothingElse", [...READING, ...REMOVING, ...MARKING], [bucket, `${bucket}/*`]),
    ...insistOnTls(bucket, secureTransport),
  ]);
}

export interface MoverDropZonePolicyOptions extends BucketOptions {
  /** Whether the bucket keeps versions: what is released then is an exact version, and nothing else can be deleted. */
  readonly versioned: boolean;
  /** ARN of the queue that the bucket's events go to, where there is one. */
  readonly queueArn?: string;
}

/** The mover reads and releases what hosts left; it writes its own probes only. */
export function moverDropZonePolicy(options: MoverDropZonePolicyOptions): Policy {
  const { bucket, versioned, queueArn, secureTransport } = options;
  const queue = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"];
  return policy([
    allow("List", [...LISTING, "s3:GetBucketVersioning"], bucket),
    allow(
      "Read",
      ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
      `${bucket}/*`,
    ),
    // Without versions, a release is a DeleteObject with If-Match.
    allow("Release", versioned ? "s3:DeleteObjectVersion" : "s3:DeleteObject", `${bucket}/*`),
    allow("Probe", ["s3:PutObject", "s3:DeleteObject"], `${bucket}/_airlock/probe/*`),
    ...(queueArn === undefined ? [] : [{ Sid: "Events", Effect: "Allow", Action: queue, Resource: queueArn } as const]),
    deny("NothingElse", MARKING, [bucket, `${bucket}/*`]),
    ...insistOnTls(bucket, secureTransport),
  ]);
}

/** What a queue says of itself: that the bucket's events may come into it, and nothing else may. */
export function eventQueuePolicy({ bucket, queueArn }: { readonly bucket: string; readonly queueArn: string }): object {
  const account = /^arn:[a-z-]+:sqs:[^:]*:(\d{12}):/.exec(queueArn)?.[1];
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "EventsOfTheDropZone",
        Effect: "Allow",
        Principal: { Service: "s3.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: queueArn,
        Condition: {
          ArnEquals: { "aws:SourceArn": `arn:aws:s3:::${bucket}` },
          ...(account === undefined ? {} : { StringEquals: { "aws:SourceAccount": account } }),
        },
      },
    ],
  };
}

/**
 * Of `https://sqs.eu-central-1.amazonaws.com/111122223333/airlock`, whose ARN says the same; other services' addresses
 * name account and queue at most.
 */
export function queueArnOf(queueUrl: string, region: string): string {
  const { host, pathname } = new URL(queueUrl);
  const [name = "*", account = "*"] = pathname.split("/").filter(Boolean).toReversed();
  const named = /^sqs\.([a-z0-9-]{1,64})\.(?:amazonaws\.com|api\.aws)/.exec(host)?.[1];
  return `arn:aws:sqs:${named ?? region}:${/^\d{12}$/.test(account) ? account : "*"}:${name}`;
}

export interface MoverVaultPolicyOptions extends BucketOptions {
  /** `readback`: the mover reads again what it archived, which is the only reason for it to read `archive/`. */
  readonly verify: "checksum" | "readback";
}

/** The mover adds to the vault. It reads its own records only, removes nothing and sets no retention. */
export function moverVaultPolicy({ bucket, verify, secureTransport }: MoverVaultPolicyOptions): Policy {
  const archived = `${bucket}/archive/*`;
  const own = `${bucket}/_airlock/*`;
  const reading = ["s3:GetObject", "s3:GetObjectVersion"];
  return policy([
    allow("Add", "s3:PutObject", [archived, own]),
    createOnly(vaultNames(bucket)),
    // the retention: a HEAD by whoever may not read it shows none
    allow("ReadOwnRecords", [...reading, "s3:GetObjectRetention"], own),
    {
      ...allow("ListOwnRecords", ["s3:ListBucket", "s3:ListBucketVersions"], bucket),
      Condition: { StringLike: { "s3:prefix": "_airlock/*" } },
    },
    allow("TidyUploads", ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], [archived, own]),
    allow(
      "ReadSettings",
      ["s3:ListBucketMultipartUploads", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"],
      bucket,
    ),
    ...(verify === "readback" ? [allow("ReadBack", reading, archived)] : [deny("NeverRead", reading, archived)]),
    deny("NeverRemove", [...DELETING, ...MARKING], [bucket, `${bucket}/*`]),
    ...insistOnTls(bucket, secureTransport),
  ]);
}

/** The operator reads the vault. */
export function operatorPolicy({ bucket, secureTransport }: BucketOptions): Policy {
  return policy([
    allow("List", [...LISTING, "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"], bucket),
    allow(
      "Read",
      ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:GetObjectLegalHold"],
      `${bucket}/*`,
    ),
    deny("NeverWrite", ["s3:PutObject", ...REMOVING, ...MARKING], [bucket, `${bucket}/*`]),
    ...insistOnTls(bucket, secureTransport),
  ]);
}

/** What a bucket says of itself: whatever other policies allow, and whoever asks, this is denied. */
export interface BucketPolicy {
  readonly Version: "2012-10-17";
  readonly Statement: readonly (PolicyStatement & { readonly Principal: "*" })[];
}

/** Hosts' objects are for the mover alone, not even for the account's administrators. */
export function dropZoneBucketPolicy({
  bucket,
  moverArn,
}: {
  readonly bucket: string;
  readonly moverArn: string;
}): BucketPolicy {
  const butTheMover = { ArnNotEquals: { "aws:PrincipalArn": moverArn } };
  return bucketPolicy([
    { ...deny("OnlyTheMoverReads", ["s3:GetObject*"], `${bucket}/*`), Condition: butTheMover },
    { ...deny("OnlyTheMoverRemoves", ["s3:DeleteObject*"], `${bucket}/*`), Condition: butTheMover },
    ...insistOnTls(bucket, true),
  ]);
}

/** The vault is only ever added to. What lifecycle rules do is not bound by policies. */
export function vaultBucketPolicy({ bucket }: { readonly bucket: string }): BucketPolicy {
  return bucketPolicy([
    deny("NobodyRemoves", ["s3:DeleteObject*", "s3:DeleteBucket"], [bucket, `${bucket}/*`]),
    deny(
      "NobodyChangesRetention",
      ["s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:BypassGovernanceRetention"],
      `${bucket}/*`,
    ),
    createOnly(vaultNames(bucket)),
    ...insistOnTls(bucket, true),
  ]);
}

function bucketPolicy(statements: readonly PolicyStatement[]): BucketPolicy {
  return { Version: "2012-10-17", Statement: statements.map((each) => ({ ...each, Principal: "*" })) };
}

/** Where nothing is ever written twice. */
function vaultNames(bucket: string): readonly string[] {
  return [`${bucket}/archive/*`, `${bucket}/_airlock/ledger/*`, `${bucket}/_airlock/checkpoint/*`];
}

const LISTING = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"];
const READING = ["s3:Get*", "s3:List*"];
const DELETING = ["s3:DeleteObject*", "s3:DeleteBucket*"];
const REMOVING = ["s3:Delete*", "s3:AbortMultipartUpload"];
/** Everything that changes what is there, or how long it stays, without adding an object. */
const MARKING = [
  "s3:PutObjectAcl",
  "s3:PutObjectVersionAcl",
  "s3:PutObjectTagging",
  "s3:PutObjectVersionTagging",
  "s3:PutObjectRetention",
  "s3:PutObjectLegalHold",
  "s3:BypassGovernanceRetention",
  "s3:RestoreObject",
  "s3:PutBucket*",
  "s3:PutLifecycleConfiguration",
  "s3:PutReplicationConfiguration", // not s3:PutEncryptionConfiguration: Ceph 16 refuses a policy that names it
];

function policy(statements: readonly PolicyStatement[]): Policy {
  return { Version: "2012-10-17", Statement: statements };
}

function allow(
  sid: string,
  actions: string | readonly string[],
  resources: string | readonly string[],
): PolicyStatement {
  return { Sid: sid, Effect: "Allow", Action: actions, Resource: arns(resources) };
}

function deny(sid: string, actions: readonly string[], resources: string | readonly string[]): PolicyStatement {
  return { Sid: sid, Effect: "Deny", Action: actions, Resource: arns(resources) };
}

/**
 * Whatever brings an object into being must say If-None-Match. CreateMultipartUpload and UploadPart can't say it and
 * bring nothing into being, which is what `s3:ObjectCreationOperation` tells apart.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
 */
function createOnly(resources: string | readonly string[]): PolicyStatement {
  return {
    Sid: "CreateOnly",
    Effect: "Deny",
    Action: "s3:PutObject",
    Resource: arns(resources),
    Condition: { Null: { "s3:if-none-match": "true" }, Bool: { "s3:ObjectCreationOperation": "true" } },
  };
}

function insistOnTls(bucket: string, secureTransport: boolean): PolicyStatement[] {
  if (!secureTransport) return [];
  const statement = deny("OnlyOverTls", ["s3:*"], [bucket, `${bucket}/*`]);
  return [{ ...statement, Condition: { Bool: { "aws:SecureTransport": "false" } } }];
}

function arns(resources: string | readonly string[]): string | readonly string[] {
  return typeof resources === "string" ? `arn:aws:s3:::${resources}` : resources.map((name) => `arn:aws:s3:::${name}`);
}
