import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { sha256Hex, signRequest } from "../../servers/sign.ts";
import { until } from "../../servers/processes.ts";
import { answerOf, plainAnswerOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check, Meaning } from "../check.ts";

/** The check value of each algorithm: what it gives for these nine digits (RFC 3720, the CRC catalogue, FIPS 180-4). */
const BODY = "123456789";
const OTHER_BODY = "123456780";
const CHECKSUMS = new Map([
  ["crc32", "y/Q5Jg=="],
  ["crc32c", "4waSgw=="],
  ["crc64nvme", "rosUhgp5mIg="],
  ["sha1", createHash("sha1").update(BODY).digest("base64")],
  ["sha256", createHash("sha256").update(BODY).digest("base64")],
]);

const alteredBytes = (answer: string): Meaning => (answer.startsWith("4") ? REFUSED : STORED_ALTERED);

const REFUSED: Meaning = { dropZone: "Refused all the same.", vault: "Refused all the same." };
const STORED_ALTERED: Meaning = {
  dropZone:
    "Bytes altered on the way are stored; the mover notices by the digest in the statement, and holds the object.",
  vault:
    "Altered bytes would become an archived object: another means has to be one that the probe saw working (a signed payload hash, or `verify: readback`).",
};

async function putRaw(bench: Bench, headers: Record<string, string>, body: string, payloadHash?: string) {
  const path = `/${await bench.bucket("plain")}/${bench.freshKey()}`;
  const hash = payloadHash === undefined ? {} : { payloadHash };
  return plainAnswerOf(await bench.raw({ method: "PUT", path, headers, body, ...hash }));
}

async function putPartRaw(bench: Bench, headers: Record<string, string>, body: string, payloadHash?: string) {
  const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
  const { UploadId = "" } = await bench.owner.send(new CreateMultipartUploadCommand(at));
  const url = new URL(`/${at.Bucket}/${at.Key}?partNumber=1`, bench.account.endpoint);
  url.searchParams.set("uploadId", UploadId);
  const hash = payloadHash === undefined ? {} : { payloadHash };
  return plainAnswerOf(await bench.raw({ method: "PUT", path: "/", url, headers, body, ...hash }));
}

function checksumChecks(name: string, value: string): Check[] {
  const header = `x-amz-checksum-${name}`;
  // Ceph looks at the value only where the algorithm is named as well, which the SDKs do.
  const headers = { [header]: value, "x-amz-sdk-checksum-algorithm": name.toUpperCase() };
  return [
    {
      id: `${name}-kept`,
      question: `is a right \`${header}\` kept and shown by HEAD?`,
      aws: "yes",
      ask: async (bench) => {
        const path = `/${await bench.bucket("plain")}/${bench.freshKey()}`;
        const put = await bench.raw({ method: "PUT", path, headers, body: BODY });
        if (put.status !== 200) return plainAnswerOf(put);
        const head = await bench.raw({ method: "HEAD", path, headers: { "x-amz-checksum-mode": "ENABLED" } });
        return head.headers.get(header) === value ? "yes" : "no";
      },
      otherwise: {
        dropZone: null,
        vault: "The store can't show what it checked; the digest that counts is in the ledger.",
      },
    },
    {
      id: `${name}-wrong`,
      question: `PUT with a wrong \`${header}\``,
      aws: "400 BadDigest",
      ask: (bench) => putRaw(bench, headers, OTHER_BODY),
      otherwise: alteredBytes,
    },
    {
      id: `${name}-wrong-part`,
      question: `UploadPart with a wrong \`${header}\``,
      aws: "400 BadDigest",
      ask: (bench) => putPartRaw(bench, headers, OTHER_BODY),
      otherwise: alteredBytes,
    },
  ];
}

const checks: readonly Check[] = [
  {
    id: "payload-hash-wrong",
    question: "PUT of other bytes than were signed",
    aws: "400 XAmzContentSHA256Mismatch",
    ask: (bench) => putRaw(bench, {}, OTHER_BODY, sha256Hex(BODY)),
    otherwise: alteredBytes,
  },
  {
    id: "payload-hash-wrong-part",
    question: "UploadPart of other bytes than were signed",
    aws: "400 XAmzContentSHA256Mismatch",
    ask: (bench) => putPartRaw(bench, {}, OTHER_BODY, sha256Hex(BODY)),
    otherwise: alteredBytes,
  },
  {
    id: "md5-wrong",
    question: "PUT with a wrong `Content-MD5`",
    aws: "400 BadDigest",
    ask: (bench) => putRaw(bench, { "content-md5": md5(BODY) }, OTHER_BODY),
    otherwise: alteredBytes,
  },
  {
    id: "md5-malformed",
    question: "PUT with a `Content-MD5` that is none",
    aws: "400 InvalidDigest",
    ask: (bench) => putRaw(bench, { "content-md5": "bm90IGFuIG1kNQ==" }, BODY),
    otherwise: { dropZone: "Airlock never sends one.", vault: "Airlock never sends one." },
  },
  {
    id: "unsigned-payload",
    question: "PUT with `UNSIGNED-PAYLOAD` and a right SHA-256 (AWS: over TLS)",
    aws: "200",
    ask: (bench) => putRaw(bench, { "x-amz-checksum-sha256": CHECKSUMS.get("sha256") ?? "" }, BODY, "UNSIGNED-PAYLOAD"),
    otherwise: {
      dropZone: "Each upload is hashed for its signature as well, which costs a core some time.",
      vault: "Each part is hashed for its signature as well, which costs a core some time.",
    },
  },
  {
    id: "unsigned-payload-wrong",
    question: "PUT with `UNSIGNED-PAYLOAD` and a wrong CRC-32C (AWS: over TLS)",
    aws: "400 BadDigest",
    ask: (bench) =>
      putRaw(bench, { "x-amz-checksum-crc32c": CHECKSUMS.get("crc32c") ?? "" }, OTHER_BODY, "UNSIGNED-PAYLOAD"),
    otherwise: alteredBytes,
  },
  ...[...CHECKSUMS].flatMap(([name, value]) => checksumChecks(name, value)),
  {
    id: "sdk-stream",
    question: "a stream as the SDK sends it by default (`aws-chunked`, checksum in the trailer)",
    aws: "200, the same bytes",
    ask: (bench) => putStream(bench, "WHEN_SUPPORTED"),
    otherwise: {
      dropZone: "Airlock sends no trailers; other clients have to be told to send checksums only where required.",
      vault: "Airlock sends no trailers: no effect.",
    },
  },
  {
    id: "sdk-stream-required",
    question: "a stream sent with checksums only where required",
    aws: "200, the same bytes",
    ask: (bench) => putStream(bench, "WHEN_REQUIRED"),
    otherwise: { dropZone: "Streams can't be sent at all.", vault: null },
  },
  {
    id: "trailer-wrong",
    question: "`aws-chunked` with a wrong checksum in the trailer",
    aws: "400 BadDigest",
    ask: (bench) => putTrailer(bench, CHECKSUMS.get("crc32") ?? "", OTHER_BODY),
    otherwise: alteredBytes,
  },
  {
    id: "chunked-encoding",
    question: "`Content-Encoding` kept of a stream sent as `gzip,aws-chunked`",
    aws: "gzip",
    ask: async (bench) => {
      const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
      const client = bench.clientOf(bench.account.owner, { requestChecksumCalculation: "WHEN_SUPPORTED" });
      const put = { ...at, Body: Readable.from([Buffer.from(BODY)]), ContentLength: 9, ContentEncoding: "gzip" };
      const answer = await answerOf(client.send(new PutObjectCommand(put)));
      if (answer !== "200") return answer;
      return (await client.send(new HeadObjectCommand(at))).ContentEncoding ?? "none";
    },
    otherwise: (answer) => ({
      dropZone: answer.startsWith("4")
        ? "Such streams are refused: other clients have to be told to send checksums only where required."
        : "The framing's name is kept as if it were the object's own encoding; the mover takes it off again.",
      vault: "Airlock sends no such streams: no effect.",
    }),
  },
  {
    id: "cut-off",
    question: "is an upload there that was cut off half-way?",
    aws: "no",
    ask: cutOff,
    otherwise: {
      dropZone: "Short objects become visible; the mover holds them, since their digest is not the statement's.",
      vault: "A short object could take a vault name: refused as a vault at start-up.",
    },
  },
];

async function putStream(bench: Bench, mode: "WHEN_SUPPORTED" | "WHEN_REQUIRED"): Promise<string> {
  const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey() };
  const client = bench.clientOf(bench.account.owner, { requestChecksumCalculation: mode });
  const bytes = Buffer.alloc(200_000, "airlock ");
  const Body = Readable.from([bytes.subarray(0, 70_000), bytes.subarray(70_000)]);
  const answer = await answerOf(client.send(new PutObjectCommand({ ...at, Body, ContentLength: bytes.length })));
  if (answer !== "200") return answer;
  const stored = await (await client.send(new GetObjectCommand(at))).Body?.transformToByteArray();
  return `${answer}, ${bytes.equals(stored ?? new Uint8Array()) ? "the same bytes" : "other bytes"}`;
}

function putTrailer(bench: Bench, checksum: string, body: string): Promise<string> {
  const headers = {
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": String(body.length),
    "x-amz-trailer": "x-amz-checksum-crc32",
  };
  const framed = `${body.length.toString(16)}\r\n${body}\r\n0\r\nx-amz-checksum-crc32:${checksum}\r\n\r\n`;
  return putRaw(bench, headers, framed, "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
}

async function cutOff(bench: Bench): Promise<string> {
  const path = `/${await bench.bucket("plain")}/${bench.freshKey()}`;
  const url = new URL(path, bench.account.endpoint);
  const body = "x".repeat(100_000);
  const { server, account } = bench;
  const headers = signRequest({
    method: "PUT",
    url,
    body,
    service: "s3",
    region: server.region,
    credentials: account.owner,
  });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const head = [`PUT ${path} HTTP/1.1`, `host: ${url.host}`, ...lines, `content-length: ${body.length}`, "", ""];
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname);
    socket.once("error", reject).once("close", () => resolve());
    socket.write(head.join("\r\n") + body.slice(0, 50_000), () => socket.destroy());
  });
  // Nothing tells when the server has noticed; what it stores by mistake it stores at once.
  const stored = await until(async () => (await bench.raw({ method: "HEAD", path })).status === 200, 500);
  return stored ? "yes" : "no";
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("base64");
}

export const integrity: Area = { title: "Bytes arrive as they were sent, or not at all", checks };
