import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { answerOf } from "../bench.ts";
import type { Bench, BucketKind } from "../bench.ts";
import type { Area, Check, Meaning } from "../check.ts";

const lostCondition: Meaning = {
  dropZone:
    "A host that holds a name can be made to write over it: use a versioned bucket, where each version is moved by itself.",
  vault: "A name could be written twice, which Airlock's vault may never allow: refused as a vault at start-up.",
};

async function putAgain(bench: Bench, kind: BucketKind): Promise<string> {
  const put = { Bucket: await bench.bucket(kind), Key: bench.freshKey(), IfNoneMatch: "*" };
  await bench.owner.send(new PutObjectCommand({ ...put, Body: "first" }));
  const answer = await answerOf(bench.owner.send(new PutObjectCommand({ ...put, Body: "second" })));
  const { Body } = await bench.owner.send(new GetObjectCommand({ Bucket: put.Bucket, Key: put.Key }));
  const text = await Body?.transformToString();
  return text === "first" ? answer : `${answer}, and the second one is there now`;
}

/** An upload of one small part, ready to be completed. */
async function uploadReady(
  bench: Bench,
  Bucket: string,
  Key: string,
): Promise<CompleteMultipartUploadCommand["input"]> {
  const { UploadId } = await bench.owner.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const { ETag } = await bench.owner.send(
    new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: `from ${UploadId}` }),
  );
  return { Bucket, Key, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } };
}

async function completeAgain(bench: Bench, kind: BucketKind): Promise<string> {
  const Bucket = await bench.bucket(kind);
  const Key = bench.freshKey();
  await bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: "first" }));
  const ready = await uploadReady(bench, Bucket, Key);
  const answer = await answerOf(bench.owner.send(new CompleteMultipartUploadCommand({ ...ready, IfNoneMatch: "*" })));
  const { Body } = await bench.owner.send(new GetObjectCommand({ Bucket, Key }));
  return (await Body?.transformToString()) === "first" ? answer : `${answer}, and the second one is there now`;
}

/** How many of several creations at once of one name succeed; 409 and 412 are both "no". */
function winnersOf(answers: readonly string[]): string {
  const winners = answers.filter((answer) => answer === "200").length;
  const others = new Set(answers.filter((answer) => answer !== "200" && !/^(409|412) /.test(answer)));
  return [`${winners} of ${answers.length}`, ...[...others].toSorted()].join("; ");
}

async function racePuts(bench: Bench, kind: BucketKind): Promise<string> {
  const put = { Bucket: await bench.bucket(kind), Key: bench.freshKey(), IfNoneMatch: "*" };
  const racers = Array.from({ length: 16 }, (_, index) =>
    answerOf(bench.owner.send(new PutObjectCommand({ ...put, Body: `racer ${index}` }))),
  );
  return winnersOf(await Promise.all(racers));
}

async function raceCompletes(bench: Bench, kind: BucketKind): Promise<string> {
  const Bucket = await bench.bucket(kind);
  const Key = bench.freshKey();
  const ready = await Promise.all(Array.from({ length: 4 }, () => uploadReady(bench, Bucket, Key)));
  const racers = ready.map((input) =>
    answerOf(bench.owner.send(new CompleteMultipartUploadCommand({ ...input, IfNoneMatch: "*" }))),
  );
  return winnersOf(await Promise.all(racers));
}

const checks: readonly Check[] = [
  {
    id: "create-once-plain",
    question: "second PUT with `If-None-Match: *`, no versions",
    aws: "412 PreconditionFailed",
    ask: (bench) => putAgain(bench, "plain"),
    otherwise: lostCondition,
  },
  {
    id: "create-once-versioned",
    question: "second PUT with `If-None-Match: *`, versioned",
    aws: "412 PreconditionFailed",
    ask: (bench) => putAgain(bench, "versioned"),
    otherwise: lostCondition,
  },
  {
    id: "create-once-locked",
    question: "second PUT with `If-None-Match: *`, Object Lock",
    aws: "412 PreconditionFailed",
    ask: (bench) => putAgain(bench, "locked"),
    otherwise: { ...lostCondition, dropZone: null },
  },
  {
    id: "create-race-plain",
    question: "16 creations of one name at once, no versions: how many succeed",
    aws: "1 of 16",
    ask: (bench) => racePuts(bench, "plain"),
    otherwise: lostCondition,
  },
  {
    id: "create-race-versioned",
    question: "16 creations of one name at once, versioned: how many succeed",
    aws: "1 of 16",
    ask: (bench) => racePuts(bench, "versioned"),
    otherwise: lostCondition,
  },
  {
    id: "complete-once-plain",
    question: "Complete with `If-None-Match: *` over an object, no versions",
    aws: "412 PreconditionFailed",
    ask: (bench) => completeAgain(bench, "plain"),
    otherwise: lostCondition,
  },
  {
    id: "complete-once-versioned",
    question: "Complete with `If-None-Match: *` over an object, versioned",
    aws: "412 PreconditionFailed",
    ask: (bench) => completeAgain(bench, "versioned"),
    otherwise: lostCondition,
  },
  {
    id: "complete-race-plain",
    question: "4 uploads of one name completed at once, no versions: how many succeed",
    aws: "1 of 4",
    ask: (bench) => raceCompletes(bench, "plain"),
    otherwise: lostCondition,
  },
  {
    id: "complete-race-versioned",
    question: "4 uploads of one name completed at once, versioned: how many succeed",
    aws: "1 of 4",
    ask: (bench) => raceCompletes(bench, "versioned"),
    otherwise: lostCondition,
  },
  {
    id: "create-over-marker",
    question: "PUT with `If-None-Match: *` where a delete marker is the latest version",
    aws: "200",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("versioned"), Key: bench.freshKey() };
      await bench.owner.send(new PutObjectCommand({ ...at, Body: "first" }));
      await bench.owner.send(new DeleteObjectCommand(at));
      return answerOf(bench.owner.send(new PutObjectCommand({ ...at, Body: "second", IfNoneMatch: "*" })));
    },
    otherwise: {
      dropZone: null,
      vault: "A name that was hidden by somebody who may delete can't be created again; Airlock never needs to.",
    },
  },
  {
    id: "both-versions-kept",
    question: "versions there are after a second PUT without a condition",
    aws: "2",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("versioned"), Key: bench.freshKey() };
      for (const Body of ["first", "second"]) await bench.owner.send(new PutObjectCommand({ ...at, Body }));
      const { Versions } = await bench.owner.send(new ListObjectVersionsCommand({ Bucket: at.Bucket, Prefix: at.Key }));
      return String(Versions?.length ?? 0);
    },
    otherwise: {
      dropZone: "What a host writes over is lost before it can be moved: hosts must be create-only here.",
      vault: null,
    },
  },
];

export const creating: Area = { title: "Creating a name, once", checks };
