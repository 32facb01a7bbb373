import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { refusal, startTestServer, type TestServer } from "./testing.ts";

let nowMs = Date.UTC(2026, 10, 21, 12, 0, 0, 750);
let fixture: TestServer;
const md5 = (bytes: string | Buffer): string => createHash("md5").update(bytes).digest("hex");

before(async () => {
  fixture = await startTestServer({ clock: () => nowMs, signingClock: Date.now });
  fixture.account.createBucket("bucket");
  fixture.account.createBucket("versioned", { versioning: true });
});
after(() => fixture[Symbol.asyncDispose]());

const put = (Key: string, Body: string | Buffer = "x", rest = {}): PutObjectCommand =>
  new PutObjectCommand({ Bucket: "bucket", Key, Body, ...rest });
const read = async (Key: string, rest = {}): Promise<string> => {
  const { Body } = await fixture.client.send(new GetObjectCommand({ Bucket: "bucket", Key, ...rest }));
  return (await Body?.transformToString()) ?? "";
};

test("an object comes back with its bytes, headers, metadata, ETag and whole-second time", async () => {
  const { client } = fixture;
  const kept = {
    ContentType: "text/x",
    ContentEncoding: "zstd",
    ContentLanguage: "de",
    ContentDisposition: "attachment",
    CacheControl: "no-store",
    Metadata: { airlock: "abc", two: "2" },
  };
  const { ETag } = await client.send(
    put("kept", "hello", { ...kept, Expires: new Date(nowMs), StorageClass: "STANDARD_IA" }),
  );
  assert.equal(ETag, `"${md5("hello")}"`);
  const head = await client.send(new HeadObjectCommand({ Bucket: "bucket", Key: "kept" }));
  for (const [name, value] of Object.entries(kept)) assert.deepEqual(Reflect.get(head, name), value);
  assert.equal(head.ExpiresString, new Date(nowMs).toUTCString());
  assert.equal(head.StorageClass, "STANDARD_IA");
  assert.equal(head.LastModified?.getTime(), Math.floor(nowMs / 1000) * 1000);
  assert.equal(head.ContentLength, 5);
  assert.equal(await read("kept"), "hello");
  await client.send(put("bare", ""));
  assert.equal(await read("bare"), "");
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: "bucket", Prefix: "kept" }));
  assert.deepEqual(
    Contents?.map(({ Size, StorageClass, ETag: etag }) => [Size, StorageClass, etag]),
    [[5, "STANDARD_IA", ETag]],
  );
});

test("bodies around the sizes where storage changes come back whole", async () => {
  for (const size of [1, 8191, 8192, 8193, 65_536, 1_000_003]) {
    const bytes = Buffer.alloc(size, "0123456789abc");
    await fixture.client.send(put("sized", bytes));
    assert.equal(md5(await read("sized")), md5(bytes), String(size));
  }
});

test("keys of every kind are kept and told apart", async () => {
  const keys = [
    "a/../b",
    "./x",
    "a//b",
    " lead",
    "trail ",
    "new\nline",
    "tab\t",
    "ü",
    "u\u0308",
    "😀",
    "%2F",
    "a+b",
    "a b",
    "?q=1&r",
    "#h",
    "'\"<>&",
    "*",
    "\u0001",
    "k".repeat(1024),
  ];
  for (const key of keys) await fixture.client.send(put(`odd/${key}`.slice(0, 1024), key));
  for (const key of keys) assert.equal(await read(`odd/${key}`.slice(0, 1024)), key);
  assert.equal(await refusal(fixture.client.send(put("k".repeat(1025)))), "400 KeyTooLongError");
});

test("metadata over 2 KiB and unknown storage classes are refused", async () => {
  await fixture.client.send(put("meta", "x", { Metadata: { k: "v".repeat(2047) } }));
  assert.equal(
    await refusal(fixture.client.send(put("meta", "x", { Metadata: { k: "v".repeat(2048) } }))),
    "400 MetadataTooLarge",
  );
  assert.equal(
    await refusal(fixture.client.send(put("class", "x", { StorageClass: "WARM" }))),
    "400 InvalidStorageClass",
  );
});

test("ranges give the bytes that they name, and only then", async () => {
  await fixture.client.send(put("ranged", "0123456789"));
  const range = (Range: string): Promise<string> => read("ranged", { Range });
  assert.equal(await range("bytes=2-4"), "234");
  assert.equal(await range("bytes=7-"), "789");
  assert.equal(await range("bytes=-3"), "789");
  assert.equal(await range("bytes=5-100"), "56789");
  assert.equal(await range("bytes=4-2"), "0123456789");
  assert.equal(await range("bytes=0-1,3-4"), "0123456789");
  assert.equal(await refusal(range("bytes=10-")), "416 InvalidRange");
  const { ContentRange, $metadata } = await fixture.client.send(
    new GetObjectCommand({ Bucket: "bucket", Key: "ranged", Range: "bytes=0-0" }),
  );
  assert.deepEqual([ContentRange, $metadata.httpStatusCode], ["bytes 0-0/10", 206]);
});

test("conditional reads answer 412 and 304", async () => {
  const { ETag } = await fixture.client.send(put("conditional"));
  const get = (rest: object): Promise<unknown> =>
    fixture.client.send(new GetObjectCommand({ Bucket: "bucket", Key: "conditional", ...rest }));
  await get({ IfMatch: ETag, IfUnmodifiedSince: new Date(0) });
  assert.equal(await refusal(get({ IfMatch: '"no"' })), "412 PreconditionFailed");
  assert.match(await refusal(get({ IfNoneMatch: ETag })), /^304/);
  assert.match(await refusal(get({ IfModifiedSince: new Date(nowMs) })), /^304/);
  assert.equal(await refusal(get({ IfUnmodifiedSince: new Date(nowMs - 1000) })), "412 PreconditionFailed");
});

test("of sixteen racing creators exactly one wins", async () => {
  for (const Bucket of ["bucket", "versioned"]) {
    const attempts = Array.from({ length: 16 }, (_, index) =>
      fixture.client.send(new PutObjectCommand({ Bucket, Key: "race", Body: "x".repeat(index), IfNoneMatch: "*" })),
    );
    const results = await Promise.allSettled(attempts);
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  }
});

test("conditional writes: create only, compare and swap, and what S3 does not know", async () => {
  const { client } = fixture;
  const { ETag } = await client.send(put("swap", "1", { IfNoneMatch: "*" }));
  assert.equal(await refusal(client.send(put("swap", "2", { IfNoneMatch: "*" }))), "412 PreconditionFailed");
  assert.equal(await refusal(client.send(put("swap", "2", { IfMatch: '"0"' }))), "412 PreconditionFailed");
  await client.send(put("swap", "2", { IfMatch: ETag }));
  assert.equal(await read("swap"), "2");
  assert.equal(await refusal(client.send(put("absent", "1", { IfMatch: ETag }))), "404 NoSuchKey");
  assert.equal(await refusal(client.send(put("swap", "1", { IfNoneMatch: ETag }))), "501 NotImplemented");
});

test("conditional deletes look at the current object", async () => {
  const { client } = fixture;
  const { ETag } = await client.send(put("doomed", "1"));
  const remove = (Key: string, IfMatch?: string): Promise<unknown> =>
    client.send(new DeleteObjectCommand({ Bucket: "bucket", Key, ...(IfMatch === undefined ? {} : { IfMatch }) }));
  assert.equal(await refusal(remove("doomed", '"0"')), "412 PreconditionFailed");
  assert.equal(await read("doomed"), "1");
  await remove("doomed", ETag);
  assert.equal(await refusal(remove("doomed", "*")), "404 NoSuchKey");
  await remove("doomed");
  await client.send(put("batch-1", "1"));
  await client.send(put("batch-2", "2"));
  const Objects = [{ Key: "batch-1", ETag: `"${md5("1")}"` }, { Key: "batch-2", ETag: '"0"' }, { Key: "never" }];
  const { Deleted, Errors } = await client.send(new DeleteObjectsCommand({ Bucket: "bucket", Delete: { Objects } }));
  assert.deepEqual(
    Deleted?.map(({ Key }) => Key),
    ["batch-1", "never"],
  );
  assert.deepEqual(
    Errors?.map(({ Key, Code }) => [Key, Code]),
    [["batch-2", "PreconditionFailed"]],
  );
});

test("attributes tell size, class and checksum", async () => {
  await fixture.client.send(put("attributes", "hello"));
  const result = await fixture.client.send(
    new GetObjectAttributesCommand({
      Bucket: "bucket",
      Key: "attributes",
      ObjectAttributes: ["ETag", "ObjectSize", "StorageClass", "Checksum"],
    }),
  );
  assert.deepEqual(
    [result.ETag, result.ObjectSize, result.StorageClass, result.Checksum?.ChecksumCRC32],
    [md5("hello"), 5, "STANDARD", "NhCmhg=="],
  );
});
