import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  DeleteObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type ListObjectsV2CommandInput,
  type ListObjectVersionsCommandInput,
} from "@aws-sdk/client-s3";
import fc from "fast-check";
import { createSortedKeys, fromByteString, toByteString } from "./sorted-keys.ts";
import { refusal, startTestServer, type TestServer } from "./testing.ts";

let fixture: TestServer;
const keys = ["a", "a/1", "a/2", "a/b/3", "a0", "b", "c/1", "c/2", "z", "ü", "\uffee", "😀"];

before(async () => {
  fixture = await startTestServer();
  fixture.account.createBucket("bucket", { versioning: true });
  for (const Key of keys.toReversed())
    await fixture.client.send(new PutObjectCommand({ Bucket: "bucket", Key, Body: "x" }));
  await fixture.client.send(new PutObjectCommand({ Bucket: "bucket", Key: "gone", Body: "x" }));
  await fixture.client.send(new DeleteObjectCommand({ Bucket: "bucket", Key: "gone" }));
});
after(() => fixture[Symbol.asyncDispose]());

/** Keys and prefixes of all pages, in the order given. */
async function list(input: Partial<ListObjectsV2CommandInput>): Promise<string[]> {
  const names: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await fixture.client.send(
      new ListObjectsV2Command({
        Bucket: "bucket",
        ...input,
        ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      }),
    );
    const found = [
      ...(page.Contents ?? []).map(({ Key = "" }) => Key),
      ...(page.CommonPrefixes ?? []).map(({ Prefix = "" }) => Prefix),
    ];
    assert.ok(found.length <= (input.MaxKeys ?? 1000));
    assert.equal(page.KeyCount, found.length);
    names.push(...found);
    ContinuationToken = page.NextContinuationToken;
    assert.equal(page.IsTruncated, ContinuationToken !== undefined);
  } while (ContinuationToken !== undefined);
  return names;
}

test("keys come in the order of their UTF-8 bytes, on pages of every size", async () => {
  for (const MaxKeys of [1, 2, 5, 12, 1000]) assert.deepEqual(await list({ MaxKeys }), keys);
});

test("prefix, delimiter and start-after", async () => {
  assert.deepEqual(await list({ Prefix: "a/" }), ["a/1", "a/2", "a/b/3"]);
  assert.deepEqual(await list({ Prefix: "a/", Delimiter: "/" }), ["a/1", "a/2", "a/b/"]);
  const grouped = ["a", "a/", "a0", "b", "c/", "z", "ü", "\uffee", "😀"];
  for (const MaxKeys of [1, 3, 1000]) {
    assert.deepEqual((await list({ Delimiter: "/", MaxKeys })).toSorted(), grouped.toSorted());
  }
  assert.deepEqual(await list({ StartAfter: "c/1" }), ["c/2", "z", "ü", "\uffee", "😀"]);
  assert.deepEqual(await list({ StartAfter: "c/1", MaxKeys: 1 }), ["c/2", "z", "ü", "\uffee", "😀"]);
  assert.deepEqual(await list({ Prefix: "none" }), []);
});

test("the first version of the listing goes on after a marker", async () => {
  const names: string[] = [];
  let Marker = "";
  for (let truncated = true; truncated;) {
    const page = await fixture.client.send(
      new ListObjectsCommand({ Bucket: "bucket", Delimiter: "/", MaxKeys: 2, Marker }),
    );
    names.push(
      ...(page.Contents ?? []).map(({ Key = "" }) => Key),
      ...(page.CommonPrefixes ?? []).map(({ Prefix = "" }) => Prefix),
    );
    truncated = page.IsTruncated === true;
    Marker = page.NextMarker ?? "";
  }
  assert.deepEqual(names.toSorted(), ["a", "a/", "a0", "b", "c/", "z", "ü", "\uffee", "😀"].toSorted());
});

test("url encoding, owners, and arguments that S3 refuses", async () => {
  const { client } = fixture;
  await client.send(new PutObjectCommand({ Bucket: "bucket", Key: "odd/a b+\n*~", Body: "x" }));
  const encoded = await client.send(
    new ListObjectsV2Command({ Bucket: "bucket", Prefix: "odd/", EncodingType: "url", FetchOwner: true }),
  );
  assert.equal(encoded.Contents?.[0]?.Key, "odd/a+b%2B%0A*%7E");
  assert.match(encoded.Contents?.[0]?.Owner?.ID ?? "", /^[0-9a-f]{64}$/);
  const raw = await client.send(new ListObjectsV2Command({ Bucket: "bucket", Prefix: "odd/" }));
  assert.equal(raw.Contents?.[0]?.Key, "odd/a b+\n*~");
  await client.send(
    new DeleteObjectCommand({
      Bucket: "bucket",
      Key: "odd/a b+\n*~",
      VersionId: (await versions({ Prefix: "odd/" }))[0]?.[1],
    }),
  );
  assert.equal(
    await refusal(client.send(new ListObjectsV2Command({ Bucket: "bucket", ContinuationToken: "x" }))),
    "400 InvalidArgument",
  );
  assert.equal(
    await refusal(client.send(new ListObjectsV2Command({ Bucket: "bucket", MaxKeys: -1 }))),
    "400 InvalidArgument",
  );
  assert.equal(
    await refusal(client.send(new ListObjectVersionsCommand({ Bucket: "bucket", VersionIdMarker: "null" }))),
    "400 InvalidArgument",
  );
});

async function versions(
  input: Partial<ListObjectVersionsCommandInput>,
  between: (key: string, versionId: string) => Promise<void> = () => Promise.resolve(),
): Promise<[string, string][]> {
  const found: [string, string][] = [];
  let markers: Partial<ListObjectVersionsCommandInput> = {};
  for (let truncated = true; truncated;) {
    const page = await fixture.client.send(new ListObjectVersionsCommand({ Bucket: "bucket", ...input, ...markers }));
    const rows = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])];
    for (const { Key = "", VersionId = "" } of rows) found.push([Key, VersionId]);
    for (const { Prefix = "" } of page.CommonPrefixes ?? []) found.push([Prefix, ""]);
    truncated = page.IsTruncated === true;
    markers = {
      KeyMarker: page.NextKeyMarker,
      ...(page.NextVersionIdMarker ? { VersionIdMarker: page.NextVersionIdMarker } : {}),
    };
    if (truncated && page.NextVersionIdMarker) await between(page.NextKeyMarker ?? "", page.NextVersionIdMarker);
  }
  return found;
}

test("versions come newest first, on pages of every size, even when the page's last version is deleted meanwhile", async () => {
  const { client } = fixture;
  for (const Body of ["1", "2", "3"]) await client.send(new PutObjectCommand({ Bucket: "bucket", Key: "many", Body }));
  const all = await versions({ Prefix: "many" });
  assert.equal(all.length, 3);
  assert.deepEqual(await versions({ Prefix: "many", MaxKeys: 1 }), all);
  const whole = await versions({});
  for (const MaxKeys of [1, 4]) {
    const names = (rows: [string, string][]): string[] => rows.map((row) => row.join("@")).toSorted();
    assert.deepEqual(names(await versions({ MaxKeys })), names(whole));
  }
  assert.deepEqual(
    (await versions({ Delimiter: "/", MaxKeys: 1 })).filter(([, id]) => id === "").map(([key]) => key),
    ["a/", "c/"],
  );
  const deleting = await versions({ Prefix: "many", MaxKeys: 1 }, async (Key, VersionId) => {
    await client.send(new DeleteObjectCommand({ Bucket: "bucket", Key, VersionId }));
  });
  assert.deepEqual(deleting, all);
});

test("the sorted collection behaves like a sorted array", () => {
  const operation = fc.tuple(fc.boolean(), fc.string({ unit: "binary", maxLength: 3 }));
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), fc.string({ maxLength: 2 }), (operations, from) => {
      const sorted = createSortedKeys();
      const model = new Set<string>();
      for (const [isAdded, text] of operations) {
        const key = toByteString(text);
        assert.equal(fromByteString(key), text.isWellFormed() ? text : fromByteString(key));
        if (isAdded && !model.has(key)) sorted.add({ key });
        if (isAdded) model.add(key);
        else {
          sorted.remove(key);
          model.delete(key);
        }
      }
      const expected = [...model]
        .filter((key) => key >= from)
        .toSorted((a, b) => Buffer.compare(Buffer.from(a, "latin1"), Buffer.from(b, "latin1")));
      assert.deepEqual(
        [...sorted.from(from)].map(({ key }) => key),
        expected,
      );
      assert.equal(sorted.size, model.size);
    }),
  );
  const many = createSortedKeys();
  for (let index = 0; index < 5000; index++) many.add({ key: String((index * 7919) % 5000).padStart(5, "0") });
  assert.deepEqual(
    [...many.from("04990")].map(({ key }) => Number(key)),
    [4990, 4991, 4992, 4993, 4994, 4995, 4996, 4997, 4998, 4999],
  );
  assert.equal(many.get("02500")?.key, "02500");
});
