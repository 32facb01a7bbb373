import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { after, afterEach, before, test } from "node:test";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import type { FaultKind, ObservedRequest, OperationName } from "./server.ts";
import { refusal, startTestServer, type TestServer } from "./testing.ts";

let fixture: TestServer;

before(async () => {
  fixture = await startTestServer();
  fixture.account.createBucket("bucket");
  await fixture.client.send(new PutObjectCommand({ Bucket: "bucket", Key: "there", Body: "0123456789" }));
});
afterEach(() => fixture.server.faults.clear());
after(() => fixture[Symbol.asyncDispose]());

const put = (Key: string): Promise<unknown> =>
  fixture.client.send(new PutObjectCommand({ Bucket: "bucket", Key, Body: "x".repeat(100_000) }));
const get = async (Key = "there"): Promise<string> => {
  const { Body } = await fixture.client.send(new GetObjectCommand({ Bucket: "bucket", Key }));
  return (await Body?.transformToString()) ?? "";
};
const exists = async (Key: string): Promise<boolean> => {
  try {
    await fixture.client.send(new HeadObjectCommand({ Bucket: "bucket", Key }));
    return true;
  } catch (error) {
    assert.equal(Reflect.get(error as object, "name"), "NotFound");
    return false;
  }
};

function once(operation: OperationName, fault: FaultKind): void {
  fixture.server.faults.add({ operation, times: 1, fault });
}

test("an error before the effect prevents it, one after it hides it", async () => {
  once("PutObject", { kind: "error", when: "before", status: 503, code: "SlowDown" });
  assert.equal(await refusal(put("before")), "503 SlowDown");
  assert.equal(await exists("before"), false);
  once("PutObject", { kind: "error", when: "after", status: 500, code: "InternalError", retryAfterSeconds: 7 });
  await assert.rejects(
    put("after"),
    (error: { $response?: { statusCode: number; headers: Record<string, string> } }) => {
      assert.deepEqual([error.$response?.statusCode, error.$response?.headers["retry-after"]], [500, "7"]);
      return true;
    },
  );
  assert.equal(await exists("after"), true);
});

test("a reset before the effect, after it, and within the request's body", async () => {
  once("PutObject", { kind: "reset", when: "before" });
  await assert.rejects(put("reset-before"));
  assert.equal(await exists("reset-before"), false);
  once("PutObject", { kind: "reset", when: "after" });
  await assert.rejects(put("reset-after"));
  assert.equal(await exists("reset-after"), true);
  once("PutObject", { kind: "reset-request", atByte: 1000 });
  await assert.rejects(put("reset-within"));
  assert.equal(await exists("reset-within"), false);
});

test("rules match operation, bucket, key and principal, from the nth time on and so many times", async () => {
  const { faults } = fixture.server;
  const fault = faults.add({
    operation: ["PutObject", "GetObject"],
    bucket: /^buck/,
    key: "counted",
    principal: /:root$/,
    nth: 2,
    times: 2,
    fault: { kind: "error", when: "before", status: 500, code: "InternalError" },
  });
  await put("counted");
  await put("other");
  assert.equal(await refusal(put("counted")), "500 InternalError");
  assert.equal(await refusal(get("counted")), "500 InternalError");
  await put("counted");
  assert.equal(fault.fired, 2);
  faults.add({ key: "removed", fault: { kind: "error", when: "before", status: 500, code: "X" } }).remove();
  await put("removed");
});

test("a response's body can be cut, reset and altered", async () => {
  once("GetObject", { kind: "truncate", atByte: 4 });
  await assert.rejects(get());
  once("GetObject", { kind: "reset-response", atByte: 4 });
  await assert.rejects(get());
  const client = fixture.clientOf(fixture.account.owner, { responseChecksumValidation: "WHEN_REQUIRED" });
  once("GetObject", { kind: "flip", atByte: 3 });
  const { Body } = await client.send(new GetObjectCommand({ Bucket: "bucket", Key: "there" }));
  const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
  assert.deepEqual(bytes, Buffer.concat([Buffer.from("012"), Buffer.from([0x33 ^ 0xff]), Buffer.from("456789")]));
  once("GetObject", { kind: "flip", atByte: 3 });
  await assert.rejects(get(), /Checksum mismatch/);
  assert.equal(await get(), "0123456789");
});

test("headers can lie", async () => {
  once("GetObject", { kind: "headers", headers: { "x-amz-checksum-crc32": "AAAAAA==" } });
  await assert.rejects(get(), /Checksum mismatch/);
  once("HeadObject", { kind: "headers", headers: { etag: null, "content-length": "99" } });
  const head = await fixture.client.send(new HeadObjectCommand({ Bucket: "bucket", Key: "there" }));
  assert.deepEqual([head.ETag, head.ContentLength], [undefined, 99]);
});

test("a response can be replaced, endlessly if need be", async () => {
  const body = `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></ListBucketResult>`;
  fixture.server.faults.add({
    operation: "ListObjectsV2",
    fault: { kind: "replace", when: "before", status: 200, body },
  });
  const page = await fixture.client.send(new ListObjectsV2Command({ Bucket: "bucket" }));
  assert.deepEqual([page.IsTruncated, page.NextContinuationToken], [true, "same"]);
  async function* endless(): AsyncGenerator<Uint8Array, void> {
    for (;;) yield await Promise.resolve(Buffer.alloc(65_536, "x"));
  }
  once("GetObject", { kind: "replace", when: "before", status: 200, body: () => endless() });
  const { Body } = await fixture.client.send(new GetObjectCommand({ Bucket: "bucket", Key: "there" }));
  let read = 0;
  // The SDK's body in Node is a readable stream.
  for await (const chunk of Body as AsyncIterable<Uint8Array>) {
    read += chunk.length;
    if (read > 1_000_000) break;
  }
  assert.ok(read > 1_000_000);
});

test("a request that hangs ends when its client gives up, before or after the effect", async () => {
  for (const when of ["before", "after"] as const) {
    const fault = fixture.server.faults.add({ operation: "PutObject", times: 1, fault: { kind: "hang", when } });
    const firing = fault.nextFiring();
    const controller = new AbortController();
    const putting = fixture.client.send(new PutObjectCommand({ Bucket: "bucket", Key: `hang-${when}`, Body: "x" }), {
      abortSignal: controller.signal,
    });
    const ended = nextRequest("PutObject");
    assert.equal((await firing).key, `hang-${when}`);
    controller.abort();
    await assert.rejects(putting);
    assert.equal((await ended).status, 0);
    assert.equal(await exists(`hang-${when}`), when === "after");
  }
});

test("hooks run at exactly the moment before and after the effect", async () => {
  const seen: (string | boolean)[] = [];
  const watch = (when: "before" | "after"): void =>
    once("PutObject", { kind: "hook", when, run: async ({ key = "" }) => void seen.push(when, await exists(key)) });
  watch("before");
  watch("after");
  await put("hooked");
  assert.deepEqual(seen, ["before", false, "after", true]);
});

test("a delete that succeeds while a conditional write is under way is a conflict to it", async () => {
  const { client } = fixture;
  const target = { Bucket: "bucket", Key: "conflict" };
  once("PutObject", {
    kind: "hook",
    when: "before",
    run: async () => {
      await put("conflict");
      await client.send(new DeleteObjectCommand(target));
    },
  });
  const conditional = new PutObjectCommand({ ...target, Body: "x", IfNoneMatch: "*" });
  assert.equal(await refusal(client.send(conditional)), "409 ConditionalRequestConflict");
  assert.equal(await exists("conflict"), false);
  await client.send(conditional);
});

test("a client that goes away within its body leaves nothing behind", async () => {
  const controller = new AbortController();
  const ended = nextRequest("PutObject");
  async function* half(): AsyncGenerator<Buffer, void> {
    yield Buffer.alloc(2_000_000, "x");
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
  }
  const body = Readable.from(half());
  const sending = fixture.client.send(
    new PutObjectCommand({ Bucket: "bucket", Key: "half", Body: body, ContentLength: 4_000_000 }),
    {
      abortSignal: controller.signal,
    },
  );
  await assert.rejects(sending);
  assert.equal((await ended).status, 0);
  assert.equal(await exists("half"), false);
});

test("a delay delays", async () => {
  once("GetObject", { kind: "delay", when: "before", ms: 60 });
  const began = performance.now();
  await get();
  assert.ok(performance.now() - began >= 59);
});

function nextRequest(operation: OperationName): Promise<ObservedRequest> {
  return new Promise((resolve) => {
    const stop = fixture.server.onRequest((request) => {
      if (request.operation !== operation) return;
      stop();
      resolve(request);
    });
  });
}

test("observers are told of each request, refused ones too", async () => {
  const putting = nextRequest("PutObject");
  await put("observed");
  const { accessKeyId: _, ...told } = { accessKeyId: "", ...(await putting) };
  assert.deepEqual(
    [told.bucket, told.key, told.status, told.code, told.requestBytes, told.principal],
    ["bucket", "observed", 200, undefined, 100_000, `arn:aws:iam::${fixture.account.id}:root`],
  );
  const getting = nextRequest("GetObject");
  await get();
  assert.equal((await getting).responseBytes, 10);
  const missing = nextRequest("GetObject");
  await assert.rejects(get("missing"));
  const { status, code } = await missing;
  assert.deepEqual([status, code], [404, "NoSuchKey"]);
});

test("an outage keeps what was stored, at the same port", async () => {
  await put("lasting");
  await fixture.server.goDown();
  await assert.rejects(get(), /ECONNREFUSED|ECONNRESET|socket hang up/);
  await fixture.server.comeUp();
  // The first client's pool may hold more connections that the outage cut.
  const client = fixture.clientOf(fixture.account.owner);
  await client.send(new HeadObjectCommand({ Bucket: "bucket", Key: "lasting" }));
});
