import type { StoreConfig } from "../config/store-config.ts";
import type { StoreClock, UploadLister, VaultWriter } from "../stores.ts";
import { openS3, type S3Options } from "./client.ts";
import { listUploads } from "./list-uploads.ts";
import { abortUpload, beginUpload, completeUpload, createObject, uploadPart } from "./uploads.ts";

export interface VaultWriterOptions extends S3Options {
  /** null: the bucket's own. */
  readonly storageClass: string | null;
}

/** Parts and aborts are repeated, since that is harmless; whatever creates a name is tried once. */
export async function openVaultWriter(
  config: StoreConfig,
  options: VaultWriterOptions,
): Promise<VaultWriter & UploadLister & StoreClock & AsyncDisposable> {
  const store = await openS3(config, options);
  const { storageClass } = options;
  return {
    bucket: config.bucket,
    createObject: (name, body, create) => createObject(store, name, body, create, storageClass),
    beginUpload: (name, create) => beginUpload(store, name, create, storageClass),
    uploadPart: (upload, number, body, signal) =>
      store.repeat(signal, () => uploadPart(store, upload, number, body, signal)),
    completeUpload: (upload, parts, signal) => completeUpload(store, upload, parts, signal),
    abortUpload: (upload, signal) => abortUpload(store, upload, signal),
    listUploads: (page) => listUploads(store, page),
    clockOffsetMs: () => store.clockOffsetMs(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
