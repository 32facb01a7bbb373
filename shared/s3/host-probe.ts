/**
 * What a host's key can do beyond its work, tried for real: one method per attempt, none of which can harm anything but
 * the caller's own fresh object. For `airlock-uploader check` only; nothing here is retried.
 */
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
} from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import type { S3Options } from "./client.ts";
import { openKeyProbe, type Attempt, type KeyProbe } from "./key-probe.ts";

export interface HostProbe
  extends Pick<KeyProbe, "list" | "listVersions" | "deleteVersion" | "setBucket">, AsyncDisposable {
  /** Create-only PUT of these bytes. */
  create(key: string, body: Uint8Array, signal: AbortSignal): Promise<Attempt>;
  /** PUT without a condition: of the caller's own object, with bytes that it has already. */
  overwrite(key: string, body: Uint8Array, signal: AbortSignal): Promise<Attempt>;
  head(key: string, signal: AbortSignal): Promise<Attempt>;
  get(key: string, signal: AbortSignal): Promise<Attempt>;
  copy(from: string, to: string, signal: AbortSignal): Promise<Attempt>;
  listUploads(prefix: string, signal: AbortSignal): Promise<Attempt>;
  putTags(key: string, signal: AbortSignal): Promise<Attempt>;
  putAcl(key: string, signal: AbortSignal): Promise<Attempt>;
  /** A retention that has ended already: no store sets it, and a key without the power hears so first. */
  putRetention(key: string, signal: AbortSignal): Promise<Attempt>;
  delete(key: string, signal: AbortSignal): Promise<Attempt>;
  deleteBatch(key: string, signal: AbortSignal): Promise<Attempt>;
  /** Begins an upload of its own for it; where that can't be ended, it stays for the bucket's lifecycle rule. */
  listPartsAndAbort(
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly listParts: Attempt; readonly abort: Attempt }>;
}

export async function openHostProbe(config: StoreConfig, options: S3Options = {}): Promise<HostProbe> {
  const probe = await openKeyProbe(config, options);
  const { store, attempt } = probe;
  const { client, owned } = store;

  return {
    ...probe,
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
    delete: (key, signal) =>
      attempt("DeleteObject", key, () =>
        client.send(new DeleteObjectCommand({ ...owned, Key: key }), { abortSignal: signal }),
      ),
    deleteBatch: (key, signal) => probe.deleteBatch(key, null, signal),
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
  };
}
