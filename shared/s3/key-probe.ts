/**
 * What a key can do, tried for real by requests that can't do harm: what every role's probe is made of. Nothing here
 * is retried. Which answers tell that a key may was found out on Amazon's rules, Ceph, versitygw and moto; an answer
 * that a key without the power gets as well tells nothing.
 */
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
} from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import { AirlockError, type Code } from "../errors.ts";
import { StoreAnswer } from "./answer.ts";
import { openS3, type S3Options, type S3Store } from "./client.ts";
import { sendMd5 } from "./delete-versions.ts";
import { toStoreError } from "./errors.ts";
import { MARKS, NO_ACL, NO_DOCUMENT, SETTINGS, toldOf, type BucketSetting, type ObjectMark } from "./spoiled.ts";

/**
 * `denied` is a refusal for want of permission and nothing else; `exists` a create-only write that found the name
 * taken; `unknown` an answer that does not tell whether the key may.
 */
export type Verdict = "allowed" | "denied" | "exists" | "unknown";

export interface Attempt {
  readonly verdict: Verdict;
  /** What the store said, for people. */
  readonly detail: string;
  /** S3's code of a refusal that is not for want of permission. */
  readonly s3Code?: string;
}

export interface KeyProbe extends AsyncDisposable {
  readonly store: S3Store;
  /**
   * One request. `told` are refusals (S3's code, or the status where a HEAD has none) that only a key gets which may
   * do what is asked, and whose request is then refused for something else.
   */
  readonly attempt: (
    operation: string,
    key: string | null,
    send: () => Promise<unknown>,
    told?: readonly string[],
  ) => Promise<Attempt>;
  list(prefix: string, signal: AbortSignal): Promise<Attempt>;
  listVersions(prefix: string, signal: AbortSignal): Promise<Attempt>;
  /** The version called "null", which a bucket with versions does not have. */
  deleteVersion(key: string, signal: AbortSignal): Promise<Attempt>;
  /** `versionId` null: whatever is there. */
  deleteBatch(key: string, versionId: string | null, signal: AbortSignal): Promise<Attempt>;
  /** Puts what is no document at all in a bucket's setting's place. */
  setBucket(setting: BucketSetting, signal: AbortSignal): Promise<Attempt>;
  /** The same for an object that is there: for one that is not, some stores deny it to all but the owner. */
  markObject(mark: ObjectMark, key: string, signal: AbortSignal): Promise<Attempt>;
}

export async function openKeyProbe(config: StoreConfig, options: S3Options = {}): Promise<KeyProbe> {
  const store = await openS3(config, options);
  const { client, owned } = store;

  async function attempt(
    operation: string,
    key: string | null,
    send: () => Promise<unknown>,
    told: readonly string[] = [],
  ): Promise<Attempt> {
    try {
      await send();
      return { verdict: "allowed", detail: "the store did it" };
    } catch (thrown) {
      return judge(toStoreError(thrown, store.describe(operation, "write", key)), told);
    }
  }

  return {
    store,
    attempt,
    list: (prefix, signal) =>
      attempt("ListObjectsV2", prefix, () =>
        client.send(new ListObjectsV2Command({ ...owned, Prefix: prefix, MaxKeys: 1 }), { abortSignal: signal }),
      ),
    listVersions: (prefix, signal) =>
      attempt("ListObjectVersions", prefix, () =>
        client.send(new ListObjectVersionsCommand({ ...owned, Prefix: prefix, MaxKeys: 1 }), { abortSignal: signal }),
      ),
    deleteVersion: (key, signal) =>
      attempt("DeleteObject", key, () =>
        client.send(new DeleteObjectCommand({ ...owned, Key: key, VersionId: "null" }), { abortSignal: signal }),
      ),
    deleteBatch: (key, versionId, signal) =>
      attempt("DeleteObjects", key, async () => {
        const Objects = [{ Key: key, VersionId: versionId ?? undefined }];
        const command = new DeleteObjectsCommand({ ...owned, Delete: { Objects, Quiet: false } });
        if (config.checksums === "required-only") sendMd5(command);
        const { Deleted = [], Errors = [] } = await client.send(command, { abortSignal: signal });
        if (Deleted.length === 0) throw refusalInBatch(Errors[0]?.Code, key);
      }),
    setBucket(setting, signal) {
      const [operation, make] = SETTINGS[setting];
      return attempt(operation, null, () => make(owned)(client, { abortSignal: signal }), toldOf(setting));
    },
    markObject(mark, key, signal) {
      const [operation, make] = MARKS[mark];
      const told = mark === "ACL" ? NO_ACL : NO_DOCUMENT;
      return attempt(operation, key, () => make({ ...owned, Key: key })(client, { abortSignal: signal }), told);
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** Those that concern the store or the credentials as a whole: nothing is learnt from trying on. */
const HOPELESS: ReadonlySet<Code> = new Set([
  "store-unavailable",
  "tls-untrusted",
  "credentials-invalid",
  "clock-skew",
  "wrong-region",
  "bucket-missing",
  "interrupted",
]);

function judge(error: AirlockError, told: readonly string[]): Attempt {
  if (error.cause instanceof StoreAnswer) {
    const { s3Code, status } = error.cause;
    const isTold = told.includes(s3Code ?? String(status));
    if (isTold)
      return {
        ...(s3Code === null ? {} : { s3Code }),
        verdict: "allowed",
        detail: `the store would do it: it only refused what was sent (${status}${s3Code === null ? "" : ` ${s3Code}`})`,
      };
  }
  const detail = error.message;
  if (HOPELESS.has(error.code)) throw error;
  if (error.code === "access-denied") return { verdict: "denied", detail };
  if (error.code === "already-exists") return { verdict: "exists", detail };
  const s3Code = error.cause instanceof StoreAnswer ? error.cause.s3Code : null;
  return { verdict: "unknown", detail, ...(s3Code === null ? {} : { s3Code }) };
}

function refusalInBatch(code: string | undefined, key: string): AirlockError {
  const name = code !== undefined && /^[A-Za-z]{1,64}$/.test(code) ? code : "no reason";
  const isDenied = name === "AccessDenied";
  return new AirlockError(
    isDenied ? "access-denied" : "request-invalid",
    `DeleteObjects: the store denies it (${name})`,
    { subject: key },
  );
}
