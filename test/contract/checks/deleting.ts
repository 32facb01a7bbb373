import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import type { S3Client } from "@aws-sdk/client-s3";
import { answerOf, refusalOf, statusOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";
import { drainPolicy, foreignPolicy, hostPolicy } from "../policies.ts";

const WRONG_ETAG = '"00000000000000000000000000000000"';
const conditionalBatch = { dropZone: "Airlock sends conditional deletes one by one: no effect.", vault: null };
const conditionalDelete = {
  dropZone:
    "Without versions, an object that was replaced after it was copied would be deleted unread: foreign objects are refused at start-up, unless the bucket is versioned.",
  vault: null,
};

/** Three versions of one key, oldest first, put by somebody who may write over them. */
async function threeVersions(bench: Bench): Promise<{ Bucket: string; Key: string; ids: string[] }> {
  const at = { Bucket: await bench.bucket("versioned"), Key: bench.freshKey("h4") };
  const foreign = await bench.user("foreign", at.Bucket, [foreignPolicy(at.Bucket, "h4")]);
  const ids: string[] = [];
  for (const Body of ["one", "two", "three"]) {
    ids.push((await foreign.send(new PutObjectCommand({ ...at, Body }))).VersionId ?? "none");
  }
  return { ...at, ids };
}

async function versionsLeft(bench: Bench, at: { Bucket: string; Key: string }): Promise<string[]> {
  const { Versions } = await bench.owner.send(new ListObjectVersionsCommand({ Bucket: at.Bucket, Prefix: at.Key }));
  return (Versions ?? []).map((version) => version.VersionId ?? "none");
}

/** "3 deleted", or the codes of what was refused. */
async function batch(
  client: S3Client,
  Bucket: string,
  Objects: { Key: string; VersionId?: string; ETag?: string }[],
): Promise<string> {
  try {
    const { Deleted = [], Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    const codes = [...new Set(Errors.map((error) => error.Code ?? "?"))].toSorted();
    return [`${Deleted.length} deleted`, ...codes].join(", ");
  } catch (error) {
    return refusalOf(error);
  }
}

const checks: readonly Check[] = [
  {
    id: "delete-if-match-wrong",
    question: "DELETE with another ETag in `If-Match`",
    aws: "412 PreconditionFailed",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
      await bench.owner.send(new PutObjectCommand({ ...at, Body: "x" }));
      const answer = await answerOf(bench.owner.send(new DeleteObjectCommand({ ...at, IfMatch: WRONG_ETAG })));
      const there = (await answerOf(bench.owner.send(new GetObjectCommand(at)))) === "200";
      return there ? answer : `${answer}, and it is gone`;
    },
    otherwise: conditionalDelete,
  },
  {
    id: "delete-if-match-right",
    question: "DELETE with the right ETag in `If-Match`",
    aws: "204",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
      const { ETag } = await bench.owner.send(new PutObjectCommand({ ...at, Body: "x" }));
      return answerOf(bench.owner.send(new DeleteObjectCommand({ ...at, IfMatch: ETag })));
    },
    otherwise: conditionalDelete,
  },
  {
    id: "batch-if-match-wrong",
    question: "batch DELETE with another ETag",
    aws: "0 deleted, PreconditionFailed",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
      await bench.owner.send(new PutObjectCommand({ ...at, Body: "x" }));
      const answer = await batch(bench.owner, at.Bucket, [{ Key: at.Key, ETag: WRONG_ETAG }]);
      const there = (await answerOf(bench.owner.send(new GetObjectCommand(at)))) === "200";
      return there ? answer : `${answer}, and it is gone`;
    },
    otherwise: conditionalBatch,
  },
  {
    id: "delete-version",
    question: "DELETE of the middle one of three versions leaves",
    aws: "the other two",
    ask: async (bench) => {
      const { ids, ...at } = await threeVersions(bench);
      const answer = await answerOf(bench.owner.send(new DeleteObjectCommand({ ...at, VersionId: ids[1] })));
      if (answer !== "204") return answer;
      const left = await versionsLeft(bench, at);
      return left.join() === [ids[2], ids[0]].join() ? "the other two" : `${left.length}`;
    },
    otherwise: {
      dropZone: "A version can't be released by itself: refused as a versioned drop-zone.",
      vault: null,
    },
  },
  {
    id: "delete-version-twice",
    question: "DELETE of a version that is gone already",
    aws: "204",
    ask: async (bench) => {
      const { ids, ...at } = await threeVersions(bench);
      await bench.owner.send(new DeleteObjectCommand({ ...at, VersionId: ids[1] }));
      return answerOf(bench.owner.send(new DeleteObjectCommand({ ...at, VersionId: ids[1] })));
    },
    otherwise: {
      dropZone: "A release whose answer was lost is asked about by listing, not by repeating it.",
      vault: null,
    },
  },
  {
    id: "get-deleted-version",
    question: "GET of a version that is gone",
    aws: "404 NoSuchVersion",
    ask: async (bench) => {
      const { ids, ...at } = await threeVersions(bench);
      await bench.owner.send(new DeleteObjectCommand({ ...at, VersionId: ids[1] }));
      return answerOf(bench.owner.send(new GetObjectCommand({ ...at, VersionId: ids[1] })));
    },
    otherwise: {
      dropZone: "Any 404 counts as gone; another status is an error and is tried again.",
      vault: "Any 404 counts as gone; another status is an error and is reported.",
    },
  },
  {
    id: "delete-missing",
    question: "DELETE of a key that does not exist",
    aws: "204",
    ask: async (bench) =>
      answerOf(
        bench.owner.send(new DeleteObjectCommand({ Bucket: await bench.bucket("plain"), Key: bench.freshKey() })),
      ),
    otherwise: { dropZone: "A 404 to a release counts as released.", vault: null },
  },
  {
    id: "delete-null-version",
    question: "DELETE of the `null` version from before versioning was turned on leaves",
    aws: "the later one",
    ask: async (bench) => {
      const at = { Bucket: await bench.freshBucket(), Key: "k" };
      await bench.owner.send(new PutObjectCommand({ ...at, Body: "before" }));
      const VersioningConfiguration = { Status: "Enabled" } as const;
      await bench.owner.send(new PutBucketVersioningCommand({ Bucket: at.Bucket, VersioningConfiguration }));
      const { VersionId } = await bench.owner.send(new PutObjectCommand({ ...at, Body: "after" }));
      if (!(await versionsLeft(bench, at)).includes("null")) return "no version is called null";
      const answer = await answerOf(bench.owner.send(new DeleteObjectCommand({ ...at, VersionId: "null" })));
      const left = await versionsLeft(bench, at);
      return left.join() === VersionId ? "the later one" : `${left.length} versions (${answer})`;
    },
    otherwise: { dropZone: "Do not turn versioning on for a bucket that holds objects already.", vault: null },
  },
  {
    id: "batch-owner",
    question: "batch DELETE of two versions and a missing key, by the owner",
    aws: "3 deleted",
    ask: async (bench) => {
      const { ids, ...at } = await threeVersions(bench);
      const objects = ids.slice(0, 2).map((VersionId) => ({ Key: at.Key, VersionId }));
      const answer = await batch(bench.owner, at.Bucket, [...objects, { Key: bench.freshKey() }]);
      const left = await versionsLeft(bench, at);
      return left.join() === ids[2] ? answer : `${answer}; ${left.length} versions left`;
    },
    otherwise: { dropZone: "The mover deletes one by one, which costs a request per object.", vault: null },
  },
  {
    id: "batch-user",
    question: "batch DELETE of two versions, by a user who may (`s3:DeleteObjectVersion`)",
    aws: "2 deleted",
    ask: async (bench) => {
      const { ids, ...at } = await threeVersions(bench);
      const mover = await bench.user("drain", at.Bucket, [drainPolicy(at.Bucket)]);
      const objects = ids.slice(0, 2).map((VersionId) => ({ Key: at.Key, VersionId }));
      return batch(mover, at.Bucket, objects);
    },
    otherwise: { dropZone: "The mover deletes one by one, which costs a request per object.", vault: null },
  },
  {
    id: "batch-stranger",
    question: "batch DELETE of two versions, by a user who may not",
    aws: "0 deleted, AccessDenied",
    ask: async (bench) => {
      const { ids, ...at } = await threeVersions(bench);
      const host = await bench.user("host", at.Bucket, [hostPolicy(at.Bucket, "h1")]);
      const objects = ids.slice(0, 2).map((VersionId) => ({ Key: at.Key, VersionId }));
      const answer = await batch(host, at.Bucket, objects);
      const left = await versionsLeft(bench, at);
      return left.length === 3 ? answer : `${answer}; ${left.length} versions left`;
    },
    otherwise: {
      dropZone: "Refused all the same.",
      vault: "Refused all the same.",
    },
  },
  {
    id: "delete-without-version",
    question: "DELETE without a version, by a user with `s3:DeleteObjectVersion` only",
    aws: "403",
    ask: async (bench) => {
      const { ids: _, ...at } = await threeVersions(bench);
      const mover = await bench.user("drain", at.Bucket, [drainPolicy(at.Bucket)]);
      return statusOf(mover.send(new DeleteObjectCommand(at)));
    },
    otherwise: {
      dropZone:
        "The mover's key could leave delete markers, which hide an object from listings of the newest versions but remove nothing.",
      vault: null,
    },
  },
  {
    id: "batch-limit",
    question: "batch DELETE of 1,001 keys",
    aws: "400 MalformedXML",
    ask: async (bench) => {
      const keys = Array.from({ length: 1_001 }, (_, index) => ({ Key: `none/${index}` }));
      return batch(bench.owner, await bench.bucket("plain"), keys);
    },
    otherwise: { dropZone: "Airlock sends at most 1,000.", vault: null },
  },
  {
    id: "batch-thousand",
    question: "batch DELETE of 1,000 keys",
    aws: "1000 deleted",
    ask: async (bench) => {
      const keys = Array.from({ length: 1_000 }, (_, index) => ({ Key: `none/${index}` }));
      return batch(bench.owner, await bench.bucket("plain"), keys);
    },
    otherwise: { dropZone: "The mover needs smaller batches here.", vault: null },
  },
];

export const deleting: Area = { title: "Deleting exactly what was meant", checks };
