/** Questions asked through Airlock's own two transports: both have to hear the same, from every store. */
import { AbortMultipartUploadCommand, CreateMultipartUploadCommand } from "@aws-sdk/client-s3";
import { isDeepStrictEqual } from "node:util";
import { isAirlockError } from "../../../shared/errors.ts";
import { NO_ATTRIBUTES } from "../../../shared/s3/attributes.ts";
import { openS3 } from "../../../shared/s3/client.ts";
import type { S3Options } from "../../../shared/s3/client.ts";
import type { ByteTransport, GetRequest, PutRequest } from "../../../shared/s3/transport.ts";
import { beginUpload, completeUpload, uploadPart } from "../../../shared/s3/uploads.ts";
import type { ObjectAttributes, OpenedObject } from "../../../shared/stores.ts";
import type { Credentials } from "../../servers/server.ts";
import type { Bench, BucketKind } from "../bench.ts";
import type { Area, Check, Meaning } from "../check.ts";
import { ODD_KEYS } from "../odd-keys.ts";
import { hostPolicy } from "../policies.ts";
import { lockedFor } from "./locking.ts";

type TransportName = "http" | "sdk";

const TIMEOUT_MS = 30_000;
const BODY = Buffer.from("0123456789");
const ATTRIBUTES: ObjectAttributes = {
  metadata: new Map([["airlock", "eyJ".repeat(622)]]),
  contentType: "application/x-tar",
  contentEncoding: "zstd",
  contentLanguage: "de-CH",
  contentDisposition: 'attachment; filename="shop.dump"',
  cacheControl: "no-store",
  expires: "Thu, 01 Dec 2033 16:00:00 GMT",
};

interface Asked {
  readonly bench: Bench;
  readonly bucket: string;
  readonly key: string;
  readonly bytes: ByteTransport;
  readonly options: S3Options;
}

interface Question {
  readonly id: string;
  readonly question: string;
  readonly aws: string;
  readonly ask: (asked: Asked) => Promise<string>;
  readonly otherwise: Meaning;
  readonly kind?: BucketKind;
  readonly credentials?: (bench: Bench, bucket: string) => Promise<Credentials>;
  readonly bucket?: (bench: Bench) => Promise<string>;
}

function put(key: string, more: Partial<PutRequest> = {}): PutRequest {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return { key, body: BODY, createOnly: false, attributes: NO_ATTRIBUTES, storageClass: null, signal, ...more };
}

function get(key: string, more: Partial<GetRequest> = {}): GetRequest {
  return { key, versionId: null, range: null, ifMatch: null, signal: AbortSignal.timeout(TIMEOUT_MS), ...more };
}

async function read(object: OpenedObject): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of object.body) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** "done", or the code of Airlock's error. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (error) {
    if (isAirlockError(error)) return error.code;
    throw error;
  }
}

const host = (bench: Bench, bucket: string): Promise<Credentials> =>
  bench.keyOf("host", bucket, [hostPolicy(bucket, "h1")]);
const unreachable: Meaning = { dropZone: "Not to be used.", vault: "Not to be used." };
const misnamed: Meaning = {
  dropZone: "The failure is seen, and called by another name.",
  vault: "The failure is seen, and called by another name.",
};

const questions: readonly Question[] = [
  {
    id: "round-trip",
    question: "PUT and GET of bytes, metadata of 1,866 bytes and all Content headers",
    aws: "the same",
    ask: async ({ bytes, key }) => {
      await bytes.putObject(put(key, { attributes: ATTRIBUTES }));
      const object = await bytes.getObject(get(key));
      if (!(await read(object)).equals(BODY)) return "other bytes";
      const isSame = isDeepStrictEqual({ ...object.attributes }, { ...ATTRIBUTES });
      return isSame ? "the same" : "other attributes";
    },
    otherwise: {
      dropZone: "What is not kept here can't be carried over.",
      vault: "What is not kept is missing after a restore.",
    },
  },
  {
    id: "empty",
    question: "an object of no bytes",
    aws: "0 bytes",
    ask: async ({ bytes, key }) => {
      await bytes.putObject(put(key, { body: new Uint8Array() }));
      const object = await bytes.getObject(get(key));
      return `${(await read(object)).length + object.sizeBytes} bytes`;
    },
    otherwise: unreachable,
  },
  {
    id: "range",
    question: "bytes 2 to 4 with the right ETag, and the whole size",
    aws: "234 of 10",
    ask: async ({ bytes, key }) => {
      const { etag } = await bytes.putObject(put(key));
      const object = await bytes.getObject(get(key, { range: { first: 2, last: 4 }, ifMatch: etag }));
      return `${(await read(object)).toString()} of ${object.sizeBytes}`;
    },
    otherwise: { dropZone: "Large objects can't be read by parallel ranges.", vault: "A restore can't be continued." },
  },
  {
    id: "version",
    question: "GET of the first of two versions",
    aws: "the first",
    kind: "versioned",
    ask: async ({ bytes, key }) => {
      const { versionId } = await bytes.putObject(put(key));
      await bytes.putObject(put(key, { body: Buffer.from("second") }));
      return (await read(await bytes.getObject(get(key, { versionId })))).equals(BODY) ? "the first" : "another";
    },
    otherwise: { dropZone: "Refused as a versioned drop-zone.", vault: null },
  },
  {
    id: "create-only",
    question: "second creation of a name",
    aws: "already-exists",
    ask: async ({ bytes, key }) => {
      await bytes.putObject(put(key, { createOnly: true }));
      return codeOf(bytes.putObject(put(key, { createOnly: true })));
    },
    otherwise: { dropZone: "Use a versioned bucket.", vault: "Refused as a vault at start-up." },
  },
  {
    id: "missing",
    question: "GET of a missing key",
    aws: "not-found",
    ask: ({ bytes, key }) => codeOf(bytes.getObject(get(key))),
    otherwise: misnamed,
  },
  {
    id: "replaced",
    question: "GET with the ETag of an object that was replaced",
    aws: "source-changed",
    ask: async ({ bytes, key }) => {
      const { etag } = await bytes.putObject(put(key));
      await bytes.putObject(put(key, { body: Buffer.from("second") }));
      return codeOf(bytes.getObject(get(key, { ifMatch: etag })));
    },
    otherwise: { dropZone: "Without versions, a replaced object is noticed by its digest only.", vault: null },
  },
  {
    id: "denied-get",
    question: "GET with a host's key",
    aws: "access-denied",
    kind: "versioned",
    credentials: host,
    ask: async ({ bytes, bench }) => {
      const key = bench.freshKey("h1");
      await bytes.putObject(put(key, { createOnly: true }));
      return codeOf(bytes.getObject(get(key)));
    },
    otherwise: misnamed,
  },
  {
    id: "denied-put",
    question: "PUT below another host's prefix",
    aws: "access-denied",
    kind: "versioned",
    credentials: host,
    ask: ({ bytes, bench }) => codeOf(bytes.putObject(put(bench.freshKey("h2"), { createOnly: true }))),
    otherwise: misnamed,
  },
  {
    id: "wrong-secret",
    question: "PUT with the wrong secret",
    aws: "credentials-invalid",
    credentials: async (bench) => ({ ...bench.account.owner, secretAccessKey: "not-the-secret" }),
    ask: ({ bytes, key }) => codeOf(bytes.putObject(put(key))),
    otherwise: misnamed,
  },
  {
    id: "missing-bucket",
    question: "PUT into a bucket that does not exist",
    aws: "bucket-missing",
    bucket: async () => "contract-no-such-bucket",
    ask: ({ bytes, key }) => codeOf(bytes.putObject(put(key))),
    otherwise: misnamed,
  },
  {
    id: "odd-keys",
    question: "odd keys stored and read",
    aws: `${ODD_KEYS.length} of ${ODD_KEYS.length}`,
    bucket: (bench) => bench.freshBucket(),
    ask: async ({ bytes }) => {
      let same = 0;
      for (const key of ODD_KEYS) {
        const body = Buffer.from(key);
        if ((await codeOf(bytes.putObject(put(key, { body })))) !== "done") continue;
        if ((await codeOf(bytes.getObject(get(key)).then(read))) !== "done") continue;
        if ((await read(await bytes.getObject(get(key)))).equals(body)) same++;
      }
      return `${same} of ${ODD_KEYS.length}`;
    },
    otherwise: {
      dropZone: "Airlock's own names have none of these; a foreign object with such a name can't be stored here.",
      vault: "Vault names hold none of these characters: no effect.",
    },
  },
  {
    id: "multipart",
    question: "two parts, completed create-only",
    aws: "the same",
    ask: async ({ bench, bucket, key, options }) => {
      await using store = await openS3(await bench.configOf(bucket, bench.account.owner), options);
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const bodies = [Buffer.alloc(5 * 1024 * 1024, "airlock "), Buffer.from("end")];
      const upload = await beginUpload(store, key, { attributes: NO_ATTRIBUTES, signal }, null);
      const parts = await Promise.all(bodies.map((body, index) => uploadPart(store, upload, index + 1, body, signal)));
      await completeUpload(store, upload, parts, signal);
      const stored = await read(await store.bytes.getObject(get(key)));
      return stored.equals(Buffer.concat(bodies)) ? "the same" : "other bytes";
    },
    otherwise: unreachable,
  },
  {
    id: "aborted-part",
    question: "a part of an aborted upload",
    aws: "upload-missing",
    ask: async ({ bench, bytes, bucket, key }) => {
      const at = { Bucket: bucket, Key: key };
      const { UploadId: uploadId = "" } = await bench.owner.send(new CreateMultipartUploadCommand(at));
      await bench.owner.send(new AbortMultipartUploadCommand({ ...at, UploadId: uploadId }));
      return codeOf(
        bytes.uploadPart({ key, uploadId, number: 1, body: BODY, signal: AbortSignal.timeout(TIMEOUT_MS) }),
      );
    },
    otherwise: misnamed,
  },
  {
    id: "locked",
    question: "PUT into a bucket with a default retention",
    aws: "done",
    bucket: (bench) => lockedFor(bench, "GOVERNANCE"),
    ask: ({ bytes, key }) => codeOf(bytes.putObject(put(key))),
    otherwise: { dropZone: null, vault: "Object Lock can't be used with this store." },
  },
];

function toCheck(transport: TransportName, question: Question): Check {
  const { id, aws, otherwise } = question;
  return {
    id: `${transport}-${id}`,
    question: `${question.question} (${transport})`,
    aws,
    otherwise,
    ask: async (bench) => {
      const bucket = await (question.bucket ?? (() => bench.bucket(question.kind ?? "plain")))(bench);
      const credentials = (await question.credentials?.(bench, bucket)) ?? bench.account.owner;
      const options: S3Options = { transport };
      await using store = await openS3(await bench.configOf(bucket, credentials), options);
      return await question.ask({ bench, bucket, key: bench.freshKey("h1"), bytes: store.bytes, options });
    },
  };
}

/** Only the transport that the start-up probe uses can alter what it sends. */
const altered: Check = {
  id: "http-altered",
  question: "a PUT whose bytes are altered after they were signed (http)",
  aws: "refused",
  otherwise: {
    dropZone: "Bytes altered on the way are stored; the mover notices by the digest in the statement.",
    vault: "Refused as a vault at start-up, unless `verify: readback` reads everything again.",
  },
  ask: async (bench) => {
    const config = await bench.configOf(await bench.bucket("plain"), bench.account.owner);
    await using store = await openS3(config, { transport: "http", alterBodies: true });
    return (await codeOf(store.bytes.putObject(put(bench.freshKey())))) === "done" ? "stored" : "refused";
  },
};

export const transports: Area = {
  title: "Airlock's own requests",
  checks: [
    ...(["http", "sdk"] as const).flatMap((transport) => questions.map((question) => toCheck(transport, question))),
    altered,
  ],
};
