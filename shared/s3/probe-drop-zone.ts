/** What a drop-zone keeps of S3's promises, found out by trying. Leaves nothing behind. */
import { DeleteObjectCommand } from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import { AirlockError, isAirlockError } from "../errors.ts";
import type { StoredVersion } from "../stores.ts";
import { NO_ATTRIBUTES } from "./attributes.ts";
import { openS3, type S3Options, type S3Store } from "./client.ts";
import { createVersionDeleter } from "./delete-versions.ts";
import { nonsense } from "./errors.ts";
import { listLatest, listVersions } from "./list.ts";
import { readVersioning } from "./read-versioning.ts";

export interface DropZoneFindings {
  /** Whether objects are listed, read and deleted as versions. */
  readonly versioned: boolean;
  /** Versioning is suspended: what is written now is the version called "null", and the next one takes its place. */
  readonly suspended: boolean;
  /**
   * A delete with another object's ETag in If-Match. `honoured`: refused, as it should be; `ignored`: carried out;
   * `refused`: the store refuses such deletes even when the ETag is right; `not-needed`: versions have ids of their own.
   */
  readonly conditionalDelete: "honoured" | "ignored" | "refused" | "not-needed";
  readonly createOnly: boolean;
  /** How far the store's clock is ahead of this one's; null where it sends no date. */
  readonly clockSkewMs: number | null;
}

const WRONG_ETAG = '"00000000000000000000000000000000"';

export async function probeDropZone(
  config: StoreConfig,
  moverId: string,
  signal: AbortSignal,
  options: S3Options = {},
): Promise<DropZoneFindings> {
  await using store = await openS3(config, options);
  const prefix = `_airlock/probe/${moverId}/`;
  const key = `${prefix}drop-zone`;
  const put = (createOnly: boolean) =>
    store.bytes.putObject({
      key,
      body: Buffer.from("Airlock's start-up probe. It may be deleted.\n"),
      createOnly,
      attributes: NO_ATTRIBUTES,
      storageClass: null,
      signal,
    });

  const { versionId, etag } = await put(false);
  const createOnly = await isRefused(() => put(true), "already-exists");
  const suspended = versionId === null && (await readVersioning(store, signal)) === "suspended";
  const versioned = versionId !== null || suspended;
  const conditionalDelete =
    versionId === null ? await tryConditionalDelete(store, { key, etag, suspended }, signal) : "not-needed";
  await removeOwn(store, { versioned, isThere: versionId !== null }, prefix, signal);
  return { versioned, suspended, conditionalDelete, createOnly, clockSkewMs: skewOf(store) };
}

async function tryConditionalDelete(
  store: S3Store,
  { key, etag, suspended }: { readonly key: string; readonly etag: string; readonly suspended: boolean },
  signal: AbortSignal,
): Promise<DropZoneFindings["conditionalDelete"]> {
  const remove = async (ifMatch: string | null): Promise<void> => {
    const command = new DeleteObjectCommand({
      ...store.owned,
      Key: key,
      IfMatch: ifMatch ?? undefined,
      ...(suspended ? { VersionId: "null" } : {}),
    });
    await store.run(store.describe("DeleteObject", "repeatable", key), signal, () =>
      store.client.send(command, { abortSignal: signal }),
    );
  };
  try {
    await remove(WRONG_ETAG);
    return "ignored";
  } catch (error) {
    if (!isAirlockError(error, "source-changed", "request-invalid")) throw error;
  }
  try {
    await remove(etag);
    return "honoured";
  } catch (error) {
    if (!isAirlockError(error, "source-changed", "request-invalid")) throw error;
    await remove(null);
    return "refused";
  }
}

/** Deletes what is under the probe's own prefix, an earlier probe's remains included, and looks that it is gone. */
async function removeOwn(
  store: S3Store,
  { versioned, isThere }: { readonly versioned: boolean; readonly isThere: boolean },
  prefix: string,
  signal: AbortSignal,
): Promise<void> {
  const list = versioned ? listVersions : listLatest;
  const own = async (): Promise<readonly StoredVersion[]> =>
    (await list(store, { prefix, cursor: null, limit: 1000, signal })).versions;
  const found = await own();
  if (isThere && found.length === 0)
    throw nonsense(store.describe("ListObjectVersions", "read", prefix), "what was just stored is not in it");
  for (const deleted of await createVersionDeleter(store, versioned)(found, signal)) {
    if (deleted.outcome === "failed") throw deleted.error;
  }
  if ((await own()).length > 0) {
    throw new AirlockError("store-unsafe", "deletes are answered as done and are not done", {
      subject: `s3://${store.config.bucket}/${prefix}`,
      remedy: "use a store that deletes what it says it deletes; nothing could ever leave this drop-zone",
    });
  }
}

/** true: refused with exactly this code; false: it was carried out. */
export async function isRefused(attempt: () => Promise<unknown>, code: "already-exists"): Promise<boolean> {
  try {
    await attempt();
    return false;
  } catch (error) {
    if (isAirlockError(error, code)) return true;
    throw error;
  }
}

/** To the second, as the Date header is. */
export function skewOf(store: S3Store): number | null {
  const date = store.lastDate();
  return date === null ? null : date.store.getTime() - date.here.getTime();
}
