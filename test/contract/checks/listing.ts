import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import type { ListObjectVersionsCommandOutput } from "@aws-sdk/client-s3";
import { answerOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";
import { ODD_KEYS, ORDERED_KEYS } from "../odd-keys.ts";

/** Listings carry keys in XML, which has no way to write some characters: Airlock has them encoded as in a URL. */
const EncodingType = "url";

/** S3 writes a space as "+" in encoded listings, and says that it has encoded them. */
function decodeKey(key: string | undefined, encoding: string | undefined): string {
  return encoding === "url" ? decodeURIComponent((key ?? "").replaceAll("+", " ")) : (key ?? "");
}

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

async function listPaged(bench: Bench, Bucket: string, Prefix: string, MaxKeys: number): Promise<string[]> {
  const keys: string[] = [];
  let ContinuationToken: string | undefined;
  for (let page = 0; page < 100; page++) {
    const token = ContinuationToken === undefined ? {} : { ContinuationToken };
    const listed = await bench.owner.send(
      new ListObjectsV2Command({ Bucket, Prefix, MaxKeys, EncodingType, ...token }),
    );
    keys.push(...(listed.Contents ?? []).map(({ Key }) => decodeKey(Key, listed.EncodingType)));
    ContinuationToken = listed.NextContinuationToken;
    if (listed.IsTruncated !== true) break;
  }
  return keys;
}

async function listVersionsPaged(bench: Bench, Bucket: string, MaxKeys: number): Promise<string[]> {
  const entries: string[] = [];
  let next: { KeyMarker?: string; VersionIdMarker?: string } = {};
  for (let page = 0; page < 100; page++) {
    const listed: ListObjectVersionsCommandOutput = await bench.owner.send(
      new ListObjectVersionsCommand({ Bucket, MaxKeys, EncodingType, ...next }),
    );
    for (const { Key, VersionId } of [...(listed.Versions ?? []), ...(listed.DeleteMarkers ?? [])]) {
      entries.push(`${decodeKey(Key, listed.EncodingType)} ${VersionId}`);
    }
    if (listed.IsTruncated !== true) break;
    next = {
      ...(listed.NextKeyMarker === undefined
        ? {}
        : { KeyMarker: decodeKey(listed.NextKeyMarker, listed.EncodingType) }),
      ...(listed.NextVersionIdMarker === undefined ? {} : { VersionIdMarker: listed.NextVersionIdMarker }),
    };
  }
  return entries;
}

const oddNames = {
  dropZone: "Airlock's own names have none of these; a foreign object with such a name can't be stored here.",
  vault: "Vault names hold none of these characters: no effect.",
};
const lostInListing = {
  dropZone: "An object that is not listed is never moved: use Airlock's own names only.",
  vault: "Vault names hold none of these characters: no effect.",
};
const paging = {
  dropZone: "Objects are moved late or never where there are more than a page of them: refused as a drop-zone.",
  vault: "The ledger's tail could be missed: refused as a vault.",
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
    otherwise: oddNames,
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
  {
    id: "listing-order",
    question: "order of a listing",
    aws: "UTF-8 bytes",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket();
      for (const Key of ORDERED_KEYS) await bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
      const keys = await listPaged(bench, Bucket, "", 1_000);
      return keys.join() === ORDERED_KEYS.join() ? "UTF-8 bytes" : "another";
    },
    otherwise: {
      dropZone: "Airlock relies on no order: a listing is read to its end.",
      vault: "Segments have numbers of 12 digits, which every order lists alike.",
    },
  },
  {
    id: "paging",
    question: "25 keys listed by pages of 7: each once",
    aws: "yes",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket();
      const keys = Array.from({ length: 25 }, (_, index) => `p/${String(index).padStart(2, "0")}`);
      for (const Key of ["o", ...keys, "q"]) await bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
      return (await listPaged(bench, Bucket, "p/", 7)).join() === keys.join() ? "yes" : "no";
    },
    otherwise: paging,
  },
  {
    id: "start-after",
    question: "listing after a given key",
    aws: "the next ones",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket();
      for (const Key of ["s/1", "s/2", "s/3"]) await bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
      const listed = await bench.owner.send(new ListObjectsV2Command({ Bucket, Prefix: "s/", StartAfter: "s/1" }));
      return listed.Contents?.map(({ Key }) => Key).join() === "s/2,s/3" ? "the next ones" : "others";
    },
    otherwise: { dropZone: null, vault: "Starting up reads the whole ledger's listing." },
  },
  {
    id: "common-prefixes",
    question: "listing by delimiter: folders seen",
    aws: "h1/ h2/",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket();
      for (const Key of ["h1/a", "h1/b", "h2/c"])
        await bench.owner.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
      const listed = await bench.owner.send(new ListObjectsV2Command({ Bucket, Delimiter: "/" }));
      return (listed.CommonPrefixes ?? []).map(({ Prefix }) => Prefix).join(" ");
    },
    otherwise: { dropZone: null, vault: "`airlock` can't find the movers' ledgers by itself." },
  },
  {
    id: "version-paging",
    question: "12 versions and delete markers of 4 keys listed by pages of 5: each once",
    aws: "yes",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket({ versioning: true });
      const expected: string[] = [];
      for (const Key of ["a", "b", "c", "d"]) {
        for (const Body of ["1", "2"]) {
          const { VersionId } = await bench.owner.send(new PutObjectCommand({ Bucket, Key, Body }));
          expected.push(`${Key} ${VersionId}`);
        }
        const { VersionId } = await bench.owner.send(new DeleteObjectCommand({ Bucket, Key }));
        expected.push(`${Key} ${VersionId}`);
      }
      const listed = await listVersionsPaged(bench, Bucket, 5);
      const missing = expected.filter((entry) => !listed.includes(entry)).length;
      const twice = listed.length - new Set(listed).size;
      return missing + twice === 0 ? "yes" : `no: ${missing} missing, ${twice} twice`;
    },
    otherwise: (answer) =>
      answer.startsWith("no: 0 missing")
        ? {
            dropZone: "A version that is seen twice in a sweep is moved once, since moves are known by their version.",
            vault: "`airlock verify` may see a version twice.",
          }
        : paging,
  },
  {
    id: "versions-newest-first",
    question: "order of the versions of one key",
    aws: "newest first",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket({ versioning: true });
      const ids: (string | undefined)[] = [];
      for (const Body of ["1", "2", "3"]) {
        ids.push((await bench.owner.send(new PutObjectCommand({ Bucket, Key: "k", Body }))).VersionId);
      }
      const { Versions } = await bench.owner.send(new ListObjectVersionsCommand({ Bucket }));
      const listed = (Versions ?? []).map(({ VersionId }) => VersionId);
      const isFirst = Versions?.[0]?.IsLatest === true && Versions[1]?.IsLatest === false;
      return listed.join() === ids.toReversed().join() && isFirst ? "newest first" : "another";
    },
    otherwise: { dropZone: "Airlock relies on no order: every version is moved.", vault: null },
  },
  {
    id: "versions-unversioned",
    question: "version id of an object in an unversioned bucket's version listing",
    aws: "null",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket();
      await bench.owner.send(new PutObjectCommand({ Bucket, Key: "k", Body: "x" }));
      const { Versions } = await bench.owner.send(new ListObjectVersionsCommand({ Bucket }));
      return Versions?.length === 1 ? String(Versions[0]?.VersionId) : `${Versions?.length ?? 0} versions`;
    },
    otherwise: { dropZone: "Unversioned buckets are listed without versions: no effect.", vault: null },
  },
  {
    id: "versioning-state",
    question: "versioning as the store shows it: a plain bucket, a versioned one",
    aws: "unset, Enabled",
    ask: async (bench) => {
      const states = [];
      for (const kind of ["plain", "versioned"] as const) {
        const Bucket = await bench.bucket(kind);
        const { Status } = await bench.owner.send(new GetBucketVersioningCommand({ Bucket }));
        states.push(Status ?? "unset");
      }
      return states.join(", ");
    },
    otherwise: {
      dropZone: "The mover finds out by trying.",
      vault: "The mover finds out by trying.",
    },
  },
];

async function readText(bench: Bench, Bucket: string, Key: string): Promise<string | null> {
  if ((await answerOf(bench.owner.send(new GetObjectCommand({ Bucket, Key })))) !== "200") return null;
  const { Body } = await bench.owner.send(new GetObjectCommand({ Bucket, Key }));
  return (await Body?.transformToString()) ?? null;
}

export const listing: Area = { title: "Finding everything", checks };
