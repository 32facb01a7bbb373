import { DeleteObjectsCommand, GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { answerOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";
import { listPaged, listVersionsPaged } from "../list-all.ts";
import { ODD_KEYS } from "../odd-keys.ts";

function named(lost: readonly string[]): string {
  if (lost.length === 0) return "all";
  const short = lost.map((key) => JSON.stringify(key.length > 40 ? `${key.slice(0, 20)}…` : key).replaceAll("`", "'"));
  return `all but ${short.join(" ")}`;
}

/** A bucket with every odd key that the store took, each holding its own name. */
async function oddBucket(
  bench: Bench,
  use: "plain" | "versioned" | "deleted",
): Promise<{ Bucket: string; taken: string[] }> {
  return bench.once(`odd keys ${use}`, async () => {
    const Bucket = await bench.freshBucket({ versioning: use === "versioned" });
    const taken: string[] = [];
    for (const Key of ODD_KEYS) {
      const answer = await answerOf(bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: Key })));
      if (answer === "200") taken.push(Key);
    }
    return { Bucket, taken };
  });
}

const notStorable = {
  dropZone: "Airlock's own names have none of these; a foreign object with such a name can't be stored here.",
  vault: "Vault names hold none of these characters: no effect.",
};
const lostInListing = {
  dropZone: "An object that is not listed is never moved: use Airlock's own names only.",
  vault: "Vault names hold none of these characters: no effect.",
};
const checks: readonly Check[] = [
  {
    id: "odd-keys-stored",
    question: "odd keys (spaces, `%`, `+`, line breaks, `..`, 1,024 bytes) stored and read",
    aws: "all",
    ask: async (bench) => {
      const { Bucket, taken } = await oddBucket(bench, "plain");
      const lost: string[] = [];
      for (const Key of ODD_KEYS) {
        const text = taken.includes(Key) ? await readText(bench, Bucket, Key) : null;
        if (text !== Key) lost.push(Key);
      }
      return named(lost);
    },
    otherwise: notStorable,
  },
  {
    id: "odd-keys-listed",
    question: "of those that were stored, listed (ListObjectsV2)",
    aws: "all",
    ask: async (bench) => {
      const { Bucket, taken } = await oddBucket(bench, "plain");
      const listed = new Set(await listPaged(bench, Bucket, "", 7));
      return named(taken.filter((key) => !listed.has(key)));
    },
    otherwise: lostInListing,
  },
  {
    id: "odd-keys-versions",
    question: "of those that were stored, listed (ListObjectVersions)",
    aws: "all",
    ask: async (bench) => {
      const { Bucket, taken } = await oddBucket(bench, "versioned");
      const listed = new Set((await listVersionsPaged(bench, Bucket, 7)).map((entry) => entry.replace(/ \S*$/, "")));
      return named(taken.filter((key) => !listed.has(key)));
    },
    otherwise: lostInListing,
  },
  {
    id: "odd-keys-deleted",
    question: "of those that were stored, deleted in a batch",
    aws: "all",
    ask: async (bench) => {
      // A bucket of its own: the other two questions about odd keys need theirs whole.
      const { Bucket, taken } = await oddBucket(bench, "deleted");
      const Objects = taken.map((Key) => ({ Key }));
      await bench.owner.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      const left: string[] = [];
      for (const Key of taken) if ((await readText(bench, Bucket, Key)) === Key) left.push(Key);
      return named(left);
    },
    otherwise: { dropZone: "The object stays, and is recorded as archived already on each sweep.", vault: null },
  },
  {
    id: "key-too-long",
    question: "PUT of a key of 1,025 bytes",
    aws: "400 KeyTooLongError",
    ask: async (bench) => {
      const Bucket = await bench.bucket("plain");
      const Key = "long/".repeat(205);
      return answerOf(bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: "x" })));
    },
    otherwise: {
      dropZone: "Longer keys get a vault name by their digest.",
      vault: "Airlock's vault names end at 1,024 bytes.",
    },
  },
  {
    id: "name-is-a-folder",
    question: "keys `n` and `n/x` beside each other",
    aws: "200, 200",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket();
      const put = (Key: string) => answerOf(bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: "x" })));
      return `${await put("n")}, ${await put("n/x")}`;
    },
    otherwise: {
      dropZone: "One foreign object can keep another from being stored; Airlock's own names never meet like this.",
      vault: "Vault names never meet like this: no effect.",
    },
  },
];

async function readText(bench: Bench, Bucket: string, Key: string): Promise<string | null> {
  if ((await answerOf(bench.owner.send(new GetObjectCommand({ Bucket, Key })))) !== "200") return null;
  const { Body } = await bench.owner.send(new GetObjectCommand({ Bucket, Key }));
  return (await Body?.transformToString()) ?? null;
}

export const oddNames: Area = { title: "Odd names", checks };
