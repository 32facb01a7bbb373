import type { StoreConfig } from "../config/store-config.ts";
import type { StoreClock, UploadLister, VaultReadbackWriter, VaultWriter } from "../stores.ts";
import { openS3, type S3Options, type S3Store } from "./client.ts";
import { listUploads } from "./list-uploads.ts";
import { abortUpload, beginUpload, completeUpload, createObject, uploadPart } from "./uploads.ts";

export interface VaultWriterOptions extends S3Options {
  /** null: the bucket's own. */
  readonly storageClass: string | null;
}

type Opened = UploadLister & StoreClock & AsyncDisposable;

/** Without any way to read what is archived. */
export async function openVaultWriter(config: StoreConfig, options: VaultWriterOptions): Promise<VaultWriter & Opened> {
  return writerOf(await openS3(config, options), options);
}

/** For `verify: readback`, and nothing else. */
export async function openVaultReadbackWriter(
  config: StoreConfig,
  options: VaultWriterOptions,
): Promise<VaultReadbackWriter & Opened> {
  const store = await openS3(config, options);
  return {
    ...writerOf(store, options),
    openArchived: (key, versionId, signal) =>
      store.repeat(signal, () => store.bytes.getObject({ key, versionId, range: null, ifMatch: null, signal })),
  };
}

/** Parts and aborts are repeated, since that is harmless; whatever creates a name is tried once. */
function writerOf(store: S3Store, { storageClass }: VaultWriterOptions): VaultWriter & Opened {
  return {
    bucket: store.config.bucket,
    createObject: (name, body, create) => createObject(store, name, body, create, storageClass),
    beginUpload: (name, create) => beginUpload(store, name, create, storageClass),
    uploadPart: (upload, number, body, signal) =>
      store.repeat(signal, () => uploadPart(store, upload, number, body, signal)),
    completeUpload: (upload, parts, signal) => completeUpload(store, upload, parts, signal),
    abortUpload: (upload, signal) => abortUpload(store, upload, signal),
    listUploads: (page) => listUploads(store, page),
    clockOffsetMs: () => store.clockOffsetMs(),
    requests: () => store.requests(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
