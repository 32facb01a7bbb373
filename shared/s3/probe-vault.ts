/**
 * What a vault keeps of S3's promises, found out by trying. Nothing in a vault can be deleted, so the probe uses fixed
 * names, such that a store which keeps its promises gets one small object at the first start of a mover and no more.
 */
import { HeadObjectCommand } from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import { isAirlockError } from "../errors.ts";
import type { DefaultRetention, MultipartUpload } from "../stores.ts";
import { StoreAnswer } from "./answer.ts";
import { NO_ATTRIBUTES } from "./attributes.ts";
import { openS3, type S3Options, type S3Store } from "./client.ts";
import { readDefaultRetention, readLock } from "./lock-reader.ts";
import { isRefused, skewOf } from "./probe-drop-zone.ts";
import { readVersioning, type Versioning } from "./read-versioning.ts";
import type { Integrity } from "./transport.ts";
import { abortUpload, beginUpload, completeUpload, createObject, uploadPart } from "./uploads.ts";

export interface VaultFindings {
  /** A second create-only PUT of one name is refused. */
  readonly createOnlyPut: boolean;
  /** So is completing an upload to a name that exists. */
  readonly createOnlyComplete: boolean;
  /** Bytes that do not match their CRC-32 are refused, with PutObject and with UploadPart. */
  readonly refusesWrongChecksum: boolean;
  /** Bytes that do not match their signed SHA-256 are refused, with PutObject and with UploadPart. */
  readonly refusesWrongPayloadHash: boolean;
  readonly versioning: Versioning;
  /** The bucket's default; `none`: Object Lock is off, or on without a default. */
  readonly retention: DefaultRetention | "none" | "unknown";
  /**
   * Whether an object gets a lock of its own from that default. `none`: the lock is the bucket's alone (versitygw does
   * so), and ends for all that is there with the bucket's. `unknown`: this key may not see it, or there is no default.
   */
  readonly objectLock: "own" | "none" | "unknown";
  readonly clockSkewMs: number | null;
  readonly tls: boolean;
}

export async function probeVault(
  config: StoreConfig,
  moverId: string,
  signal: AbortSignal,
  options: S3Options = {},
): Promise<VaultFindings> {
  await using store = await openS3(config, options);
  const prefix = `_airlock/probe/${moverId}/`;
  const createOnlyPut = await tryCreateOnlyPut(store, `${prefix}create-only`, signal);
  const createOnlyComplete = await tryCreateOnlyComplete(store, `${prefix}create-only`, signal);
  const refuses = (integrity: Integrity) => tryAltered(config, { ...options, integrity }, prefix, signal);
  const retention = await readDefaultRetention(store, signal);
  return {
    createOnlyPut,
    createOnlyComplete,
    refusesWrongChecksum: config.checksums === "auto" && (await refuses("checksum-unsigned")),
    refusesWrongPayloadHash: await refuses("signed-payload"),
    versioning: await readVersioning(store, signal),
    retention,
    objectLock: typeof retention === "string" ? "unknown" : await findObjectLock(store, prefix, retention, signal),
    clockSkewMs: skewOf(store),
    tls: config.endpoint === null || config.endpoint.startsWith("https:"),
  };
}

/** How uploads should be protected, given what the store was seen to do. */
export function chooseIntegrity({ refusesWrongChecksum, tls }: VaultFindings): Integrity {
  return tls && refusesWrongChecksum ? "checksum-unsigned" : "signed-payload";
}

const BODY = Buffer.from("Airlock's start-up probe.\n");

async function tryCreateOnlyPut(store: S3Store, key: string, signal: AbortSignal): Promise<boolean> {
  const create = () => createObject(store, key, BODY, { attributes: NO_ATTRIBUTES, signal }, "STANDARD");
  // only the first start of a mover gets past the first line
  return (await isRefused(create, "already-exists")) || isRefused(create, "already-exists");
}

async function tryCreateOnlyComplete(store: S3Store, key: string, signal: AbortSignal): Promise<boolean> {
  return withUpload(store, key, signal, async (upload) => {
    const part = await uploadPart(store, upload, 1, BODY, signal);
    return isRefused(() => completeUpload(store, upload, [part], signal), "already-exists");
  });
}

/** Bytes that are altered after they were signed: as a part (which leaves nothing), then as an object. */
async function tryAltered(
  config: StoreConfig,
  options: S3Options,
  prefix: string,
  signal: AbortSignal,
): Promise<boolean> {
  await using intact = await openS3(config, options);
  await using altering = await openS3(config, { ...options, transport: "http", alterBodies: true });
  const key = `${prefix}altered-${options.integrity ?? ""}`;
  const partRefused = await withUpload(intact, key, signal, async (upload) => {
    // the store has to take these bytes when they are not altered: else its refusal would say nothing
    const taken = await isTaken(() => uploadPart(intact, upload, 1, BODY, signal));
    return taken && !(await isTaken(() => uploadPart(altering, upload, 1, BODY, signal)));
  });
  // a store that took altered bytes once has this name by now, and answers `already-exists` for ever
  return (
    partRefused &&
    !(await isTaken(() => createObject(altering, key, BODY, { attributes: NO_ATTRIBUTES, signal }, "STANDARD")))
  );
}

/** false: definitely refused for what was sent. */
async function isTaken(attempt: () => Promise<unknown>): Promise<boolean> {
  try {
    await attempt();
    return true;
  } catch (error) {
    if (isAirlockError(error, "already-exists")) return true;
    if (isAirlockError(error) && error.cause instanceof StoreAnswer) {
      const { status, s3Code } = error.cause;
      // Ceph calls an altered payload AccessDenied or SignatureDoesNotMatch
      if ((status === 400 || status === 403 || status === 422 || status === 501) && s3Code !== "RequestTimeout")
        return false;
    }
    throw error;
  }
}

/** Ends the upload, whatever happened; a completed one is no longer there to be ended. */
async function withUpload<T>(
  store: S3Store,
  key: string,
  signal: AbortSignal,
  use: (upload: MultipartUpload) => Promise<T>,
): Promise<T> {
  const upload = await beginUpload(store, key, { attributes: NO_ATTRIBUTES, signal }, "STANDARD");
  try {
    return await use(upload);
  } finally {
    await abortUpload(store, upload, signal);
  }
}

async function findObjectLock(
  store: S3Store,
  prefix: string,
  { mode, days }: DefaultRetention,
  signal: AbortSignal,
): Promise<VaultFindings["objectLock"]> {
  const found = await readObjectLock(store, `${prefix}create-only`, signal);
  if (found !== "none") return found;
  // that one may be older than the bucket's default: this one can't be
  const key = `${prefix}lock-${mode.toLowerCase()}-${days}`;
  await isRefused(
    () => createObject(store, key, BODY, { attributes: NO_ATTRIBUTES, signal }, "STANDARD"),
    "already-exists",
  );
  return readObjectLock(store, key, signal);
}

/** A HEAD shows a lock only to those who may read it; asked outright, the store says which of the two it is. */
async function readObjectLock(store: S3Store, key: string, signal: AbortSignal): Promise<VaultFindings["objectLock"]> {
  const head = store.describe("HeadObject", "read", key);
  const { ObjectLockMode } = await store.run(head, signal, () =>
    store.client.send(new HeadObjectCommand({ ...store.owned, Key: key }), { abortSignal: signal }),
  );
  if (ObjectLockMode !== undefined) return "own";
  const lock = await readLock(store, key, null, signal);
  return typeof lock === "string" ? lock : "own";
}
