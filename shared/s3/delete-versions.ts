/** Deletes of exact versions: in one batch where that is possible, singly where it is not. */
import { DeleteObjectCommand, DeleteObjectsCommand } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { AirlockError, isAirlockError } from "../errors.ts";
import type { DeleteOutcome, StoredVersion } from "../stores.ts";
import type { S3Store } from "./client.ts";
import { blameKey, errorOfCode } from "./errors.ts";

const MAX_BATCH = 1000;
const SINGLE_PARALLEL = 16;
/** XML carries neither control characters nor non-characters, and parsers fold some of what it does carry. */
const FIT_FOR_XML = /^[\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufffc]*$/;

export type DeleteVersions = (
  versions: readonly StoredVersion[],
  signal: AbortSignal,
) => Promise<readonly DeleteOutcome[]>;

/** `versioned`: whether the bucket is; then even the version called "null" is named. */
export function createVersionDeleter(store: S3Store, versioned: boolean): DeleteVersions {
  /** Some stores know no batches, or refuse them to all but the bucket's owner. */
  let batches = versioned;

  async function deleteVersions(
    versions: readonly StoredVersion[],
    signal: AbortSignal,
  ): Promise<readonly DeleteOutcome[]> {
    if (versions.length > MAX_BATCH) throw new RangeError(`at most ${MAX_BATCH} versions at once`);
    const batch =
      batches && versions.length > 1
        ? versions.filter(({ key, versionId }) => versionId !== null && FIT_FOR_XML.test(key))
        : [];
    const left = new Set(versions);
    const outcomes: DeleteOutcome[] = [];
    if (batch.length > 1) {
      const done = await deleteBatch(batch, signal);
      for (const outcome of done ?? []) {
        left.delete(outcome.version);
        outcomes.push(outcome);
      }
    }
    outcomes.push(...(await deleteSingly([...left], signal)));
    return outcomes;
  }

  /** null: this store takes no batches. */
  async function deleteBatch(
    batch: readonly StoredVersion[],
    signal: AbortSignal,
  ): Promise<readonly DeleteOutcome[] | null> {
    const call = store.describe("DeleteObjects", "repeatable", null);
    try {
      const answer = await store.run(call, signal, () => {
        const Objects = batch.map(({ key, versionId }) => ({ Key: key, VersionId: versionId ?? undefined }));
        const command = new DeleteObjectsCommand({ ...store.owned, Delete: { Objects, Quiet: false } });
        if (store.config.checksums === "required-only") sendMd5(command);
        return store.client.send(command, { abortSignal: signal });
      });
      const gone = new Set((answer.Deleted ?? []).map(({ Key, VersionId }) => JSON.stringify([Key, VersionId])));
      const failed = new Map(
        (answer.Errors ?? []).map(({ Key, VersionId, Code }) => [JSON.stringify([Key, VersionId]), Code]),
      );
      return batch.map((version): DeleteOutcome => {
        const id = JSON.stringify([version.key, version.versionId]);
        const code = failed.get(id);
        if (code === undefined && gone.has(id)) return { version, outcome: "gone" };
        return outcomeOf(
          version,
          errorOfCode(code ?? null, store.describe("DeleteObjects", "repeatable", version.key)),
        );
      });
    } catch (error) {
      if (isAirlockError(error, "access-denied", "request-invalid")) {
        batches = false;
        return null;
      }
      if (!(error instanceof AirlockError)) throw error;
      return batch.map((version) => ({ version, outcome: "failed", error }));
    }
  }

  async function deleteSingly(
    versions: readonly StoredVersion[],
    signal: AbortSignal,
  ): Promise<readonly DeleteOutcome[]> {
    const outcomes: DeleteOutcome[] = [];
    const queue = versions.values();
    const work = async (): Promise<void> => {
      for (const version of queue) outcomes.push(await deleteOne(version, signal));
    };
    await Promise.all(Array.from({ length: Math.min(SINGLE_PARALLEL, versions.length) }, work));
    return outcomes;
  }

  async function deleteOne(version: StoredVersion, signal: AbortSignal): Promise<DeleteOutcome> {
    const call = store.describe("DeleteObject", "repeatable", version.key);
    const command = () =>
      new DeleteObjectCommand({
        ...store.owned,
        Key: version.key,
        ...(version.versionId === null
          ? { IfMatch: version.etag, ...(versioned ? { VersionId: "null" } : {}) }
          : { VersionId: version.versionId }),
      });
    try {
      await store.run(call, signal, () => store.client.send(command(), { abortSignal: signal }));
      return { version, outcome: "gone" };
    } catch (thrown) {
      const error = blameKey(thrown, call);
      if (!(error instanceof AirlockError)) throw error;
      return outcomeOf(version, error);
    }
  }

  return deleteVersions;
}

/** A definite 404 is what was wanted. */
function outcomeOf(version: StoredVersion, error: AirlockError): DeleteOutcome {
  return error.code === "not-found" ? { version, outcome: "gone" } : { version, outcome: "failed", error };
}

/** For stores older than the SDK's checksums: a command that brings a document, with a Content-MD5 instead. */
export function sendMd5(command: { readonly middlewareStack: unknown }): void {
  // commands' stacks differ in their input types only, which this middleware does not look at
  const stack = command.middlewareStack as DeleteObjectsCommand["middlewareStack"];
  stack.add(
    (next) => async (args) => {
      // an SDK request; its type is not exported by the client package
      const { headers, body } = args.request as { headers: Record<string, string>; body: string };
      for (const name of Object.keys(headers)) if (/^x-amz-(checksum-|sdk-checksum-)/.test(name)) delete headers[name];
      headers["content-md5"] = createHash("md5").update(body).digest("base64");
      return next(args);
    },
    // after the SDK has added its checksum, before it signs
    { step: "build", name: "sendMd5", priority: "low" },
  );
}
