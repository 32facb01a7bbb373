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
  PutBucketAclCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
} from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import { AirlockError, type Code } from "../errors.ts";
import { StoreAnswer } from "./answer.ts";
import { openS3, type S3Options, type S3Store } from "./client.ts";
import { sendMd5 } from "./delete-versions.ts";
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

export type BucketSetting = "policy" | "lifecycle" | "versioning" | "object lock" | "ACL" | "notification";
export type ObjectMark = "tags" | "ACL" | "retention" | "legal hold";

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

  type Abort = { readonly abortSignal: AbortSignal };
  type Target = typeof owned & { readonly Key: string };
  const settings: Readonly<Record<BucketSetting, readonly [string, (abort: Abort) => Promise<unknown>]>> = {
    policy: [
      "PutBucketPolicy",
      (abort) => client.send(spoil(new PutBucketPolicyCommand({ ...owned, Policy: "" })), abort),
    ],
    lifecycle: [
      "PutBucketLifecycleConfiguration",
      (abort) => client.send(spoil(new PutBucketLifecycleConfigurationCommand(owned)), abort),
    ],
    versioning: [
      "PutBucketVersioning",
      (abort) => client.send(spoil(new PutBucketVersioningCommand({ ...owned, VersioningConfiguration: {} })), abort),
    ],
    "object lock": [
      "PutObjectLockConfiguration",
      (abort) => client.send(spoil(new PutObjectLockConfigurationCommand(owned)), abort),
    ],
    ACL: ["PutBucketAcl", (abort) => client.send(spoil(new PutBucketAclCommand(owned)), abort)],
    notification: [
      "PutBucketNotificationConfiguration",
      (abort) =>
        client.send(
          spoil(new PutBucketNotificationConfigurationCommand({ ...owned, NotificationConfiguration: {} })),
          abort,
        ),
    ],
  };
  const marks: Readonly<Record<ObjectMark, readonly [string, (target: Target, abort: Abort) => Promise<unknown>]>> = {
    tags: [
      "PutObjectTagging",
      (target, abort) => client.send(spoil(new PutObjectTaggingCommand({ ...target, Tagging: { TagSet: [] } })), abort),
    ],
    ACL: ["PutObjectAcl", (target, abort) => client.send(spoil(new PutObjectAclCommand(target)), abort)],
    retention: [
      "PutObjectRetention",
      (target, abort) => client.send(spoil(new PutObjectRetentionCommand(target)), abort),
    ],
    "legal hold": [
      "PutObjectLegalHold",
      (target, abort) => client.send(spoil(new PutObjectLegalHoldCommand(target)), abort),
    ],
  };

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
      const [operation, send] = settings[setting];
      return attempt(operation, null, () => send({ abortSignal: signal }), setting === "ACL" ? NO_ACL : NO_DOCUMENT);
    },
    markObject(mark, key, signal) {
      const [operation, send] = marks[mark];
      const target = { ...owned, Key: key };
      return attempt(
        operation,
        key,
        () => send(target, { abortSignal: signal }),
        mark === "ACL" ? NO_ACL : NO_DOCUMENT,
      );
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** How stores call a document that is none; Ceph and versitygw have the last two. */
const NO_DOCUMENT = ["MalformedXML", "MalformedPolicy", "MalformedACLError", "InvalidArgument", "InvalidRequest"];
/** The last is said to whoever may, of a bucket that takes no ACLs, as new ones do not. */
const NO_ACL = [...NO_DOCUMENT, "AccessControlListNotSupported"];

/**
 * Neither XML nor JSON, so that no store, however obliging, finds anything in it to set. (Ceph 16 takes `{}` for a
 * policy, and sets it.)
 */
const NOT_A_DOCUMENT = "<AirlockCheck";

interface Command {
  readonly middlewareStack: unknown;
}

/** Lets the command send that instead of its own document. */
function spoil<T extends Command>(command: T): T {
  // commands' stacks differ in their input types only, which this middleware does not look at
  const stack = command.middlewareStack as DeleteObjectsCommand["middlewareStack"];
  stack.add(
    (next) => async (args) => {
      // an SDK request; its type is not exported by the client package
      (args.request as { body: string }).body = NOT_A_DOCUMENT;
      return next(args);
    },
    // before the SDK counts the body's bytes and sums them up
    { step: "build", name: "spoil", priority: "high" },
  );
  sendMd5(command);
  return command;
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
        verdict: "allowed",
        detail: `the store would do it: it only refused what was sent (${status}${s3Code === null ? "" : ` ${s3Code}`})`,
      };
  }
  const detail = error.message;
  if (HOPELESS.has(error.code)) throw error;
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
    { subject: key },
  );
}
