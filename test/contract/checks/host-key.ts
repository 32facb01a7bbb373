import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketPolicyCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from "@aws-sdk/client-s3";
import type { S3Client } from "@aws-sdk/client-s3";
import { answerOf, statusOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";
import { foreignPolicy, hostPolicy } from "../policies.ts";

type Answer = Promise<{ $metadata: { httpStatusCode?: number } }>;

interface Stage {
  readonly host: S3Client;
  /** Below the host's prefix, put by the host itself. */
  readonly own: { readonly Bucket: string; readonly Key: string };
  readonly VersionId: string | undefined;
}

async function stageOf(bench: Bench): Promise<Stage> {
  const Bucket = await bench.bucket("versioned");
  const host = await bench.user("host", Bucket, [hostPolicy(Bucket, "h1")]);
  const own = { Bucket, Key: bench.freshKey("h1") };
  const { VersionId } = await host.send(new PutObjectCommand({ ...own, Body: "own", IfNoneMatch: "*" }));
  return { host, own, VersionId };
}

function refused(id: string, question: string, call: (stage: Stage) => Answer, means: string): Check {
  return {
    id: `host-${id}`,
    question: `${question}, with a host's key`,
    aws: "403 AccessDenied",
    ask: async (bench) => answerOf(call(await stageOf(bench))),
    otherwise: (answer) => ({ dropZone: answer.startsWith("2") ? means : REFUSED, vault: null }),
  };
}

const REFUSED = "Refused all the same.";

const reads =
  "Whoever takes a host can read what that host uploaded while it waits; it is encrypted for keys that are not there.";
const removes =
  "Whoever takes a host can remove its uploads before they are moved; the mover notices the hole in the sequence.";
const steers = "A host can say this of its own uploads; the mover carries nothing of it into the vault.";
const governs = "Whoever takes a host can change the bucket for every host: not to be used as a drop-zone.";
const lists = "Whoever takes a host can see the names of what waits.";

const denials: readonly Check[] = [
  refused("get", "GET of its own object", ({ host, own }) => host.send(new GetObjectCommand(own)), reads),
  {
    id: "host-head",
    question: "HEAD of its own object, with a host's key",
    aws: "403",
    ask: async (bench) => {
      const { host, own } = await stageOf(bench);
      return statusOf(host.send(new HeadObjectCommand(own)));
    },
    otherwise: { dropZone: reads, vault: null },
  },
  {
    id: "host-get-version",
    question: "GET of a version of its own object, with a host's key",
    aws: "403 AccessDenied",
    ask: async (bench) => {
      const { host, own, VersionId } = await stageOf(bench);
      return answerOf(host.send(new GetObjectCommand({ ...own, VersionId })));
    },
    otherwise: { dropZone: reads, vault: null },
  },
  refused(
    "copy",
    "copy of its own object",
    ({ host, own }) =>
      host.send(new CopyObjectCommand({ Bucket: own.Bucket, Key: "h1/copy", CopySource: `${own.Bucket}/${own.Key}` })),
    "A host can multiply what it uploaded, and learns nothing from it; quotas hold it.",
  ),
  {
    id: "foreign-get",
    question: "GET of its own object, by a user whose policy allows `s3:PutObject` and does not deny the rest",
    aws: "403 AccessDenied",
    ask: async (bench) => {
      const Bucket = await bench.bucket("versioned");
      const host = await bench.user("foreign", Bucket, [foreignPolicy(Bucket, "h4")]);
      const own = { Bucket, Key: bench.freshKey("h4") };
      await host.send(new PutObjectCommand({ ...own, Body: "own" }));
      return answerOf(host.send(new GetObjectCommand(own)));
    },
    otherwise: {
      dropZone: "Give hosts a policy that denies everything else by name, as Airlock's own does.",
      vault: null,
    },
  },
  {
    id: "host-climbs",
    question: "does `h1/../h2/x`, PUT by host `h1`, become `h2/x`?",
    aws: "no",
    ask: (bench) => climb(bench, "h1/../h2/", "h2/"),
    otherwise: {
      dropZone:
        "A host can write under another's prefix, and over what waits there: use a versioned bucket; the mover holds what a host puts there, since its signature is not the other host's.",
      vault: null,
    },
  },
  {
    id: "host-climbs-out",
    question: "does `h1/../../BUCKET/x`, PUT by host `h1`, become `x` in another bucket?",
    aws: "no",
    ask: async (bench) => {
      const other = await bench.freshBucket();
      return climb(bench, `h1/../../${other}/`, "", other);
    },
    otherwise: { dropZone: "A host can write into every bucket of this server: not to be used.", vault: null },
  },
  {
    id: "host-copy-other",
    question: "copy of another host's object below its own prefix, with a host's key",
    aws: "403 AccessDenied",
    ask: async (bench) => {
      const { host, own } = await stageOf(bench);
      const other = bench.freshKey("h2");
      await bench.owner.send(new PutObjectCommand({ Bucket: own.Bucket, Key: other, Body: "another's" }));
      const CopySource = `${own.Bucket}/${other}`;
      return answerOf(host.send(new CopyObjectCommand({ ...own, Key: `${own.Key}-copy`, CopySource })));
    },
    otherwise: { dropZone: "A host can find out which names exist, and copy what it can't read.", vault: null },
  },
  refused("list", "listing", ({ host, own }) => host.send(new ListObjectsV2Command({ Bucket: own.Bucket })), lists),
  refused(
    "list-own",
    "listing of its own prefix",
    ({ host, own }) => host.send(new ListObjectsV2Command({ Bucket: own.Bucket, Prefix: "h1/" })),
    lists,
  ),
  refused(
    "list-versions",
    "listing of versions",
    ({ host, own }) => host.send(new ListObjectVersionsCommand({ Bucket: own.Bucket })),
    lists,
  ),
  refused(
    "list-uploads",
    "listing of uploads",
    ({ host, own }) => host.send(new ListMultipartUploadsCommand({ Bucket: own.Bucket })),
    lists,
  ),
  refused("delete", "DELETE of its own object", ({ host, own }) => host.send(new DeleteObjectCommand(own)), removes),
  {
    id: "host-delete-version",
    question: "DELETE of a version of its own object, with a host's key",
    aws: "403 AccessDenied",
    ask: async (bench) => {
      const { host, own, VersionId } = await stageOf(bench);
      return answerOf(host.send(new DeleteObjectCommand({ ...own, VersionId })));
    },
    otherwise: { dropZone: removes, vault: null },
  },
  refused("read-tags", "reading tags", ({ host, own }) => host.send(new GetObjectTaggingCommand(own)), steers),
  refused(
    "write-tags",
    "writing tags",
    ({ host, own }) =>
      host.send(new PutObjectTaggingCommand({ ...own, Tagging: { TagSet: [{ Key: "a", Value: "b" }] } })),
    steers,
  ),
  refused("read-acl", "reading an ACL", ({ host, own }) => host.send(new GetObjectAclCommand(own)), reads),
  refused(
    "write-acl",
    "making its own object public",
    ({ host, own }) => host.send(new PutObjectAclCommand({ ...own, ACL: "public-read" })),
    "Whoever takes a host can make its uploads public; they are encrypted.",
  ),
  refused(
    "put-acl",
    "PUT with `x-amz-acl: public-read`",
    ({ host, own }) =>
      host.send(
        new PutObjectCommand({ ...own, Key: `${own.Key}-acl`, Body: "x", IfNoneMatch: "*", ACL: "public-read" }),
      ),
    "Whoever takes a host can make its uploads public; they are encrypted.",
  ),
  refused(
    "put-tags",
    "PUT with `x-amz-tagging`",
    ({ host, own }) =>
      host.send(new PutObjectCommand({ ...own, Key: `${own.Key}-tags`, Body: "x", IfNoneMatch: "*", Tagging: "a=b" })),
    steers,
  ),
  refused(
    "read-policy",
    "reading the bucket's policy",
    ({ host, own }) => host.send(new GetBucketPolicyCommand(own)),
    lists,
  ),
  refused(
    "write-policy",
    "changing the bucket's policy",
    ({ host, own }) => host.send(new PutBucketPolicyCommand({ Bucket: own.Bucket, Policy: publicPolicy(own.Bucket) })),
    governs,
  ),
  refused(
    "write-lifecycle",
    "a lifecycle rule that expires everything",
    ({ host, own }) => host.send(new PutBucketLifecycleConfigurationCommand(expireAll(own.Bucket))),
    governs,
  ),
  refused(
    "write-versioning",
    "suspending versioning",
    ({ host, own }) =>
      host.send(
        new PutBucketVersioningCommand({ Bucket: own.Bucket, VersioningConfiguration: { Status: "Suspended" } }),
      ),
    governs,
  ),
  ...["h2/x", "h1", "x", "h11/x", "_airlock/probe/x"].map((Key) =>
    refused(
      `outside-${Key.replaceAll(/\W/g, "-")}`,
      `PUT of \`${Key}\` by host \`h1\``,
      ({ host, own }) => host.send(new PutObjectCommand({ Bucket: own.Bucket, Key, Body: "x", IfNoneMatch: "*" })),
      "A host can write outside of its prefix: the mover holds what is there, since its signature is not that host's.",
    ),
  ),
];

const uploads: readonly Check[] = (["abort", "list-parts"] as const).map((id): Check => ({
  id: `host-${id}`,
  question: `${id === "abort" ? "abort" : "listing the parts"} of its own upload, with a host's key`,
  aws: "403 AccessDenied",
  ask: async (bench) => {
    const { host, own } = await stageOf(bench);
    const { UploadId } = await host.send(new CreateMultipartUploadCommand(own));
    const upload = { ...own, UploadId };
    return answerOf(
      id === "abort" ? host.send(new AbortMultipartUploadCommand(upload)) : host.send(new ListPartsCommand(upload)),
    );
  },
  otherwise: { dropZone: "A host can give up its own unfinished uploads, and nobody else's.", vault: null },
}));

/** PUTs by host h1 below `from`, and looks whether that arrived below `to`. */
async function climb(bench: Bench, from: string, to: string, otherBucket?: string): Promise<string> {
  const { host, own } = await stageOf(bench);
  const name = bench.freshKey("climb").replace("/", "-");
  await answerOf(
    host.send(new PutObjectCommand({ Bucket: own.Bucket, Key: from + name, Body: "x", IfNoneMatch: "*" })),
  );
  const listed = await bench.owner.send(
    new ListObjectsV2Command({ Bucket: otherBucket ?? own.Bucket, Prefix: to + name }),
  );
  return (listed.Contents ?? []).some(({ Key }) => Key === to + name) ? "yes" : "no";
}

function publicPolicy(bucket: string): string {
  const allow = { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: `arn:aws:s3:::${bucket}/*` };
  return JSON.stringify({ Version: "2012-10-17", Statement: [allow] });
}

function expireAll(Bucket: string): PutBucketLifecycleConfigurationCommand["input"] {
  const rule = { ID: "all", Status: "Enabled", Filter: { Prefix: "" }, Expiration: { Days: 1 } } as const;
  return { Bucket, LifecycleConfiguration: { Rules: [rule] } };
}

export const hostKey: Area = { title: "What a host's key can't do", checks: [...denials, ...uploads] };
