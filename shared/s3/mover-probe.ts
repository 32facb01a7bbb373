/**
 * What the mover's two keys can do beyond their work, and whether they can do their work: one method per attempt. None
 * changes anything but the caller's own probe object: documents are none, versions are those of names that nobody has,
 * and what is written comes with a checksum that is another's. For `airlock-mover check` only.
 */
import {
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import type { StoreConfig } from "../config/store-config.ts";
import type { S3Options } from "./client.ts";
import { openKeyProbe, type Attempt, type KeyProbe } from "./key-probe.ts";
import { abortUpload } from "./uploads.ts";

export interface MoverProbe extends Omit<KeyProbe, "store" | "attempt"> {
  /**
   * A PUT of bytes that do not match their Content-MD5, which a store refuses when it has decided that the key may.
   * Every store that was tried decides in that order. `createOnly`: with If-None-Match.
   */
  write(key: string, createOnly: boolean, signal: AbortSignal): Promise<Attempt>;
  /** Whether such a write is refused at all: else there is no harmless one. At a name of the caller's own. */
  refusesWrongBytes(key: string, signal: AbortSignal): Promise<boolean>;
  /** Begins an upload, and ends it again. */
  beginUpload(key: string, signal: AbortSignal): Promise<Attempt>;
  /** A GET with another object's ETag in If-Match: not a byte of the object comes. `versionId` null: whatever is there. */
  read(key: string, versionId: string | null, signal: AbortSignal): Promise<Attempt>;
  head(key: string, signal: AbortSignal): Promise<Attempt>;
  readTags(key: string, signal: AbortSignal): Promise<Attempt>;
  /** Without a version, and only if there is something (If-Match: *), of a name that nobody has. */
  hide(key: string, signal: AbortSignal): Promise<Attempt>;
  /** An object of the caller's own below `_airlock/probe/`, for {@link KeyProbe.markObject}. */
  putOwn(key: string, signal: AbortSignal): Promise<{ readonly versionId: string | null }>;
  removeOwn(key: string, versionId: string | null, signal: AbortSignal): Promise<void>;
}

/** Of what is put to try a key. */
export const BODY = Buffer.from("Airlock's check. It may be deleted.\n");
export const MD5_OF_OTHER_BYTES = createHash("md5").update("other bytes").digest("base64");
export const OTHER_ETAG = '"00000000000000000000000000000000"';
export const WRONG_BYTES = ["BadDigest", "InvalidDigest"];
/** HEAD's answers have no body, and so no code. */
const NOT_THAT_ONE = ["PreconditionFailed", "NoSuchKey", "NoSuchVersion", "412", "404"];

export async function openMoverProbe(config: StoreConfig, options: S3Options = {}): Promise<MoverProbe> {
  return moverAttempts(await openKeyProbe(config, options));
}

export function moverAttempts(probe: KeyProbe): MoverProbe {
  const { store, attempt } = probe;
  const { client, owned } = store;

  function sendWrongBytes(key: string, createOnly: boolean, signal: AbortSignal): Promise<unknown> {
    const condition = createOnly ? { IfNoneMatch: "*" } : {};
    const command = new PutObjectCommand({
      ...owned,
      Key: key,
      Body: BODY,
      ContentMD5: MD5_OF_OTHER_BYTES,
      ...condition,
    });
    return client.send(command, { abortSignal: signal });
  }

  return {
    ...probe,
    write: (key, createOnly, signal) =>
      attempt("PutObject", key, () => sendWrongBytes(key, createOnly, signal), WRONG_BYTES),
    async refusesWrongBytes(key, signal) {
      let isStored = false;
      const { verdict } = await attempt(
        "PutObject",
        key,
        async () => {
          await sendWrongBytes(key, true, signal);
          isStored = true;
        },
        WRONG_BYTES,
      );
      return !isStored && verdict === "allowed";
    },
    beginUpload: (key, signal) =>
      attempt("CreateMultipartUpload", key, async () => {
        const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...owned, Key: key }), {
          abortSignal: signal,
        });
        if (UploadId !== undefined) await abortUpload(store, { key, uploadId: UploadId }, signal);
      }),
    read: (key, versionId, signal) =>
      attempt(
        "GetObject",
        key,
        async () => {
          const input = { ...owned, Key: key, VersionId: versionId ?? undefined, IfMatch: OTHER_ETAG };
          const { Body } = await client.send(new GetObjectCommand(input), { abortSignal: signal });
          // a store that does not look at the condition: its bytes are not wanted
          if (Body !== undefined && "destroy" in Body) Body.destroy();
        },
        NOT_THAT_ONE,
      ),
    head: (key, signal) =>
      attempt(
        "HeadObject",
        key,
        () => client.send(new HeadObjectCommand({ ...owned, Key: key, IfMatch: OTHER_ETAG }), { abortSignal: signal }),
        NOT_THAT_ONE,
      ),
    readTags: (key, signal) =>
      attempt(
        "GetObjectTagging",
        key,
        () => client.send(new GetObjectTaggingCommand({ ...owned, Key: key }), { abortSignal: signal }),
        NOT_THAT_ONE,
      ),
    hide: (key, signal) =>
      attempt(
        "DeleteObject",
        key,
        () => client.send(new DeleteObjectCommand({ ...owned, Key: key, IfMatch: "*" }), { abortSignal: signal }),
        NOT_THAT_ONE,
      ),
    async putOwn(key, signal) {
      const call = store.describe("PutObject", "write", key);
      const { VersionId } = await store.run(call, signal, () =>
        client.send(new PutObjectCommand({ ...owned, Key: key, Body: BODY }), { abortSignal: signal }),
      );
      return { versionId: VersionId ?? null };
    },
    async removeOwn(key, versionId, signal) {
      const command = new DeleteObjectCommand({ ...owned, Key: key, VersionId: versionId ?? undefined });
      await store.run(store.describe("DeleteObject", "repeatable", key), signal, () =>
        client.send(command, { abortSignal: signal }),
      );
    },
  };
}
