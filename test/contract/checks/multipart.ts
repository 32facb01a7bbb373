import {
  CompleteMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { answerOf, statusOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";
import { begin, complete, part } from "../upload-steps.ts";
import type { Upload } from "../upload-steps.ts";

const MIB = 1024 * 1024;
const large = Buffer.alloc(7 * MIB, "airlock multipart ");

/** Of "123456789", from the CRC catalogue. */
const CRC64NVME = "rosUhgp5mIg=";

async function isSame(bench: Bench, { Bucket, Key }: Upload, expected: Buffer): Promise<boolean> {
  const { Body } = await bench.owner.send(new GetObjectCommand({ Bucket, Key }));
  return expected.equals((await Body?.transformToByteArray()) ?? new Uint8Array());
}

const partRules = {
  dropZone: "Airlock's parts are in order and at least 5 MiB: no effect.",
  vault: "Airlock's parts are in order and at least 5 MiB: no effect.",
};
const noMultipart = {
  dropZone: "Large objects can't be stored.",
  vault: "Large objects can't be archived: refused as a vault.",
};

const checks: readonly Check[] = [
  {
    id: "multipart",
    question: "parts of 5 MiB, 7 MiB, 6 MiB and 1 byte put together",
    aws: "200, the same bytes",
    ask: async (bench) => {
      const upload = await begin(bench);
      const sizes = [5 * MIB, 7 * MIB, 6 * MIB, 1];
      const bodies = sizes.map((size) => large.subarray(0, size));
      const parts = await Promise.all(bodies.map((body, index) => part(bench, upload, index + 1, body)));
      const answer = await complete(bench, upload, parts);
      return (await isSame(bench, upload, Buffer.concat(bodies)))
        ? `${answer}, the same bytes`
        : `${answer}, other bytes`;
    },
    otherwise: noMultipart,
  },
  {
    id: "part-too-small",
    question: "a part below 5 MiB that is not the last",
    aws: "400 EntityTooSmall",
    ask: async (bench) => {
      const upload = await begin(bench);
      return complete(bench, upload, [await part(bench, upload, 1, "small"), await part(bench, upload, 2, "last")]);
    },
    otherwise: partRules,
  },
  {
    id: "part-order",
    question: "parts named in the wrong order",
    aws: "400 InvalidPartOrder",
    ask: async (bench) => {
      const upload = await begin(bench);
      const parts = [await part(bench, upload, 1, large.subarray(0, 5 * MIB)), await part(bench, upload, 2, "last")];
      return complete(bench, upload, parts.toReversed());
    },
    otherwise: partRules,
  },
  {
    id: "part-etag-wrong",
    question: "Complete with another ETag for a part",
    aws: "400 InvalidPart",
    ask: async (bench) => {
      const upload = await begin(bench);
      await part(bench, upload, 1, "one");
      return complete(bench, upload, [{ PartNumber: 1, ETag: '"00000000000000000000000000000000"' }]);
    },
    otherwise: {
      dropZone: "A part replaced under way is noticed by the digest in the statement.",
      vault: "Only the mover knows an upload's id; no effect.",
    },
  },
  {
    id: "part-replaced",
    question: "a part that is sent again",
    aws: "replaces the first",
    ask: async (bench) => {
      const upload = await begin(bench);
      await part(bench, upload, 1, "first");
      const answer = await complete(bench, upload, [await part(bench, upload, 1, "second")]);
      return (await isSame(bench, upload, Buffer.from("second"))) ? "replaces the first" : answer;
    },
    otherwise: noMultipart,
  },
  {
    id: "part-number-limit",
    question: "part number 10,000, and 10,001",
    aws: "200, 400 InvalidArgument",
    ask: async (bench) => {
      const upload = await begin(bench);
      const put = (PartNumber: number) =>
        answerOf(bench.owner.send(new UploadPartCommand({ ...upload, PartNumber, Body: "x" })));
      return `${await put(10_000)}, ${await put(10_001)}`;
    },
    otherwise: partRules,
  },
  {
    id: "invisible-until-complete",
    question: "HEAD of an object whose upload is not complete",
    aws: "404",
    ask: async (bench) => {
      const upload = await begin(bench);
      await part(bench, upload, 1, "one");
      return statusOf(bench.owner.send(new HeadObjectCommand({ Bucket: upload.Bucket, Key: upload.Key })));
    },
    otherwise: {
      dropZone: "Objects are seen before they are whole; their digest holds them.",
      vault: "A name comes into being before its bytes are proven: refused as a vault.",
    },
  },
  {
    id: "multipart-attributes",
    question: "metadata and Content-Type that were given when the upload was begun",
    aws: "kept",
    ask: async (bench) => {
      const upload = await begin(bench, { Metadata: { origin: "here" }, ContentType: "application/x-tar" });
      await complete(bench, upload, [await part(bench, upload, 1, "one")]);
      const head = await bench.owner.send(new HeadObjectCommand({ Bucket: upload.Bucket, Key: upload.Key }));
      const isKept = head.Metadata?.["origin"] === "here" && head.ContentType === "application/x-tar";
      return isKept ? "kept" : "lost";
    },
    otherwise: { dropZone: null, vault: "They are missing when the object is restored by other means than Airlock's." },
  },
  {
    id: "multipart-time",
    question: "last-modified of a multipart object is when its upload was",
    aws: "begun",
    ask: async (bench) => {
      const upload = await begin(bench);
      // The question itself: two moments that whole seconds tell apart.
      await delay(2_100);
      await complete(bench, upload, [await part(bench, upload, 1, "one")]);
      const done = await bench.owner.send(new HeadObjectCommand({ Bucket: upload.Bucket, Key: upload.Key }));
      return Date.now() - Number(done.LastModified) > 2_000 ? "begun" : "completed";
    },
    otherwise: {
      dropZone: "Exposure is measured from the statement object all the same.",
      vault: null,
    },
  },
  ...(["right", "wrong"] as const).map((which): Check => ({
    id: `full-object-checksum-${which}`,
    question: `Complete with a ${which} CRC-64/NVME of the whole object`,
    aws: which === "right" ? "200" : "400 BadDigest",
    ask: (bench) => completeWithChecksum(bench, which === "right" ? CRC64NVME : "AAAAAAAAAAA="),
    otherwise: {
      dropZone: null,
      vault: "The parts' own checksums are what protects a multipart object.",
    },
  })),
  {
    id: "part-checksum-kept",
    question: "a part's SHA-256, given back when it is stored",
    aws: "yes",
    ask: async (bench) => {
      const upload = await begin(bench, { ChecksumAlgorithm: "SHA256" });
      const ChecksumSHA256 = createHash("sha256").update("one").digest("base64");
      const put = await bench.owner.send(
        new UploadPartCommand({ ...upload, PartNumber: 1, Body: "one", ChecksumSHA256 }),
      );
      return put.ChecksumSHA256 === ChecksumSHA256 ? "yes" : "no";
    },
    otherwise: {
      dropZone: null,
      vault: "The store does not show what it checked; what it refuses is what the probe relies on.",
    },
  },
];

async function completeWithChecksum(bench: Bench, ChecksumCRC64NVME: string): Promise<string> {
  const upload = await begin(bench, { ChecksumAlgorithm: "CRC64NVME", ChecksumType: "FULL_OBJECT" });
  const body = { PartNumber: 1, Body: "123456789", ChecksumCRC64NVME: CRC64NVME };
  const { ETag } = await bench.owner.send(new UploadPartCommand({ ...upload, ...body }));
  const Parts = [{ PartNumber: 1, ETag, ChecksumCRC64NVME: CRC64NVME }];
  const whole = { ChecksumType: "FULL_OBJECT", ChecksumCRC64NVME } as const;
  return answerOf(
    bench.owner.send(new CompleteMultipartUploadCommand({ ...upload, ...whole, MultipartUpload: { Parts } })),
  );
}

export const multipart: Area = { title: "Large objects", checks };
