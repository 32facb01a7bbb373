import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createChunkDecoder } from "./chunked.ts";
import { readClaim } from "./claim.ts";
import { parseRequest } from "./request.ts";
import { checkTime, verifySignature } from "./sigv4.ts";

// The worked examples of the S3 API reference, "Signature calculations for the Authorization header" (single chunk and
// multiple chunks) and "Using query parameters".
const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const authorization = (signedHeaders: string, signature: string): string =>
  `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signedHeaders},Signature=${signature}`;

interface Example {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly payloadHash: string;
}

const examples: readonly Example[] = [
  {
    name: "GET object",
    method: "GET",
    url: "/test.txt",
    headers: [
      "Host",
      "examplebucket.s3.amazonaws.com",
      "Range",
      "bytes=0-9",
      "x-amz-content-sha256",
      emptyHash,
      "x-amz-date",
      "20130524T000000Z",
      "Authorization",
      authorization(
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
      ),
    ],
    payloadHash: emptyHash,
  },
  {
    name: "PUT object",
    method: "PUT",
    url: "/test%24file.text",
    headers: [
      "Host",
      "examplebucket.s3.amazonaws.com",
      "Date",
      "Fri, 24 May 2013 00:00:00 GMT",
      "x-amz-date",
      "20130524T000000Z",
      "x-amz-storage-class",
      "REDUCED_REDUNDANCY",
      "x-amz-content-sha256",
      "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
      "Authorization",
      authorization(
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
      ),
    ],
    payloadHash: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
  },
  {
    name: "GET bucket lifecycle",
    method: "GET",
    url: "/?lifecycle",
    headers: [
      "Host",
      "examplebucket.s3.amazonaws.com",
      "x-amz-date",
      "20130524T000000Z",
      "x-amz-content-sha256",
      emptyHash,
      "Authorization",
      authorization(
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
      ),
    ],
    payloadHash: emptyHash,
  },
  {
    name: "list objects",
    method: "GET",
    url: "/?max-keys=2&prefix=J",
    headers: [
      "Host",
      "examplebucket.s3.amazonaws.com",
      "x-amz-date",
      "20130524T000000Z",
      "x-amz-content-sha256",
      emptyHash,
      "Authorization",
      authorization(
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
      ),
    ],
    payloadHash: emptyHash,
  },
  {
    name: "presigned GET",
    method: "GET",
    url: "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    headers: ["Host", "examplebucket.s3.amazonaws.com"],
    payloadHash: "UNSIGNED-PAYLOAD",
  },
];

for (const { name, method, url, headers, payloadHash } of examples) {
  test(`the documentation's signature of ${name} is accepted, and refused when a bit of the request differs`, () => {
    const request = parseRequest(method, url, headers);
    const claim = readClaim(request);
    assert.ok(claim);
    verifySignature(request, claim, secret, payloadHash);
    const other = parseRequest(method, url.replace("/", "/x"), headers);
    assert.throws(() => verifySignature(other, claim, secret, payloadHash), { code: "SignatureDoesNotMatch" });
    assert.throws(() => verifySignature(request, claim, `${secret}x`, payloadHash), { code: "SignatureDoesNotMatch" });
  });
}

test("a presigned request lives for exactly its seconds", () => {
  const example = examples.at(-1);
  assert.ok(example);
  const claim = readClaim(parseRequest(example.method, example.url, example.headers));
  assert.ok(claim);
  const begin = Date.UTC(2013, 4, 24);
  checkTime(claim, begin + 86_400_000);
  assert.throws(() => checkTime(claim, begin + 86_400_001), /expired/);
  assert.throws(() => checkTime(claim, begin - 15 * 60_000 - 1), /not yet valid/);
});

const chunkedHeaders = [
  "Host",
  "s3.amazonaws.com",
  "x-amz-date",
  "20130524T000000Z",
  "x-amz-storage-class",
  "REDUCED_REDUNDANCY",
  "x-amz-content-sha256",
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
  "Content-Encoding",
  "aws-chunked",
  "x-amz-decoded-content-length",
  "66560",
  "Content-Length",
  "66824",
  "Authorization",
  authorization(
    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
  ),
];
const chunkSignatures = [
  "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
  "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
  "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];
const chunkedBody = Buffer.concat([
  Buffer.from(`10000;chunk-signature=${chunkSignatures[0]}\r\n${"a".repeat(65_536)}\r\n`),
  Buffer.from(`400;chunk-signature=${chunkSignatures[1]}\r\n${"a".repeat(1024)}\r\n`),
  Buffer.from(`0;chunk-signature=${chunkSignatures[2]}\r\n\r\n`),
]);

function decode(body: Buffer, stepBytes: number): string {
  const request = parseRequest("PUT", "/examplebucket/chunkObject.txt", chunkedHeaders);
  const claim = readClaim(request);
  assert.ok(claim);
  const signer = verifySignature(request, claim, secret, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
  const decoder = createChunkDecoder({ signer, hasTrailer: false });
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for (let at = 0; at < body.length; at += stepBytes) {
    decoder.write(body.subarray(at, at + stepBytes), (data) => {
      hash.update(data);
      sizeBytes += data.length;
    });
  }
  decoder.finish();
  return `${sizeBytes} ${hash.digest("hex")}`;
}

test("the documentation's chunked body is decoded, however it is cut into packets", () => {
  const expected = `66560 ${createHash("sha256").update("a".repeat(66_560)).digest("hex")}`;
  for (const stepBytes of [1, 7, 1000, 65_536, 1_000_000]) assert.equal(decode(chunkedBody, stepBytes), expected);
});

test("a chunked body with an altered byte, a missing chunk or a missing end is refused", () => {
  const altered = Buffer.from(chunkedBody);
  altered[1000] = 98;
  assert.throws(() => decode(altered, 4096), { code: "SignatureDoesNotMatch" });
  const second = chunkedBody.indexOf("400;");
  const last = chunkedBody.indexOf("0;chunk-signature=b6");
  const without = Buffer.concat([chunkedBody.subarray(0, second), chunkedBody.subarray(last)]);
  assert.throws(() => decode(without, 4096), { code: "SignatureDoesNotMatch" });
  assert.throws(() => decode(chunkedBody.subarray(0, last), 4096), { code: "IncompleteBody" });
});
