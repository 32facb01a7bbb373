/**
 * What requests through one client brought into being and nobody removed again: it is seen in the answers, whichever
 * code sent the requests, so that nothing can be forgotten.
 */
import { AbortMultipartUploadCommand, DeleteBucketCommand, DeleteObjectCommand } from "@aws-sdk/client-s3";
import { isAirlockError } from "../errors.ts";
import { StoreAnswer } from "./answer.ts";
import type { S3Store } from "./client.ts";
import { listUploads } from "./list-uploads.ts";
import { listVersions } from "./list.ts";

/** Without a version or an upload's id where the store did not tell it, or nobody heard. */
export type Leftover =
  | { readonly kind: "version" | "marker"; readonly key: string; readonly versionId: string | null }
  | { readonly kind: "upload"; readonly key: string; readonly uploadId: string | null }
  | { readonly kind: "bucket"; readonly bucket: string };

export interface Leftovers {
  /** Removes what the key may remove, and returns the rest. Nothing but what came in answers is touched. */
  tidy(signal: AbortSignal): Promise<readonly Leftover[]>;
}

/** Not Complete: what is completed here is nothing. */
const CREATING: ReadonlySet<string> = new Set([
  "PutObjectCommand",
  "CopyObjectCommand",
  "CreateMultipartUploadCommand",
  "CreateBucketCommand",
]);

/** What is looked at of a command's input and answer: the SDK's own types differ by command. */
interface Seen {
  readonly Bucket?: string;
  readonly Key?: string;
  readonly VersionId?: string;
  readonly UploadId?: string;
  readonly DeleteMarker?: boolean;
  readonly Deleted?: readonly {
    readonly Key?: string;
    readonly VersionId?: string;
    readonly DeleteMarkerVersionId?: string;
  }[];
}

export function watchLeftovers(store: S3Store): Leftovers {
  const left = new Map<string, Leftover>();
  // by what a store calls it: removing it once is removing it
  const add = (leftover: Leftover): unknown => left.set(JSON.stringify(leftover), leftover);
  const remove = (leftover: Leftover): unknown => left.delete(JSON.stringify(leftover));

  const see: Readonly<Record<string, (input: Seen, output: Seen) => unknown>> = {
    CompleteMultipartUploadCommand: ({ Key: key = "" }, { VersionId = null }) =>
      add({ kind: "version", key, versionId: VersionId }),
    PutObjectCommand: ({ Key: key = "" }, { VersionId = null }) => add({ kind: "version", key, versionId: VersionId }),
    CopyObjectCommand: ({ Key: key = "" }, { VersionId = null }) => add({ kind: "version", key, versionId: VersionId }),
    CreateMultipartUploadCommand: ({ Key: key = "" }, { UploadId: uploadId = null }) =>
      add({ kind: "upload", key, uploadId }),
    AbortMultipartUploadCommand: ({ Key: key = "", UploadId: uploadId = "" }) =>
      remove({ kind: "upload", key, uploadId }),
    CreateBucketCommand: ({ Bucket: bucket = "" }) => add({ kind: "bucket", bucket }),
    DeleteBucketCommand: ({ Bucket: bucket = "" }) => remove({ kind: "bucket", bucket }),
    DeleteObjectCommand: ({ Key: key = "", VersionId: asked = null }, { DeleteMarker, VersionId = null }) => {
      if (asked === null && DeleteMarker === true) return add({ kind: "marker", key, versionId: VersionId });
      remove({ kind: "marker", key, versionId: asked });
      return remove({ kind: "version", key, versionId: asked });
    },
    DeleteObjectsCommand: (_, { Deleted = [] }) => {
      for (const { Key: key = "", VersionId: asked = null, DeleteMarkerVersionId: marker } of Deleted) {
        if (asked === null && marker !== undefined) add({ kind: "marker", key, versionId: marker });
        else remove({ kind: "version", key, versionId: asked });
      }
    },
  };
  store.client.middlewareStack.add(
    (next, context) => async (args) => {
      const seen = see[context["commandName"] ?? ""];
      // inputs and answers of all commands; only what is named above is read
      const input = args.input as Seen;
      try {
        const done = await next(args);
        seen?.(input, done.output as Seen);
        return done;
      } catch (error) {
        // nobody heard whether it was done
        const isRefused = error instanceof StoreAnswer && error.status < 500;
        if (!isRefused && CREATING.has(context["commandName"] ?? "")) seen?.(input, {});
        throw error;
      }
    },
    { step: "initialize", name: "watchLeftovers" },
  );

  return {
    async tidy(signal) {
      // the newest first: a marker before the version below it
      for (const leftover of Array.from(left.values()).toReversed()) {
        const exact = await nameExactly(store, leftover, signal);
        let isGone = exact !== null;
        for (const each of exact ?? []) isGone = (await removeLeftover(store, each, signal)) && isGone;
        if (isGone) remove(leftover);
      }
      return [...left.values()];
    },
  };
}

/**
 * Where it is not known which version or upload was made, the store is asked what there is of this name, which nobody
 * else has: without a version, a delete would only add a marker. Null when it does not tell this key.
 */
async function nameExactly(
  store: S3Store,
  leftover: Leftover,
  signal: AbortSignal,
): Promise<readonly Leftover[] | null> {
  if (leftover.kind === "bucket") return [leftover];
  const { kind, key } = leftover;
  const options = { prefix: key, cursor: null, limit: 1000, signal };
  try {
    if (kind === "upload") {
      if (leftover.uploadId !== null) return [leftover];
      const { uploads } = await listUploads(store, options);
      return uploads.filter((found) => found.key === key).map(({ uploadId }) => ({ kind, key, uploadId }));
    }
    if (leftover.versionId !== null) return [leftover];
    const { versions, deleteMarkers } = await listVersions(store, options);
    return [...versions, ...deleteMarkers]
      .filter((found) => found.key === key)
      .map(({ versionId }) => ({ kind, key, versionId }));
  } catch (error) {
    if (isAirlockError(error, "access-denied", "request-invalid")) return null;
    throw error;
  }
}

/** False: the key may not remove it, or the store does not let it go. */
async function removeLeftover(store: S3Store, leftover: Leftover, signal: AbortSignal): Promise<boolean> {
  const { client, owned } = store;
  const abort = { abortSignal: signal };
  const send = (operation: string, key: string | null, attempt: () => Promise<unknown>): Promise<unknown> =>
    store.run(store.describe(operation, "repeatable", key), signal, attempt);
  try {
    if (leftover.kind === "bucket") {
      await send("DeleteBucket", null, () => client.send(new DeleteBucketCommand({ Bucket: leftover.bucket }), abort));
    } else if (leftover.kind === "upload") {
      const upload = { ...owned, Key: leftover.key, UploadId: leftover.uploadId ?? "" };
      await send("AbortMultipartUpload", leftover.key, () =>
        client.send(new AbortMultipartUploadCommand(upload), abort),
      );
    } else {
      const { key, versionId } = leftover;
      const version = { ...owned, Key: key, ...(versionId === null ? {} : { VersionId: versionId }) };
      await send("DeleteObject", key, () => client.send(new DeleteObjectCommand(version), abort));
    }
    return true;
  } catch (error) {
    if (!isAirlockError(error, "access-denied", "request-invalid", "upload-missing", "bucket-missing")) throw error;
    return error.code === "upload-missing" || error.code === "bucket-missing";
  }
}
