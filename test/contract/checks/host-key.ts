import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
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
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { S3Client } from "@aws-sdk/client-s3";
import { answerOf, statusOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check, Meaning } from "../check.ts";
import { barePolicy, createOnlyPolicy, hostPolicy } from "../policies.ts";

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
  const { VersionId } = await host.send(new PutObjectCommand({ ...own, Body: "own" }));
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
    id: "bare-get",
    question: "GET of its own object, by a user whose policy allows `s3:PutObject` and does not deny the rest",
    aws: "403 AccessDenied",
    ask: async (bench) => {
      const Bucket = await bench.bucket("versioned");
      const host = await bench.user("bare", Bucket, [barePolicy(Bucket, "h4")]);
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
      host.send(new PutObjectCommand({ ...own, Key: `${own.Key}-acl`, Body: "x", ACL: "public-read" })),
    "Whoever takes a host can make its uploads public; they are encrypted.",
  ),
  refused(
    "put-tags",
    "PUT with `x-amz-tagging`",
    ({ host, own }) => host.send(new PutObjectCommand({ ...own, Key: `${own.Key}-tags`, Body: "x", Tagging: "a=b" })),
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
      ({ host, own }) => host.send(new PutObjectCommand({ Bucket: own.Bucket, Key, Body: "x" })),
      "A host can write outside of its prefix: the mover holds what is there, since its signature is not that host's.",
    ),
  ),
];

const uploads: readonly Check[] = [
  {
    id: "host-put",
    question: "PUT below its prefix, with a host's key",
    aws: "200",
    ask: async (bench) => {
      const { host, own } = await stageOf(bench);
      return answerOf(host.send(new PutObjectCommand({ ...own, Key: `${own.Key}-again`, Body: "x" })));
    },
    otherwise: { dropZone: "Hosts can't upload.", vault: null },
  },
  {
    id: "host-multipart",
    question: "multipart upload below its prefix, with a host's key",
    aws: "200 200 200",
    ask: async (bench) => {
      const { host, own } = await stageOf(bench);
      return uploadMultipart(host, { ...own, Key: `${own.Key}-parts` }, {});
    },
    otherwise: { dropZone: "Hosts can't upload large objects.", vault: null },
  },
  ...(["abort", "list-parts"] as const).map((id): Check => ({
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
  })),
];

/** Either nothing gets through such a policy, or everything does. */
function createOnlyMeaning(aws: string, answer: string): Meaning {
  if (!answer.startsWith("2")) {
    if (aws.startsWith("4") || aws.includes("403")) return { dropZone: REFUSED, vault: REFUSED };
    return {
      dropZone:
        "Nothing gets through a create-only policy. Give hosts the bare `s3:PutObject` in a versioned bucket, where what is written over stays until it is moved.",
      vault:
        "Nothing gets through a create-only policy. Give the mover the bare `s3:PutObject`; Object Lock is what keeps a taken one from hiding old objects behind new ones.",
    };
  }
  return {
    dropZone:
      "Create-only can't be enforced by policy: in a versioned bucket, what is written over stays until it is moved.",
    vault:
      "Create-only can't be enforced by policy: Object Lock is what keeps a taken mover from hiding old objects behind new ones.",
  };
}

const createOnly: readonly Check[] = (["plain", "versioned"] as const).flatMap((kind): Check[] => {
  const stage = async (bench: Bench) => {
    const Bucket = await bench.bucket(kind);
    const host = await bench.user("create-only", Bucket, [createOnlyPolicy(Bucket, "h3")]);
    return { host, at: { Bucket, Key: bench.freshKey("h3") } };
  };
  const check = (id: string, question: string, aws: string, ask: Check["ask"]): Check => ({
    id: `create-only-${id}-${kind}`,
    question: `${question}, ${kind === "plain" ? "no versions" : kind}, by a user who may only create`,
    aws,
    ask,
    otherwise: (answer) => createOnlyMeaning(aws, answer),
  });
  return [
    check("put", "PUT with `If-None-Match: *`", "200", async (bench) => {
      const { host, at } = await stage(bench);
      return answerOf(host.send(new PutObjectCommand({ ...at, Body: "x", IfNoneMatch: "*" })));
    }),
    check("bare-put", "PUT without a condition", "403 AccessDenied", async (bench) => {
      const { host, at } = await stage(bench);
      return answerOf(host.send(new PutObjectCommand({ ...at, Body: "x" })));
    }),
    check("overwrite", "PUT with `If-None-Match: *` over an object", "412 PreconditionFailed", async (bench) => {
      const { host, at } = await stage(bench);
      await bench.owner.send(new PutObjectCommand({ ...at, Body: "first" }));
      return answerOf(host.send(new PutObjectCommand({ ...at, Body: "x", IfNoneMatch: "*" })));
    }),
    check("multipart", "multipart upload, completed with `If-None-Match: *`", "200 200 200", async (bench) => {
      const { host, at } = await stage(bench);
      return uploadMultipart(host, at, { IfNoneMatch: "*" });
    }),
    check(
      "bare-multipart",
      "multipart upload, completed without a condition",
      "200 200 403 AccessDenied",
      async (bench) => {
        const { host, at } = await stage(bench);
        return uploadMultipart(host, at, {});
      },
    ),
  ];
});

/** PUTs by host h1 below `from`, and looks whether that arrived below `to`. */
async function climb(bench: Bench, from: string, to: string, otherBucket?: string): Promise<string> {
  const { host, own } = await stageOf(bench);
  const name = bench.freshKey("climb").replace("/", "-");
  await answerOf(host.send(new PutObjectCommand({ Bucket: own.Bucket, Key: from + name, Body: "x" })));
  const listed = await bench.owner.send(
    new ListObjectsV2Command({ Bucket: otherBucket ?? own.Bucket, Prefix: to + name }),
  );
  return (listed.Contents ?? []).some(({ Key }) => Key === to + name) ? "yes" : "no";
}

/** The answers to Create, UploadPart and Complete, up to the first refusal. */
async function uploadMultipart(
  host: S3Client,
  at: { Bucket: string; Key: string },
  condition: { IfNoneMatch?: string },
): Promise<string> {
  const answers: string[] = [];
  let UploadId: string | undefined;
  let ETag: string | undefined;
  answers.push(
    await answerOf(host.send(new CreateMultipartUploadCommand(at)).then((it) => ((UploadId = it.UploadId), it))),
  );
  if (UploadId === undefined) return answers.join(" ");
  const part = new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: "x" });
  answers.push(await answerOf(host.send(part).then((it) => ((ETag = it.ETag), it))));
  if (ETag === undefined) return answers.join(" ");
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  const complete = new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload, ...condition });
  answers.push(await answerOf(host.send(complete)));
  return answers.join(" ");
}

function publicPolicy(bucket: string): string {
  const allow = { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: `arn:aws:s3:::${bucket}/*` };
  return JSON.stringify({ Version: "2012-10-17", Statement: [allow] });
}

function expireAll(Bucket: string): PutBucketLifecycleConfigurationCommand["input"] {
  const rule = { ID: "all", Status: "Enabled", Filter: { Prefix: "" }, Expiration: { Days: 1 } } as const;
  return { Bucket, LifecycleConfiguration: { Rules: [rule] } };
}

export const hostKey: Area = {
  title: "A host's key creates, and nothing else",
  checks: [...uploads, ...denials, ...createOnly],
};
