import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import type { PutObjectCommandInput } from "@aws-sdk/client-s3";
import { answerOf, statusOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";
import { drainPolicy, hostPolicy } from "../policies.ts";

interface At {
  readonly Bucket: string;
  readonly Key: string;
}

async function stored(bench: Bench, more: Partial<PutObjectCommandInput> = {}): Promise<At & { ETag: string }> {
  const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
  const { ETag } = await bench.owner.send(new PutObjectCommand({ ...at, Body: "0123456789", ...more }));
  return { ...at, ETag: ETag ?? "none" };
}

async function metadataRoundTrip(bench: Bench, Metadata: Record<string, string>): Promise<string> {
  const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
  const answer = await answerOf(bench.owner.send(new PutObjectCommand({ ...at, Body: "x", Metadata })));
  if (answer !== "200") return answer;
  const back = (await bench.owner.send(new HeadObjectCommand(at))).Metadata ?? {};
  return Object.entries(Metadata).every(([name, value]) => back[name] === value) ? "kept" : "altered";
}

const CONTENT_HEADERS = {
  ContentType: "application/x-tar",
  ContentEncoding: "zstd",
  ContentLanguage: "de-CH",
  ContentDisposition: 'attachment; filename="shop.dump"',
  CacheControl: "no-store",
} as const;
const EXPIRES = "Thu, 01 Dec 2033 16:00:00 GMT";

const checks: readonly Check[] = [
  {
    id: "get-if-match-wrong",
    question: "GET with another ETag in `If-Match`",
    aws: "412 PreconditionFailed",
    ask: async (bench) => {
      const { Bucket, Key } = await stored(bench);
      return answerOf(bench.owner.send(new GetObjectCommand({ Bucket, Key, IfMatch: '"0123"' })));
    },
    otherwise: {
      dropZone: "Without versions, an object replaced while it is copied is noticed by its digest only.",
      vault: null,
    },
  },
  {
    id: "range",
    question: "GET of `bytes=2-4` with the right `If-Match`",
    aws: "206 234 bytes 2-4/10",
    ask: async (bench) => {
      const { Bucket, Key, ETag } = await stored(bench);
      const got = await bench.owner.send(new GetObjectCommand({ Bucket, Key, Range: "bytes=2-4", IfMatch: ETag }));
      return `${got.$metadata.httpStatusCode} ${await got.Body?.transformToString()} ${got.ContentRange}`;
    },
    otherwise: {
      dropZone: "Large objects can't be read by parallel ranges.",
      vault: "A restore can't be continued where it broke off.",
    },
  },
  {
    id: "range-outside",
    question: "GET of a range behind the end",
    aws: "416 InvalidRange",
    ask: async (bench) => {
      const { Bucket, Key } = await stored(bench);
      return answerOf(bench.owner.send(new GetObjectCommand({ Bucket, Key, Range: "bytes=10-20" })));
    },
    otherwise: { dropZone: "Airlock never asks for one.", vault: "Airlock never asks for one." },
  },
  {
    id: "empty-object",
    question: "an object of no bytes, stored and read",
    aws: "200, 0 bytes",
    ask: async (bench) => {
      const { Bucket, Key } = await stored(bench, { Body: "" });
      const got = await bench.owner.send(new GetObjectCommand({ Bucket, Key }));
      return `${got.$metadata.httpStatusCode}, ${(await got.Body?.transformToByteArray())?.length} bytes`;
    },
    otherwise: { dropZone: "Empty objects are lost.", vault: "Empty objects can't be archived." },
  },
  ...(
    [
      ["get", "GET", "404 NoSuchKey", "403 AccessDenied"],
      ["head", "HEAD", "404", "403"],
    ] as const
  ).flatMap(([id, method, missing, denied]): Check[] => [
    {
      id: `${id}-missing`,
      question: `${method} of a missing key, by a user who may list`,
      aws: missing,
      ask: async (bench) => {
        const at = { Bucket: await bench.bucket("versioned"), Key: bench.freshKey("h1") };
        const mover = await bench.user("drain", at.Bucket, [drainPolicy(at.Bucket)]);
        return id === "get"
          ? answerOf(mover.send(new GetObjectCommand(at)))
          : statusOf(mover.send(new HeadObjectCommand(at)));
      },
      otherwise: {
        dropZone: "Absence can't be told from failure by asking for a key: it is found out by listing.",
        vault: "Absence can't be told from failure by asking for a key: it is found out by listing.",
      },
    },
    {
      id: `${id}-missing-unlisted`,
      question: `${method} of a missing key, by a user who may not list`,
      aws: denied,
      ask: async (bench) => {
        const at = { Bucket: await bench.bucket("versioned"), Key: bench.freshKey("h1") };
        const host = await bench.user("host", at.Bucket, [hostPolicy(at.Bucket, "h1")]);
        return id === "get"
          ? answerOf(host.send(new GetObjectCommand(at)))
          : statusOf(host.send(new HeadObjectCommand(at)));
      },
      otherwise: {
        dropZone: "A stolen host key can find out which names exist, not what they hold.",
        vault: null,
      },
    },
  ]),
  {
    id: "metadata",
    question: "a metadata value of 1,900 bytes",
    aws: "kept",
    ask: (bench) => metadataRoundTrip(bench, { airlock: "eyJ".repeat(633) }),
    otherwise: {
      dropZone: "Statements can't travel with their object; each needs a second one beside it.",
      vault: "User metadata is not restored with the object; the ledger has the statement.",
    },
  },
  {
    id: "metadata-limit",
    question: "user metadata of over 2 KB",
    aws: "400 MetadataTooLarge",
    ask: (bench) => metadataRoundTrip(bench, { airlock: "a".repeat(2_100) }),
    otherwise: {
      dropZone: "Airlock keeps to 1,400 bytes; a foreign object can carry more than another vault would take.",
      vault: "Airlock keeps to 1,400 bytes: no effect.",
    },
  },
  {
    id: "content-headers",
    question: "Content-Type, -Encoding, -Language, -Disposition, Cache-Control and Expires",
    aws: "kept",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
      await bench.owner.send(
        new PutObjectCommand({ ...at, Body: "x", ...CONTENT_HEADERS, Expires: new Date(EXPIRES) }),
      );
      const back = await bench.owner.send(new HeadObjectCommand(at));
      const lost = (Object.keys(CONTENT_HEADERS) as (keyof typeof CONTENT_HEADERS)[]).filter(
        (name) => back[name] !== CONTENT_HEADERS[name],
      );
      return [...lost, ...(back.ExpiresString === EXPIRES ? [] : ["Expires"])].join(", ") || "kept";
    },
    otherwise: {
      dropZone: "What is not kept here can't be carried over.",
      vault: "What is not kept is missing when the object is restored by other means than Airlock's.",
    },
  },
  {
    id: "same-etag",
    question: "is an ETag the same in PUT, HEAD and a listing?",
    aws: "yes",
    ask: async (bench) => {
      const { Bucket, Key, ETag } = await stored(bench);
      const head = await bench.owner.send(new HeadObjectCommand({ Bucket, Key }));
      const { Contents } = await bench.owner.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
      return head.ETag === ETag && Contents?.[0]?.ETag === ETag ? "yes" : "no";
    },
    otherwise: {
      dropZone: "Without versions, one object could get two vault names: use a versioned bucket.",
      vault: null,
    },
  },
  {
    id: "same-time",
    question: "is last-modified the same second in HEAD and a listing?",
    aws: "yes",
    ask: async (bench) => {
      const { Bucket, Key } = await stored(bench);
      const head = await bench.owner.send(new HeadObjectCommand({ Bucket, Key }));
      const { Contents } = await bench.owner.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
      const seconds = [head.LastModified, Contents?.[0]?.LastModified].map((at) => Math.floor(Number(at) / 1_000));
      return seconds[0] === seconds[1] ? "yes" : "no";
    },
    otherwise: {
      dropZone: "Without versions, one object could get two vault names: use a versioned bucket.",
      vault: null,
    },
  },
  {
    id: "etag-changes",
    question: "does a replaced object have another ETag?",
    aws: "yes",
    ask: async (bench) => {
      const { Bucket, Key, ETag } = await stored(bench);
      const again = await bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: "9876543210" }));
      return again.ETag === ETag ? "no" : "yes";
    },
    otherwise: {
      dropZone: "Without versions, a replaced object is not told from the first: use a versioned bucket.",
      vault: null,
    },
  },
  {
    id: "read-after-write",
    question: "are 20 objects listed right after each PUT?",
    aws: "yes",
    ask: async (bench) => {
      const Bucket = await bench.bucket("plain");
      for (let index = 0; index < 20; index++) {
        const Key = bench.freshKey("fresh");
        await bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
        const { KeyCount } = await bench.owner.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
        if (KeyCount !== 1) return "no";
      }
      return "yes";
    },
    otherwise: {
      dropZone: "An object could be listed before its statement: it is held until the next poll.",
      vault: "The ledger's tail could be misread: refused as a vault.",
    },
  },
  {
    id: "storage-class",
    question: "`STANDARD_IA` is shown by HEAD as",
    aws: "STANDARD_IA",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
      const put = new PutObjectCommand({ ...at, Body: "x", StorageClass: "STANDARD_IA" });
      const answer = await answerOf(bench.owner.send(put));
      if (answer !== "200") return `PUT: ${answer}`;
      return (await bench.owner.send(new HeadObjectCommand(at))).StorageClass ?? "nothing";
    },
    otherwise: { dropZone: null, vault: "`storageClass` has no effect: leave it out." },
  },
  {
    id: "archived-class",
    question: "GET of an object in the class `GLACIER`",
    aws: "403 InvalidObjectState",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
      const put = await answerOf(bench.owner.send(new PutObjectCommand({ ...at, Body: "x", StorageClass: "GLACIER" })));
      return put === "200" ? answerOf(bench.owner.send(new GetObjectCommand(at))) : `PUT: ${put}`;
    },
    otherwise: {
      dropZone: "There is no archived class to hide an object in.",
      vault: "There is no archived class to pay less for.",
    },
  },
];

export const reading: Area = { title: "Reading back what was stored", checks };
