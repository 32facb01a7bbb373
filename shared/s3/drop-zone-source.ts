import { GetObjectTaggingCommand } from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import type { DropZoneSource, OpenedObject, StoreClock, StoredVersion, UploadLister } from "../stores.ts";
import { openS3, type S3Options } from "./client.ts";
import { createVersionDeleter } from "./delete-versions.ts";
import { blameKey, changed, nonsense } from "./errors.ts";
import { listUploads } from "./list-uploads.ts";
import { listLatest, listVersions } from "./list.ts";

/** S3's limit is 10. */
const MAX_TAGS = 50;

export interface DropZoneSourceOptions extends S3Options {
  /** Decided by the start-up probe. */
  readonly versioned: boolean;
}

export async function openDropZoneSource(
  config: StoreConfig,
  options: DropZoneSourceOptions,
): Promise<DropZoneSource & UploadLister & StoreClock & AsyncDisposable> {
  const store = await openS3(config, options);
  const { versioned } = options;
  const deleteVersions = createVersionDeleter(store, versioned);

  /** Names the version called "null" where it could be another than the latest. */
  function versionIdOf({ versionId }: StoredVersion): string | null {
    return versionId ?? (versioned ? "null" : null);
  }

  return {
    bucket: config.bucket,
    versioned,

    listPage: (page) => (versioned ? listVersions(store, page) : listLatest(store, page)),

    async openVersion(version, range, signal): Promise<OpenedObject> {
      const { key, etag } = version;
      const ifMatch = version.versionId === null ? etag : null;
      const call = store.describe("GetObject", "read", key);
      const opened = await store
        .repeat(signal, () => store.bytes.getObject({ key, versionId: versionIdOf(version), range, ifMatch, signal }))
        .catch((error: unknown) => {
          throw blameKey(error, call);
        });
      if (bare(opened.etag) !== bare(etag) || opened.sizeBytes !== version.sizeBytes) {
        opened.close();
        throw changed(call, "the object is no longer the one that was listed");
      }
      return opened;
    },

    async readTags(version, signal): Promise<ReadonlyMap<string, string>> {
      const call = store.describe("GetObjectTagging", "read", version.key);
      const input = { ...store.owned, Key: version.key, VersionId: versionIdOf(version) ?? undefined };
      const answer = await store
        .run(call, signal, () => store.client.send(new GetObjectTaggingCommand(input), { abortSignal: signal }))
        .catch((error: unknown) => {
          throw blameKey(error, call);
        });
      const tags = answer.TagSet ?? [];
      if (tags.length > MAX_TAGS) throw nonsense(call, `${tags.length} tags`);
      return new Map(tags.map(({ Key = "", Value = "" }) => [Key, Value]));
    },

    deleteVersions,
    listUploads: (page) => listUploads(store, page),
    clockOffsetMs: () => store.clockOffsetMs(),
    requests: () => store.requests(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function bare(etag: string): string {
  return etag.replaceAll('"', "");
}
