import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, type ChecksumAlgorithm } from "@aws-sdk/client-s3";
import fc from "fast-check";
import { checksumNames, completeChecksum, createChecksum, type ChecksumName } from "./checksums.ts";
import { refusal, startTestServer, type TestServer } from "./testing.ts";

let fixture: TestServer;

before(async () => {
  fixture = await startTestServer();
  fixture.account.createBucket("bucket");
});
after(() => fixture[Symbol.asyncDispose]());

function sum(name: ChecksumName, ...chunks: Uint8Array[]): string {
  const running = createChecksum(name);
  for (const chunk of chunks) running.update(chunk);
  return running.digest().toString("base64");
}

test("CRCs give their catalogue's check values", () => {
  // The CRC RevEng catalogue's check values: of the nine bytes "123456789".
  const check = (name: ChecksumName): string =>
    Buffer.from(sum(name, Buffer.from("123456789")), "base64").toString("hex");
  assert.equal(check("CRC32"), "cbf43926");
  assert.equal(check("CRC32C"), "e3069283");
  assert.equal(check("CRC64NVME"), "ae8b14860a799888");
});

test("checksums do not depend on how the bytes are cut, and those of parts combine to that of the whole", () => {
  const names = fc.constantFrom<ChecksumName>("CRC32", "CRC32C", "CRC64NVME");
  fc.assert(
    fc.property(names, fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 6 }), (name, parts) => {
      const whole = sum(name, Buffer.concat(parts));
      const pieces = parts.map((part) => ({ value: sum(name, part), sizeBytes: part.length }));
      return sum(name, ...parts) === whole && completeChecksum(name, "FULL_OBJECT", pieces).value === whole;
    }),
  );
});

test("a composite checksum is that of the parts' checksums, with their number", () => {
  const parts = [Buffer.from("a"), Buffer.from("b")];
  const digest = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
  const expected = `${digest(Buffer.concat(parts.map(digest))).toString("base64")}-2`;
  const pieces = parts.map((part) => ({ value: sum("SHA256", part), sizeBytes: 1 }));
  assert.equal(completeChecksum("SHA256", "COMPOSITE", pieces).value, expected);
});

for (const name of checksumNames.filter((candidate) => candidate !== "MD5")) {
  test(`${name} is verified, kept and given back`, async () => {
    const Body = randomBytes(20_000);
    const value = sum(name, Body);
    const field = `Checksum${name}`;
    const put = (checksum: string): Promise<unknown> =>
      fixture.client.send(new PutObjectCommand({ Bucket: "bucket", Key: name, Body, [field]: checksum }));
    await put(value);
    const target = { Bucket: "bucket", Key: name };
    const head = await fixture.client.send(new HeadObjectCommand({ ...target, ChecksumMode: "ENABLED" }));
    assert.deepEqual([Reflect.get(head, field), head.ChecksumType], [value, "FULL_OBJECT"]);
    assert.equal(Reflect.get(await fixture.client.send(new HeadObjectCommand(target)), field), undefined);
    assert.equal(await refusal(put(sum(name, Buffer.from("other")))), "400 BadDigest");
    assert.equal(await refusal(put("bm8=")), "400 InvalidRequest");
  });
}

test("the SDK's algorithms agree with the server's", async () => {
  for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] satisfies ChecksumAlgorithm[]) {
    await fixture.client.send(
      new PutObjectCommand({ Bucket: "bucket", Key: "sdk", Body: randomBytes(10_001), ChecksumAlgorithm }),
    );
    const { Body } = await fixture.client.send(
      new GetObjectCommand({ Bucket: "bucket", Key: "sdk", ChecksumMode: "ENABLED" }),
    );
    assert.equal((await Body?.transformToByteArray())?.length, 10_001);
  }
});

test("an object without a declared checksum gets CRC64NVME", async () => {
  const client = fixture.clientOf(fixture.account.owner, { requestChecksumCalculation: "WHEN_REQUIRED" });
  const put = await client.send(new PutObjectCommand({ Bucket: "bucket", Key: "default", Body: "123456789" }));
  assert.equal(put.ChecksumCRC64NVME, Buffer.from("ae8b14860a799888", "hex").toString("base64"));
});

test("Content-MD5 is verified", async () => {
  const client = fixture.clientOf(fixture.account.owner, { requestChecksumCalculation: "WHEN_REQUIRED" });
  const put = (ContentMD5: string): Promise<unknown> =>
    client.send(new PutObjectCommand({ Bucket: "bucket", Key: "md5", Body: "x", ContentMD5 }));
  await put(createHash("md5").update("x").digest("base64"));
  assert.equal(await refusal(put(createHash("md5").update("y").digest("base64"))), "400 BadDigest");
  assert.equal(await refusal(put("short")), "400 InvalidDigest");
});

test("a checksum that can't be computed is refused, not ignored", async () => {
  const put = new PutObjectCommand({ Bucket: "bucket", Key: "xx", Body: "x", ChecksumXXHASH64: "AAAAAAAAAAA=" });
  assert.equal(await refusal(fixture.client.send(put)), "501 NotImplemented");
});
