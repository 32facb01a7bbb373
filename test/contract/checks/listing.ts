import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import type { Area, Check } from "../check.ts";
import { listPaged, listVersionsPaged } from "../list-all.ts";
import { ORDERED_KEYS } from "../odd-keys.ts";

const paging = {
  dropZone: "Objects are moved late or never where there are more than a page of them: refused as a drop-zone.",
  vault: "The ledger's tail could be missed: refused as a vault.",
};

const checks: readonly Check[] = [
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

export const listing: Area = { title: "Finding everything", checks };
