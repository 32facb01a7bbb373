import type { VaultReadbackWriter, VaultWriter } from "../shared/stores.ts";
import { readsBack } from "./read-back.ts";

export interface KnownUploads {
  /** The same vault; uploads that are begun through it are known until it has completed or aborted them. */
  readonly vault: VaultWriter | VaultReadbackWriter;
  readonly isKnown: (uploadId: string) => boolean;
}

/** Tells the uploads of this process, which may be at work for days, from those that an earlier one left behind. */
export function trackUploads(vault: VaultWriter | VaultReadbackWriter): KnownUploads {
  const known = new Set<string>();
  return {
    isKnown: (uploadId) => known.has(uploadId),
    vault: {
      bucket: vault.bucket,
      ...(readsBack(vault)
        ? { openArchived: (name, versionId, signal) => vault.openArchived(name, versionId, signal) }
        : {}),
      createObject: (name, body, options) => vault.createObject(name, body, options),
      uploadPart: (upload, number, body, signal) => vault.uploadPart(upload, number, body, signal),
      async beginUpload(name, options) {
        const upload = await vault.beginUpload(name, options);
        known.add(upload.uploadId);
        return upload;
      },
      async completeUpload(upload, parts, signal) {
        const versionId = await vault.completeUpload(upload, parts, signal);
        known.delete(upload.uploadId);
        return versionId;
      },
      async abortUpload(upload, signal) {
        // a move that gives its upload up tries this once: if it fails, upkeep is who tries again
        known.delete(upload.uploadId);
        await vault.abortUpload(upload, signal);
      },
    },
  };
}
