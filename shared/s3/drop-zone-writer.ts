import type { StoreConfig } from "../config/store-config.ts";
import type { DropZoneWriter } from "../stores.ts";
import { openS3, type S3Options } from "./client.ts";
import { beginUpload, completeUpload, createObject, uploadPart } from "./uploads.ts";

/** Objects take the bucket's own storage class. */
export async function openDropZoneWriter(
  config: StoreConfig,
  options: S3Options = {},
): Promise<DropZoneWriter & AsyncDisposable> {
  const store = await openS3(config, options);
  return {
    bucket: config.bucket,
    async createObject(key, body, create) {
      await createObject(store, key, body, create, null);
    },
    beginUpload: (key, create) => beginUpload(store, key, create, null),
    uploadPart: (upload, number, body, signal) => uploadPart(store, upload, number, body, signal),
    async completeUpload(upload, parts, signal) {
      await completeUpload(store, upload, parts, signal);
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
