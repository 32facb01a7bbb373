import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  RestoreObjectCommand,
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

test("a versioned bucket keeps every version until that version is deleted", async () => {
  const { client } = fixture;
  const target = { Bucket: "versioned", Key: "v" };
  const first = await client.send(new PutObjectCommand({ ...target, Body: "1" }));
  const second = await client.send(new PutObjectCommand({ ...target, Body: "2" }));
  const marker = await client.send(new DeleteObjectCommand(target));
  assert.equal(marker.DeleteMarker, true);
  assert.equal(await refusal(client.send(new GetObjectCommand(target))), "404 NoSuchKey");
  assert.match(await refusal(client.send(new HeadObjectCommand({ ...target, VersionId: marker.VersionId }))), /^405/);
  const old = await client.send(new GetObjectCommand({ ...target, VersionId: first.VersionId }));
  assert.equal(await old.Body?.transformToString(), "1");
  const list = await client.send(new ListObjectVersionsCommand({ Bucket: "versioned", Prefix: "v" }));
  assert.deepEqual(
    list.Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest]),
    [
      [second.VersionId, false],
      [first.VersionId, false],
    ],
  );
  assert.deepEqual(
    list.DeleteMarkers?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest]),
    [[marker.VersionId, true]],
  );
  const removed = await client.send(new DeleteObjectCommand({ ...target, VersionId: marker.VersionId }));
  assert.deepEqual([removed.DeleteMarker, removed.VersionId], [true, marker.VersionId]);
  assert.equal((await client.send(new HeadObjectCommand(target))).VersionId, second.VersionId);
  await client.send(new DeleteObjectCommand({ ...target, VersionId: second.VersionId }));
  assert.equal((await client.send(new HeadObjectCommand(target))).VersionId, first.VersionId);
  assert.equal(
    await refusal(client.send(new GetObjectCommand({ ...target, VersionId: second.VersionId }))),
    "404 NoSuchVersion",
  );
  assert.equal(
    await refusal(client.send(new GetObjectCommand({ ...target, VersionId: "short" }))),
    "400 InvalidArgument",
  );
});

test("a suspended bucket replaces its null version and keeps the others", async () => {
  const { client, account } = fixture;
  account.createBucket("suspended");
  const target = { Bucket: "suspended", Key: "k" };
  const versioning = (Status: "Enabled" | "Suspended"): Promise<unknown> =>
    client.send(new PutBucketVersioningCommand({ Bucket: "suspended", VersioningConfiguration: { Status } }));
  await client.send(new PutObjectCommand({ ...target, Body: "before" }));
  await versioning("Enabled");
  const { VersionId } = await client.send(new PutObjectCommand({ ...target, Body: "enabled" }));
  await versioning("Suspended");
  const suspended = await client.send(new PutObjectCommand({ ...target, Body: "after" }));
  assert.equal(suspended.VersionId, "null");
  const list = await client.send(new ListObjectVersionsCommand({ Bucket: "suspended" }));
  assert.deepEqual(
    list.Versions?.map((version) => version.VersionId),
    ["null", VersionId],
  );
  const nulled = await client.send(new GetObjectCommand({ ...target, VersionId: "null" }));
  assert.equal(await nulled.Body?.transformToString(), "after");
});

test("copies take over or replace what they are told to, and share no fate with their source", async () => {
  const { client } = fixture;
  await client.send(put("source", "body", { Metadata: { a: "1" }, Tagging: "t=1", ContentType: "text/a" }));
  const copied = await client.send(
    new CopyObjectCommand({ Bucket: "bucket", Key: "copy", CopySource: "bucket/source" }),
  );
  assert.equal(copied.CopyObjectResult?.ETag, `"${md5("body")}"`);
  const CopySource = "bucket/source";
  await client.send(
    new CopyObjectCommand({
      Bucket: "bucket",
      Key: "replaced",
      CopySource,
      MetadataDirective: "REPLACE",
      Metadata: { b: "2" },
      TaggingDirective: "REPLACE",
    }),
  );
  await client.send(new DeleteObjectCommand({ Bucket: "bucket", Key: "source" }));
  assert.equal(await read("copy"), "body");
  const head = await client.send(new HeadObjectCommand({ Bucket: "bucket", Key: "copy" }));
  assert.deepEqual([head.Metadata, head.ContentType], [{ a: "1" }, "text/a"]);
  const replaced = await client.send(new HeadObjectCommand({ Bucket: "bucket", Key: "replaced" }));
  assert.deepEqual(replaced.Metadata, { b: "2" });
  const tags = async (Key: string): Promise<unknown> =>
    (await client.send(new GetObjectTaggingCommand({ Bucket: "bucket", Key }))).TagSet;
  assert.deepEqual(await tags("copy"), [{ Key: "t", Value: "1" }]);
  assert.deepEqual(await tags("replaced"), []);
  assert.equal(
    await refusal(client.send(new CopyObjectCommand({ Bucket: "bucket", Key: "copy", CopySource: "bucket/copy" }))),
    "400 InvalidRequest",
  );
  assert.equal(
    await refusal(client.send(new CopyObjectCommand({ Bucket: "bucket", Key: "copy", CopySource: "bucket/source" }))),
    "404 NoSuchKey",
  );
});

test("an object under a customer's key can be read with that key only", async () => {
  const { client } = fixture;
  const key = (letter: string): object => ({
    SSECustomerAlgorithm: "AES256",
    SSECustomerKey: Buffer.alloc(32, letter),
  });
  const { ETag } = await client.send(put("sse-c", "secret", key("a")));
  assert.notEqual(ETag, `"${md5("secret")}"`);
  assert.equal(await read("sse-c", key("a")), "secret");
  assert.equal(await refusal(read("sse-c")), "400 InvalidRequest");
  assert.equal(await refusal(read("sse-c", key("b"))), "403 AccessDenied");
  assert.match(await refusal(client.send(new HeadObjectCommand({ Bucket: "bucket", Key: "sse-c" }))), /^400/);
  assert.equal(
    await refusal(client.send(new CopyObjectCommand({ Bucket: "bucket", Key: "c", CopySource: "bucket/sse-c" }))),
    "400 InvalidRequest",
  );
});

test("archived objects are read after they were restored, and until that ends", async () => {
  const { client } = fixture;
  await client.send(put("cold", "ice", { StorageClass: "DEEP_ARCHIVE" }));
  await client.send(put("instant", "ice", { StorageClass: "GLACIER_IR" }));
  assert.equal(await read("instant"), "ice");
  assert.equal(await refusal(read("cold")), "403 InvalidObjectState");
  const restore = new RestoreObjectCommand({ Bucket: "bucket", Key: "cold", RestoreRequest: { Days: 2 } });
  assert.equal((await client.send(restore)).$metadata.httpStatusCode, 202);
  assert.equal(await read("cold"), "ice");
  assert.match(
    (await client.send(new HeadObjectCommand({ Bucket: "bucket", Key: "cold" }))).Restore ?? "",
    /ongoing-request="false"/,
  );
  assert.equal((await client.send(restore)).$metadata.httpStatusCode, 200);
  nowMs += 2 * 86_400_000;
  assert.equal(await read("cold"), "ice"); // to the midnight after
  nowMs += 86_400_000;
  assert.equal(await refusal(read("cold")), "403 InvalidObjectState");
});

test("an object that is being restored can't be read yet, nor asked for again", async () => {
  await using slow = await startTestServer({
    clock: () => nowMs,
    signingClock: Date.now,
    restoreTakesMs: 3_600_000,
  });
  slow.account.createBucket("bucket");
  const at = { Bucket: "bucket", Key: "cold" };
  const restored = async (): Promise<string | undefined> => (await slow.client.send(new HeadObjectCommand(at))).Restore;
  const restore = new RestoreObjectCommand({ ...at, RestoreRequest: { Days: 1 } });
  await slow.client.send(put("cold", "ice", { StorageClass: "GLACIER" }));
  assert.equal(await restored(), undefined);
  assert.equal((await slow.client.send(restore)).$metadata.httpStatusCode, 202);
  assert.equal(await restored(), `ongoing-request="true"`);
  assert.equal(await refusal(slow.client.send(restore)), "409 RestoreAlreadyInProgress");
  assert.equal(await refusal(slow.client.send(new GetObjectCommand(at))), "403 InvalidObjectState");
  nowMs += 3_600_000;
  assert.match((await restored()) ?? "", /^ongoing-request="false", expiry-date=".* 00:00:00 GMT"$/);
  await slow.client.send(new GetObjectCommand(at));
});
