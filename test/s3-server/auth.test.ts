import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { GetObjectCommand, HeadBucketCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import {
  refusal,
  sendRaw,
  sha256,
  signRequest,
  startTestServer,
  type RawResponse,
  type TestServer,
} from "./testing.ts";

let nowMs = Date.UTC(2026, 10, 21, 12);
let fixture: TestServer;

before(async () => {
  fixture = await startTestServer({ clock: () => nowMs });
  fixture.account.createBucket("bucket");
});
after(() => fixture[Symbol.asyncDispose]());

async function put(
  payloadHash: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<RawResponse> {
  const { server, account } = fixture;
  const bytes = Buffer.from(body);
  const request = {
    method: "PUT",
    path: "/bucket/key",
    headers: { "content-length": String(bytes.length), ...headers },
  };
  const signed = signRequest(server, account.owner, request, payloadHash, nowMs);
  return sendRaw(server.endpoint, { ...request, headers: signed.headers, body: bytes });
}

function codeIn({ status, body }: RawResponse): string {
  return `${status} ${/<Code>(.*?)<\/Code>/.exec(body)?.[1] ?? ""}`.trim();
}

async function stored(): Promise<string | undefined> {
  const { server, account } = fixture;
  const request = { method: "GET", path: "/bucket/key" };
  const signed = signRequest(server, account.owner, request, sha256(""), nowMs);
  return (await sendRaw(server.endpoint, { ...request, headers: signed.headers })).body;
}

test("a wrong secret, an unknown key and no signature at all are refused", async () => {
  const { account, clientOf, server } = fixture;
  const list = new ListObjectsV2Command({ Bucket: "bucket" });
  const systemClockOffset = nowMs - Date.now();
  const wrongSecret = clientOf({ ...account.owner, secretAccessKey: "wrong" }, { systemClockOffset });
  const wrongId = clientOf({ ...account.owner, accessKeyId: "AKIAUNKNOWN" }, { systemClockOffset });
  assert.equal(await refusal(wrongSecret.send(list)), "403 SignatureDoesNotMatch");
  assert.equal(await refusal(wrongId.send(list)), "403 InvalidAccessKeyId");
  assert.equal(codeIn(await sendRaw(server.endpoint, { method: "GET", path: "/bucket" })), "403 AccessDenied");
  assert.equal(
    codeIn(await sendRaw(server.endpoint, { method: "GET", path: "/bucket", headers: { authorization: "Basic abc" } })),
    "400 InvalidRequest",
  );
});

test("a clock that is 15 minutes off is told so, and 14 minutes are accepted", async () => {
  const { account, clientOf } = fixture;
  const at = (minutes: number): Promise<unknown> =>
    clientOf(account.owner, { systemClockOffset: nowMs - Date.now() + minutes * 60_000 }).send(
      new ListObjectsV2Command({ Bucket: "bucket" }),
    );
  await at(14);
  await at(-14);
  assert.equal(await refusal(at(16)), "403 RequestTimeTooSkewed");
  assert.equal(await refusal(at(-16)), "403 RequestTimeTooSkewed");
});

test("another region in the signature is answered with the right one, a bucket elsewhere with a redirect", async () => {
  const { account, clientOf } = fixture;
  account.createBucket("elsewhere", { region: "us-west-2" });
  const systemClockOffset = nowMs - Date.now();
  const wrong = clientOf(account.owner, { region: "us-west-2", systemClockOffset });
  await assert.rejects(wrong.send(new ListObjectsV2Command({ Bucket: "bucket" })), {
    name: "AuthorizationHeaderMalformed",
    Region: "eu-central-1",
  });
  const right = clientOf(account.owner, { systemClockOffset });
  await assert.rejects(
    right.send(new HeadBucketCommand({ Bucket: "elsewhere" })),
    (error: { $metadata?: { httpStatusCode?: number }; $response?: { headers: Record<string, string> } }) => {
      assert.equal(error.$metadata?.httpStatusCode, 301);
      assert.equal(error.$response?.headers["x-amz-bucket-region"], "us-west-2");
      return true;
    },
  );
});

test("a body that differs from its signed hash is refused and not stored", async () => {
  assert.equal(codeIn(await put(sha256("first"), "first")), "200");
  assert.equal(codeIn(await put(sha256("other"), "wrong")), "400 XAmzContentSHA256Mismatch");
  assert.equal(await stored(), "first");
  assert.equal(codeIn(await put("UNSIGNED-PAYLOAD", "unsigned")), "200");
  assert.equal(await stored(), "unsigned");
  assert.equal(codeIn(await put("nonsense", "x")), "400 InvalidArgument");
});

test("every x-amz header must be signed", async () => {
  const { server, account } = fixture;
  const request = { method: "PUT", path: "/bucket/key", headers: { "content-length": "0" } };
  const signed = signRequest(server, account.owner, request, "UNSIGNED-PAYLOAD", nowMs);
  const sneaked = { ...signed.headers, "x-amz-acl": "public-read" };
  assert.equal(codeIn(await sendRaw(server.endpoint, { ...request, headers: sneaked })), "403 AccessDenied");
});

test("chunks without signatures are decoded, their trailing checksum is verified", async () => {
  const body = (checksum: string): Buffer => Buffer.from(`5\r\nhello\r\n0\r\nx-amz-checksum-crc32:${checksum}\r\n\r\n`);
  const headers = {
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": "5",
    "x-amz-trailer": "x-amz-checksum-crc32",
  };
  assert.equal(codeIn(await put("STREAMING-UNSIGNED-PAYLOAD-TRAILER", body("NhCmhg=="), headers)), "200");
  assert.equal(await stored(), "hello");
  assert.equal(codeIn(await put("STREAMING-UNSIGNED-PAYLOAD-TRAILER", body("NhCmhQ=="), headers)), "400 BadDigest");
  assert.equal(
    codeIn(
      await put("STREAMING-UNSIGNED-PAYLOAD-TRAILER", body("NhCmhg=="), {
        ...headers,
        "x-amz-decoded-content-length": "6",
      }),
    ),
    "400 IncompleteBody",
  );
  assert.equal(
    codeIn(await put("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "5\r\nhello\r\n0\r\n\r\n", headers)),
    "400 MalformedTrailerError",
  );
});

test("signed chunks with a signed trailer are verified to their last byte", async () => {
  const { server, account } = fixture;
  const payloadHash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
  const data = "x".repeat(9000);
  const send = async (tamper: (body: string) => string): Promise<RawResponse> => {
    const headers = {
      "content-encoding": "aws-chunked",
      "x-amz-decoded-content-length": "9000",
      "x-amz-trailer": "x-amz-checksum-sha256",
    };
    const request = { method: "PUT", path: "/bucket/key", headers };
    const signed = signRequest(server, account.owner, request, payloadHash, nowMs);
    const chunk = (previous: string, bytes: string): string =>
      signed.sign(`AWS4-HMAC-SHA256-PAYLOAD\n${signed.scopeLines}\n${previous}\n${sha256("")}\n${sha256(bytes)}`);
    const first = chunk(signed.signature, data);
    const last = chunk(first, "");
    const trailer = `x-amz-checksum-sha256:${Buffer.from(sha256(data), "hex").toString("base64")}`;
    const trailerSignature = signed.sign(
      `AWS4-HMAC-SHA256-TRAILER\n${signed.scopeLines}\n${last}\n${sha256(`${trailer}\n`)}`,
    );
    const body = tamper(
      `${data.length.toString(16)};chunk-signature=${first}\r\n${data}\r\n0;chunk-signature=${last}\r\n${trailer}\r\nx-amz-trailer-signature:${trailerSignature}\r\n\r\n`,
    );
    return sendRaw(server.endpoint, {
      ...request,
      headers: { ...signed.headers, "content-length": String(body.length) },
      body: Buffer.from(body),
    });
  };
  assert.equal(codeIn(await send((body) => body)), "200");
  assert.equal(await stored(), data);
  assert.equal(codeIn(await send((body) => body.replace("xxx", "xyx"))), "403 SignatureDoesNotMatch");
  assert.equal(
    codeIn(await send((body) => body.replace(/trailer-signature:./, "trailer-signature:!"))),
    "403 SignatureDoesNotMatch",
  );
});

test("a body without a length, and one cut short, are refused", async () => {
  const { server, account } = fixture;
  const request = { method: "PUT", path: "/bucket/key", headers: { "transfer-encoding": "chunked" } };
  const signed = signRequest(server, account.owner, request, "UNSIGNED-PAYLOAD", nowMs);
  assert.equal(
    codeIn(await sendRaw(server.endpoint, { ...request, headers: signed.headers, body: Buffer.from("x") })),
    "501 NotImplemented",
  );
});

test("a presigned URL reads without headers until it expires", async () => {
  const { server, account } = fixture;
  await put(sha256("presigned"), "presigned");
  const timestamp = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
  const scope = `${timestamp.slice(0, 8)}/${server.region}/s3/aws4_request`;
  const query = `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(`${account.owner.accessKeyId}/${scope}`)}&X-Amz-Date=${timestamp}&X-Amz-Expires=60&X-Amz-SignedHeaders=host`;
  const { host } = new URL(server.endpoint);
  const canonical = `GET\n/bucket/key\n${query}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`;
  const { sign } = signRequest(server, account.owner, { method: "GET", path: "/" }, "", nowMs);
  const signature = sign(`AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(canonical)}`);
  const path = `/bucket/key?${query}&X-Amz-Signature=${signature}`;
  assert.equal((await sendRaw(server.endpoint, { method: "GET", path })).body, "presigned");
  assert.equal(
    codeIn(await sendRaw(server.endpoint, { method: "GET", path: path.replace("/key", "/kez") })),
    "403 SignatureDoesNotMatch",
  );
  nowMs += 61_000;
  assert.equal(codeIn(await sendRaw(server.endpoint, { method: "GET", path })), "403 AccessDenied");
  nowMs -= 61_000;
});

test("the SDK's own streams with trailers arrive whole", async () => {
  const { account, clientOf } = fixture;
  const client = clientOf(account.owner, { systemClockOffset: nowMs - Date.now() });
  const { Readable } = await import("node:stream");
  const bytes = Buffer.alloc(300_000, "abc");
  await client.send(
    new PutObjectCommand({
      Bucket: "bucket",
      Key: "stream",
      Body: Readable.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]),
      ContentLength: bytes.length,
      ContentEncoding: "gzip",
    }),
  );
  const got = await client.send(new GetObjectCommand({ Bucket: "bucket", Key: "stream" }));
  assert.equal(got.ContentEncoding, "gzip");
  assert.deepEqual(Buffer.from((await got.Body?.transformToByteArray()) ?? []), bytes);
});
