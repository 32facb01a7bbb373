/** What a key may do to the bucket as a whole, and beside it; for `airlock audit`. */
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketPolicyCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  ListBucketsCommand,
  PutBucketPolicyCommand,
} from "@aws-sdk/client-s3";
import type { Attempt, KeyProbe } from "./key-probe.ts";
import { readVersioning } from "./read-versioning.ts";
import { spoil } from "./spoiled.ts";

export interface BucketAttempts {
  /** Also where it is not told: then it is the safer guess, since more is forbidden. */
  keepsVersions(signal: AbortSignal): Promise<boolean>;
  readSetting(setting: "policy" | "versioning" | "object lock", signal: AbortSignal): Promise<Attempt>;
  /** Denied also where nothing is shown: some stores show everybody his own buckets. */
  listBuckets(signal: AbortSignal): Promise<Attempt>;
  /** With what is no document; one that a store makes all the same is removed by `tidy`. */
  createBucket(name: string, signal: AbortSignal): Promise<Attempt>;
  /** Only for a bucket that certainly is not empty, which no store removes. */
  deleteFullBucket(signal: AbortSignal): Promise<Attempt>;
  /** As `setBucket("policy")`, and what a store makes of it is undone. */
  setPolicy(takesAnything: boolean, signal: AbortSignal): Promise<Attempt>;
}

/** What whoever may read it hears where there is none. */
const NOT_SET = ["NoSuchBucketPolicy", "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"];
const NOT_EMPTY = ["BucketNotEmpty", "VersionedBucketNotEmpty"];
const NO_BUCKET = ["MalformedXML", "IllegalLocationConstraintException", "InvalidLocationConstraint"];

export function bucketAttempts(probe: KeyProbe): BucketAttempts {
  const { store, attempt } = probe;
  const { client, owned } = store;
  return {
    keepsVersions: async (signal) => {
      const versioning = await readVersioning(store, signal);
      return versioning === "enabled" || versioning === "unknown";
    },
    readSetting: (setting, signal) => {
      const abort = { abortSignal: signal };
      if (setting === "policy")
        return attempt("GetBucketPolicy", null, () => client.send(new GetBucketPolicyCommand(owned), abort), NOT_SET);
      return setting === "versioning"
        ? attempt("GetBucketVersioning", null, () => client.send(new GetBucketVersioningCommand(owned), abort))
        : attempt(
            "GetObjectLockConfiguration",
            null,
            () => client.send(new GetObjectLockConfigurationCommand(owned), abort),
            NOT_SET,
          );
    },
    async listBuckets(signal) {
      let shown = 0;
      const tried = await attempt("ListBuckets", null, async () => {
        shown = (await client.send(new ListBucketsCommand({}), { abortSignal: signal })).Buckets?.length ?? 0;
      });
      if (tried.verdict !== "allowed" || shown > 0) return tried;
      return { verdict: "denied", detail: "the store shows it none" };
    },
    createBucket: (name, signal) =>
      attempt(
        "CreateBucket",
        null,
        () => {
          const CreateBucketConfiguration = { LocationConstraint: "EU" } as const;
          const command = spoil(new CreateBucketCommand({ Bucket: name, CreateBucketConfiguration }));
          return client.send(command, { abortSignal: signal });
        },
        NO_BUCKET,
      ),
    deleteFullBucket: (signal) =>
      attempt(
        "DeleteBucket",
        null,
        () => client.send(new DeleteBucketCommand(owned), { abortSignal: signal }),
        NOT_EMPTY,
      ),
    async setPolicy(takesAnything, signal) {
      const abort = { abortSignal: signal };
      const read = async (): Promise<{ readonly attempt: Attempt; readonly text: string | null }> => {
        let text: string | null = null;
        const send = async (): Promise<void> => {
          text = (await client.send(new GetBucketPolicyCommand(owned), abort)).Policy ?? null;
        };
        return { attempt: await attempt("GetBucketPolicy", null, send, NOT_SET), text };
      };
      const before = await read();
      if (takesAnything && before.attempt.verdict !== "allowed") {
        return {
          verdict: "unknown",
          detail: "the store takes altered bytes and does not show its policy, so none is tried that it might keep",
        };
      }
      const tried = await probe.setBucket("policy", signal);
      if (before.attempt.verdict !== "allowed" || tried.verdict !== "allowed") return tried;
      const after = await read();
      if (after.text === before.text) return tried;
      const restore = (): Promise<unknown> =>
        before.text === null
          ? client.send(new DeleteBucketPolicyCommand(owned), abort)
          : client.send(new PutBucketPolicyCommand({ ...owned, Policy: before.text }), abort);
      await store.run(store.describe("PutBucketPolicy", "repeatable", null), signal, restore);
      return { ...tried, detail: "the store took what is no policy for one; the former is back" };
    },
  };
}
