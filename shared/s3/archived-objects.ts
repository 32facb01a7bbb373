import { HeadObjectCommand, RestoreObjectCommand, type Tier } from "@aws-sdk/client-s3";
import type { ArchivedObjects, ArchiveTier } from "../stores.ts";
import { StoreAnswer } from "./answer.ts";
import type { S3Store } from "./client.ts";
import { sendMd5 } from "./delete-versions.ts";

const ARCHIVE_CLASSES = new Set(["GLACIER", "DEEP_ARCHIVE"]);
const TIERS = { expedited: "Expedited", standard: "Standard", bulk: "Bulk" } satisfies Record<ArchiveTier, Tier>;

/**
 * Objects in S3 Glacier Flexible Retrieval, Deep Archive, and the archive tiers of Intelligent-Tiering.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
 */
export function openArchivedObjects(store: S3Store): ArchivedObjects {
  const nameOf = (name: string, versionId: string | null) => ({
    ...store.owned,
    Key: name,
    VersionId: versionId ?? undefined,
  });

  const readHead = (name: string, versionId: string | null, signal: AbortSignal) =>
    store.run(store.describe("HeadObject", "read", name), signal, () =>
      store.client.send(new HeadObjectCommand(nameOf(name, versionId)), { abortSignal: signal }),
    );

  return {
    readReadability: async (name, versionId, signal) => {
      const { StorageClass, ArchiveStatus, Restore } = await readHead(name, versionId, signal);
      const storageClass = ArchiveStatus ?? StorageClass ?? "STANDARD";
      if (ArchiveStatus === undefined && !ARCHIVE_CLASSES.has(storageClass)) return { state: "readable" };
      if (Restore?.includes('ongoing-request="true"') === true) return { state: "under-way", storageClass };
      return Restore?.includes('ongoing-request="false"') === true
        ? { state: "readable" }
        : { state: "archived", storageClass };
    },

    requestCopy: async (name, versionId, { days, tier }, signal) => {
      // an Intelligent-Tiering object moves to its readable tier for good
      const { ArchiveStatus } = await readHead(name, versionId, signal);
      const GlacierJobParameters = { Tier: TIERS[tier] };
      const RestoreRequest =
        ArchiveStatus === undefined ? { Days: days, GlacierJobParameters } : { GlacierJobParameters };
      // asked again, it does nothing, or keeps the copy that is there for longer
      const call = store.describe("RestoreObject", "repeatable", name);
      await store.run(call, signal, async () => {
        const command = new RestoreObjectCommand({ ...nameOf(name, versionId), RestoreRequest });
        if (store.config.checksums === "required-only") sendMd5(command);
        try {
          await store.client.send(command, { abortSignal: signal });
        } catch (error) {
          if (!(error instanceof StoreAnswer && error.s3Code === "RestoreAlreadyInProgress")) throw error;
        }
      });
    },
  };
}
