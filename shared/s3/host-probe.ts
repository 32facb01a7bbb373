/**
 * What a host's key can do beyond its work, tried for real: one method per attempt, none of which can harm anything but
 * the caller's own fresh object. For `airlock-uploader check` only; nothing here is retried.
 */
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
} from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import { AirlockError, type Code } from "../errors.ts";
import { openS3, type S3Options } from "./client.ts";
import { toStoreError } from "./errors.ts";

/**
 * `denied` is a refusal for want of permission and nothing else; `exists` a create-only write that found the name
 * taken; `unknown` an answer that does not tell whether the key may.
 */
export type Verdict = "allowed" | "denied" | "exists" | "unknown";

export interface Attempt {
  readonly verdict: Verdict;
  /** What the store said, for people. */
  readonly detail: string;
}

export interface HostProbe extends AsyncDisposable {
  /** Create-only PUT of these bytes. */
  create(key: string, body: Uint8Array, signal: AbortSignal): Promise<Attempt>;
  /** PUT without a condition: of the caller's own object, with bytes that it has already. */
  overwrite(key: string, body: Uint8Array, signal: AbortSignal): Promise<Attempt>;
  head(key: string, signal: AbortSignal): Promise<Attempt>;
  get(key: string, signal: AbortSignal): Promise<Attempt>;
  copy(from: string, to: string, signal: AbortSignal): Promise<Attempt>;
  list(prefix: string, signal: AbortSignal): Promise<Attempt>;
  listVersions(prefix: string, signal: AbortSignal): Promise<Attempt>;
  listUploads(prefix: string, signal: AbortSignal): Promise<Attempt>;
  putTags(key: string, signal: AbortSignal): Promise<Attempt>;
  putAcl(key: string, signal: AbortSignal): Promise<Attempt>;
  /** A retention that has ended already: no store sets it, and a key without the power hears so first. */
  putRetention(key: string, signal: AbortSignal): Promise<Attempt>;
  /** What is not even JSON: Ceph 16 takes `{}` for a policy, and sets it. */
  putPolicy(signal: AbortSignal): Promise<Attempt>;
  delete(key: string, signal: AbortSignal): Promise<Attempt>;
  deleteBatch(key: string, signal: AbortSignal): Promise<Attempt>;
  /** The version called "null", which a bucket with versions does not have. */
  deleteVersion(key: string, signal: AbortSignal): Promise<Attempt>;
  /** Begins an upload of its own for it; where that can't be ended, it stays for the bucket's lifecycle rule. */
  listPartsAndAbort(
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly listParts: Attempt; readonly abort: Attempt }>;
}

export async function openHostProbe(config: StoreConfig, options: S3Options = {}): Promise<HostProbe> {
  const store = await openS3(config, options);
  const { client, owned } = store;

  async function attempt(operation: string, key: string | null, send: () => Promise<unknown>): Promise<Attempt> {
    const call = store.describe(operation, "write", key);
    try {
      await send();
      return { verdict: "allowed", detail: "the store did it" };
    } catch (thrown) {
      return judge(toStoreError(thrown, call));
    }
  }

  return {
    create: (key, body, signal) =>
      attempt("PutObject", key, () =>
        client.send(new PutObjectCommand({ ...owned, Key: key, Body: body, IfNoneMatch: "*" }), {
          abortSignal: signal,
        }),
      ),
    overwrite: (key, body, signal) =>
      attempt("PutObject", key, () =>
        client.send(new PutObjectCommand({ ...owned, Key: key, Body: body }), { abortSignal: signal }),
      ),
    head: (key, signal) =>
      attempt("HeadObject", key, () =>
        client.send(new HeadObjectCommand({ ...owned, Key: key }), { abortSignal: signal }),
      ),
    get: (key, signal) =>
      attempt("GetObject", key, async () => {
        const { Body } = await client.send(new GetObjectCommand({ ...owned, Key: key }), { abortSignal: signal });
        await Body?.transformToByteArray();
      }),
    copy: (from, to, signal) =>
      attempt("CopyObject", to, () => {
        const source = `${config.bucket}/${from.split("/").map(encodeURIComponent).join("/")}`;
        return client.send(new CopyObjectCommand({ ...owned, Key: to, CopySource: source }), { abortSignal: signal });
      }),
    list: (prefix, signal) =>
      attempt("ListObjectsV2", prefix, () =>
        client.send(new ListObjectsV2Command({ ...owned, Prefix: prefix, MaxKeys: 1 }), { abortSignal: signal }),
      ),
    listVersions: (prefix, signal) =>
      attempt("ListObjectVersions", prefix, () =>
        client.send(new ListObjectVersionsCommand({ ...owned, Prefix: prefix, MaxKeys: 1 }), { abortSignal: signal }),
      ),
    listUploads: (prefix, signal) =>
      attempt("ListMultipartUploads", prefix, () =>
        client.send(new ListMultipartUploadsCommand({ ...owned, Prefix: prefix, MaxUploads: 1 }), {
          abortSignal: signal,
        }),
      ),
    putTags: (key, signal) =>
      attempt("PutObjectTagging", key, () => {
        const Tagging = { TagSet: [{ Key: "airlock", Value: "check" }] };
        return client.send(new PutObjectTaggingCommand({ ...owned, Key: key, Tagging }), { abortSignal: signal });
      }),
    putAcl: (key, signal) =>
      attempt("PutObjectAcl", key, () =>
        client.send(new PutObjectAclCommand({ ...owned, Key: key, ACL: "private" }), { abortSignal: signal }),
      ),
    putRetention: (key, signal) =>
      attempt("PutObjectRetention", key, () => {
        const Retention = { Mode: "GOVERNANCE", RetainUntilDate: new Date(0) } as const;
        return client.send(new PutObjectRetentionCommand({ ...owned, Key: key, Retention }), { abortSignal: signal });
      }),
    putPolicy: (signal) =>
      attempt("PutBucketPolicy", null, () =>
        client.send(new PutBucketPolicyCommand({ ...owned, Policy: "{" }), { abortSignal: signal }),
      ),
    delete: (key, signal) =>
      attempt("DeleteObject", key, () =>
        client.send(new DeleteObjectCommand({ ...owned, Key: key }), { abortSignal: signal }),
      ),
    deleteBatch: (key, signal) =>
      attempt("DeleteObjects", key, async () => {
        const command = new DeleteObjectsCommand({ ...owned, Delete: { Objects: [{ Key: key }], Quiet: false } });
        const { Deleted = [], Errors = [] } = await client.send(command, { abortSignal: signal });
        if (Deleted.length === 0) throw refusalInBatch(Errors[0]?.Code, key);
      }),
    deleteVersion: (key, signal) =>
      attempt("DeleteObject", key, () =>
        client.send(new DeleteObjectCommand({ ...owned, Key: key, VersionId: "null" }), { abortSignal: signal }),
      ),
    async listPartsAndAbort(key, signal) {
      const begin = new CreateMultipartUploadCommand({ ...owned, Key: key });
      let uploadId: string | undefined;
      const begun = await attempt("CreateMultipartUpload", key, async () => {
        uploadId = (await client.send(begin, { abortSignal: signal })).UploadId;
      });
      if (uploadId === undefined) {
        const unknown = { verdict: "unknown", detail: `no upload could be begun: ${begun.detail}` } as const;
        return { listParts: unknown, abort: unknown };
      }
      const upload = { ...owned, Key: key, UploadId: uploadId };
      return {
        listParts: await attempt("ListParts", key, () =>
          client.send(new ListPartsCommand(upload), { abortSignal: signal }),
        ),
        abort: await attempt("AbortMultipartUpload", key, () =>
          client.send(new AbortMultipartUploadCommand(upload), { abortSignal: signal }),
        ),
      };
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** Those that concern the store or the credentials as a whole: nothing is learnt from trying on. */
const HOPELESS: ReadonlySet<Code> = new Set([
  "store-unavailable",
  "credentials-invalid",
  "clock-skew",
  "wrong-region",
  "bucket-missing",
  "interrupted",
]);

function judge(error: AirlockError): Attempt {
  if (HOPELESS.has(error.code)) throw error;
  const detail = error.message;
  if (error.code === "access-denied") return { verdict: "denied", detail };
  if (error.code === "already-exists") return { verdict: "exists", detail };
  return { verdict: "unknown", detail };
}

function refusalInBatch(code: string | undefined, key: string): AirlockError {
  const name = code !== undefined && /^[A-Za-z]{1,64}$/.test(code) ? code : "no reason";
  const isDenied = name === "AccessDenied";
  return new AirlockError(
    isDenied ? "access-denied" : "request-invalid",
    `DeleteObjects: the store denies it (${name})`,
    {
      subject: key,
    },
  );
}
