import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type CompleteMultipartUploadCommandInput,
  type CreateMultipartUploadCommandInput,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { createChecksum } from "./checksums.ts";
import { refusal, startTestServer, type TestServer } from "./testing.ts";

const mib = 1024 * 1024;
let nowMs = Date.now();
let fixture: TestServer;
const md5 = (bytes: Buffer): Buffer => createHash("md5").update(bytes).digest();
const partBytes = (letter: string, size = 5 * mib): Buffer => Buffer.alloc(size, letter);

before(async () => {
  fixture = await startTestServer({ clock: () => nowMs, signingClock: Date.now });
  fixture.account.createBucket("bucket");
});
after(() => fixture[Symbol.asyncDispose]());

interface Begun {
  readonly target: { readonly Bucket: string; readonly Key: string; readonly UploadId: string };
  part(PartNumber: number, Body: Buffer): Promise<CompletedPart>;
  complete(
    parts: CompletedPart[],
    rest?: Partial<CompleteMultipartUploadCommandInput>,
  ): Promise<{ ETag?: string | undefined; ChecksumType?: string | undefined }>;
}

async function begin(Key: string, rest: Partial<CreateMultipartUploadCommandInput> = {}): Promise<Begun> {
  const { client } = fixture;
  const { UploadId = "" } = await client.send(new CreateMultipartUploadCommand({ Bucket: "bucket", Key, ...rest }));
  const target = { Bucket: "bucket", Key, UploadId };
  const { ChecksumAlgorithm } = rest;
  return {
    target,
    part: async (PartNumber, Body) => {
      const { ETag, ChecksumCRC32, ChecksumSHA256 } = await client.send(
        new UploadPartCommand({
          ...target,
          PartNumber,
          Body,
          ...(ChecksumAlgorithm === undefined ? {} : { ChecksumAlgorithm }),
        }),
      );
      return { PartNumber, ETag, ChecksumCRC32, ChecksumSHA256 };
    },
    complete: (Parts, more = {}) =>
      client.send(new CompleteMultipartUploadCommand({ ...target, MultipartUpload: { Parts }, ...more })),
  };
}

async function read(Key: string, rest: object = {}): Promise<Buffer> {
  const { Body } = await fixture.client.send(new GetObjectCommand({ Bucket: "bucket", Key, ...rest }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

test("parts become one object: bytes, ETag, composite checksum, settings, and the time when it was begun", async () => {
  const began = nowMs;
  const upload = await begin("whole", {
    Metadata: { a: "1" },
    ContentType: "text/a",
    StorageClass: "STANDARD_IA",
    ChecksumAlgorithm: "SHA256",
  });
  const [first, second] = [partBytes("a"), partBytes("b", 3)];
  nowMs += 60_000;
  const parts = [await upload.part(1, first), await upload.part(4, second)];
  assert.equal(await refusal(read("whole")), "404 NoSuchKey");
  const done = await upload.complete(parts);
  assert.equal(done.ETag, `"${md5(Buffer.concat([md5(first), md5(second)])).toString("hex")}-2"`);
  assert.equal(done.ChecksumType, "COMPOSITE");
  assert.ok((await read("whole")).equals(Buffer.concat([first, second])));
  const head = await fixture.client.send(new HeadObjectCommand({ Bucket: "bucket", Key: "whole" }));
  assert.deepEqual([head.Metadata, head.ContentType, head.StorageClass], [{ a: "1" }, "text/a", "STANDARD_IA"]);
  assert.equal(head.LastModified?.getTime(), Math.floor(began / 1000) * 1000);
  assert.ok((await read("whole", { PartNumber: 2 })).equals(second));
  assert.equal((await read("whole", { Range: `bytes=${5 * mib - 2}-${5 * mib}` })).toString(), "aab");
  const attributes = await fixture.client.send(
    new GetObjectAttributesCommand({ Bucket: "bucket", Key: "whole", ObjectAttributes: ["ObjectParts"] }),
  );
  assert.deepEqual(
    attributes.ObjectParts?.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
    [
      [1, 5 * mib],
      [2, 3],
    ],
  );
});

test("a full-object checksum is combined from the parts and verified against the client's", async () => {
  const upload = await begin("full", { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
  const bytes = [partBytes("a"), partBytes("b", 7)];
  const parts = [await upload.part(1, bytes[0] ?? Buffer.alloc(0)), await upload.part(2, bytes[1] ?? Buffer.alloc(0))];
  const crc = createChecksum("CRC32");
  for (const chunk of bytes) crc.update(chunk);
  const ChecksumCRC32 = crc.digest().toString("base64");
  assert.equal(
    await refusal(upload.complete(parts, { ChecksumCRC32: "AAAAAA==", ChecksumType: "FULL_OBJECT" })),
    "400 BadDigest",
  );
  const done = await upload.complete(parts, { ChecksumCRC32, ChecksumType: "FULL_OBJECT" });
  assert.equal(Reflect.get(done, "ChecksumCRC32"), ChecksumCRC32);
});

test("parts that are too small, unknown, altered or out of order are refused, and nothing appears", async () => {
  const upload = await begin("bad", { ChecksumAlgorithm: "CRC32" });
  const [small, large] = [await upload.part(1, partBytes("a", 5 * mib - 1)), await upload.part(2, partBytes("b"))];
  assert.equal(await refusal(upload.complete([small, large])), "400 EntityTooSmall");
  assert.equal(await refusal(upload.complete([large, small])), "400 InvalidPartOrder");
  assert.equal(await refusal(upload.complete([large, { ...large, PartNumber: 3 }])), "400 InvalidPart");
  assert.equal(await refusal(upload.complete([{ ...large, ETag: '"00"' }])), "400 InvalidPart");
  assert.equal(await refusal(upload.complete([{ PartNumber: 2, ETag: large.ETag }])), "400 InvalidRequest");
  assert.equal(await refusal(upload.complete([])), "400 MalformedXML");
  assert.equal(await refusal(upload.part(0, partBytes("x", 1))), "400 InvalidArgument");
  assert.equal(await refusal(upload.part(10_001, partBytes("x", 1))), "400 InvalidArgument");
  assert.equal(
    await refusal(
      fixture.client.send(
        new UploadPartCommand({ ...upload.target, PartNumber: 1, Body: "x", ChecksumAlgorithm: "SHA256" }),
      ),
    ),
    "400 InvalidRequest",
  );
  assert.equal(await refusal(read("bad")), "404 NoSuchKey");
  await upload.complete([large]);
});

test("completing again is answered like the first time while the object is there", async () => {
  const upload = await begin("again", { ChecksumAlgorithm: "CRC32" });
  const parts = [await upload.part(1, partBytes("a", 1))];
  const first = await upload.complete(parts, { IfNoneMatch: "*" });
  assert.equal((await upload.complete(parts)).ETag, first.ETag);
  assert.equal(await refusal(upload.complete(parts, { IfNoneMatch: "*" })), "412 PreconditionFailed");
  await fixture.client.send(new DeleteObjectCommand({ Bucket: "bucket", Key: "again" }));
  assert.equal(await refusal(upload.complete(parts)), "404 NoSuchUpload");
});

test("of racing completions that may only create, one wins, and the losers' uploads are still there", async () => {
  const uploads = await Promise.all(Array.from({ length: 8 }, () => begin("race", { ChecksumAlgorithm: "CRC32" })));
  const results = await Promise.allSettled(
    uploads.map(async (upload) => upload.complete([await upload.part(1, partBytes("a", 1))], { IfNoneMatch: "*" })),
  );
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  const { Uploads } = await fixture.client.send(new ListMultipartUploadsCommand({ Bucket: "bucket", Prefix: "race" }));
  assert.equal(Uploads?.length, 7);
  for (const { target } of uploads)
    await fixture.client.send(new AbortMultipartUploadCommand(target)).catch(() => undefined);
});

test("an aborted upload is gone with its parts", async () => {
  const upload = await begin("aborted");
  await fixture.client.send(new AbortMultipartUploadCommand(upload.target));
  assert.equal(await refusal(upload.part(1, partBytes("a", 1))), "404 NoSuchUpload");
  assert.equal(await refusal(fixture.client.send(new AbortMultipartUploadCommand(upload.target))), "404 NoSuchUpload");
  assert.equal(await refusal(fixture.client.send(new ListPartsCommand(upload.target))), "404 NoSuchUpload");
});

test("parts and uploads are listed in order, page by page", async () => {
  const { client } = fixture;
  const upload = await begin("listed/b", { ChecksumAlgorithm: "CRC32" });
  const others = [
    await begin("listed/a"),
    await begin("listed/b"),
    await begin("listed/c/1"),
    await begin("listed/c/2"),
  ];
  for (const number of [3, 1, 2, 1]) await upload.part(number, partBytes("x", number));
  const page = await client.send(new ListPartsCommand({ ...upload.target, MaxParts: 2 }));
  assert.deepEqual(
    page.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
    [
      [1, 1],
      [2, 2],
    ],
  );
  assert.equal(page.IsTruncated, true);
  const rest = await client.send(
    new ListPartsCommand({ ...upload.target, PartNumberMarker: page.NextPartNumberMarker }),
  );
  assert.deepEqual(
    rest.Parts?.map(({ PartNumber }) => PartNumber),
    [3],
  );

  const found: string[] = [];
  let markers: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
  for (let truncated = true; truncated;) {
    const uploads = await client.send(
      new ListMultipartUploadsCommand({ Bucket: "bucket", Prefix: "listed/", MaxUploads: 1, ...markers }),
    );
    found.push(...(uploads.Uploads ?? []).map(({ UploadId = "" }) => UploadId));
    truncated = uploads.IsTruncated === true;
    markers = { KeyMarker: uploads.NextKeyMarker, UploadIdMarker: uploads.NextUploadIdMarker };
  }
  const ids = others.map(({ target }) => target.UploadId);
  assert.deepEqual(found, [ids[0], upload.target.UploadId, ids[1], ids[2], ids[3]]);
  const grouped = await client.send(
    new ListMultipartUploadsCommand({ Bucket: "bucket", Prefix: "listed/", Delimiter: "/" }),
  );
  assert.deepEqual(
    grouped.CommonPrefixes?.map(({ Prefix }) => Prefix),
    ["listed/c/"],
  );
});

test("a part can be copied from a range of an object", async () => {
  await fixture.client.send(new PutObjectCommand({ Bucket: "bucket", Key: "source", Body: "0123456789" }));
  const upload = await begin("from-range");
  const copy = (CopySourceRange: string): Promise<{ CopyPartResult?: { ETag?: string | undefined } | undefined }> =>
    fixture.client.send(
      new UploadPartCopyCommand({ ...upload.target, PartNumber: 1, CopySource: "bucket/source", CopySourceRange }),
    );
  assert.equal(await refusal(copy("bytes=5-10")), "400 InvalidArgument");
  const { CopyPartResult } = await copy("bytes=3-5");
  await upload.complete([{ PartNumber: 1, ETag: CopyPartResult?.ETag }]);
  assert.equal((await read("from-range")).toString(), "345");
});

test("the SDK's own Upload works, and overwriting frees the former parts", async () => {
  const Body = Buffer.concat([partBytes("a"), partBytes("b"), partBytes("c", 5)]);
  for (let round = 0; round < 2; round++) {
    await new Upload({ client: fixture.client, params: { Bucket: "bucket", Key: "sdk", Body } }).done();
    assert.ok((await read("sdk")).equals(Body));
  }
});
