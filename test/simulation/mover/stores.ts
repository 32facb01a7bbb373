/** The stores as one mover process sees them: the interfaces of `shared/stores.ts`, in memory. */
import { AirlockError } from "../../../shared/errors.ts";
import type {
  ByteRange,
  CheckpointStore,
  DeleteMarker,
  DeleteOutcome,
  DropZoneSource,
  LedgerStore,
  ListOptions,
  ListPage,
  OpenedObject,
  StoredVersion,
  VaultWriter,
} from "../../../shared/stores.ts";
import type { Connection } from "./connection.ts";
import type { Lies } from "./lies.ts";
import type { Vault } from "./vault.ts";
import type { Fate } from "./weather.ts";
import type { Zone, ZoneVersion } from "./zone.ts";

/** `If-Match: *` */
const ANY = "*";
export const DROP_ZONE = "acme-dropzone";

export interface Truth {
  readonly zone: Zone;
  readonly vault: Vault;
  readonly lies: Lies;
  readonly now: () => number;
  /** What the mover is shown, lies included. */
  readonly onShown: (version: StoredVersion) => void;
  /** A version that the mover's delete is about to remove. */
  readonly willDelete: (version: ZoneVersion) => void;
}

const listed = new WeakMap<ZoneVersion, StoredVersion>();

/** The same one again, as long as the version is as it was. */
function storedVersionOf(version: ZoneVersion): StoredVersion {
  const { key, versionId, etag, bytes, lastModified, storageClass } = version;
  const known = listed.get(version);
  if (known?.etag === etag && known.sizeBytes === bytes.length && known.lastModified === lastModified) return known;
  const entry = { key, versionId, etag, sizeBytes: bytes.length, lastModified, storageClass };
  listed.set(version, entry);
  return entry;
}

export function openDropZone(connection: Connection, truth: Truth): DropZoneSource {
  const { zone } = truth;
  return {
    bucket: DROP_ZONE,
    versioned: zone.options.versioned,
    listPage: (options) => connection.call("list", "drop-zone", "read", options.signal, () => listPage(truth, options)),
    openVersion: (version, range, signal) =>
      connection.call(`get ${version.key}`, "drop-zone", "body", signal, (fate) =>
        openVersion(connection, truth, version, range, signal, fate),
      ),
    readTags: (version, signal) =>
      connection.call(`tags ${version.key}`, "drop-zone", "read", signal, () => findExactly(truth, version).tags),
    deleteVersions: (versions, signal) =>
      connection.call(`delete ${versions.map(({ key }) => key).join(" ")}`, "drop-zone", "repeatable", signal, () =>
        versions.flatMap((version) => deleteVersion(truth, version)),
      ),
  };
}

function listPage({ zone, lies, now, onShown }: Truth, { prefix, cursor, limit }: ListOptions): ListPage {
  const nowMs = now();
  const after = cursor === null ? null : (JSON.parse(cursor) as [string, number]); // our own cursor
  const entries = zone.list().filter(({ key, isHidden }) => key.startsWith(prefix) && !isHidden);
  const start = after === null ? 0 : entries.findIndex(({ key, order }) => isPast(key, order, after));
  const page = start < 0 ? [] : entries.slice(start, start + limit);
  const last = page.at(-1);
  const isMore = start >= 0 && start + limit < entries.length;
  const versions = lies.listed(
    page.filter(({ isMarker }) => !isMarker).map((version) => storedVersionOf(version)),
    prefix,
    nowMs,
  );
  for (const version of versions) onShown(version);
  const deleteMarkers = page.filter(({ isMarker }) => isMarker).map((marker): DeleteMarker => marker);
  let next = isMore && last !== undefined ? JSON.stringify([last.key, last.order]) : null;
  if (next === null && lies.tells("never ends", nowMs)) next = JSON.stringify(["~~~~", (after?.[1] ?? 0) + 1]);
  return { versions, deleteMarkers, next };
}

/** Whether an entry comes after the one that the cursor names; keys ascend, and the orders of one key descend. */
function isPast(key: string, order: number, [lastKey, lastOrder]: readonly [string, number]): boolean {
  return key > lastKey || (key === lastKey && order < lastOrder);
}

function findExactly({ zone }: Truth, version: StoredVersion): ZoneVersion {
  const found = zone.find(version.key, version.versionId);
  if (found === null) throw new AirlockError("not-found", "404", { subject: version.key });
  if (found.etag !== version.etag || found.bytes.length !== version.sizeBytes)
    throw new AirlockError("source-changed", "it is no longer the one that was listed", { subject: version.key });
  return found;
}

function openVersion(
  connection: Connection,
  truth: Truth,
  version: StoredVersion,
  range: ByteRange | null,
  signal: AbortSignal,
  fate: Fate,
): OpenedObject {
  const { lies, now } = truth;
  lies.refuseRead(now());
  const found = findExactly(truth, version);
  if (found.isUnreadable) throw new AirlockError("object-unreadable", "SSE-C", { subject: version.key });
  const asked = range === null ? found.bytes : found.bytes.subarray(range.first, range.last + 1);
  return {
    sizeBytes: found.bytes.length,
    attributes: lies.attributes(found.attributes, now()),
    etag: found.etag,
    versionId: found.versionId,
    tagCount: lies.tagCount(found.tags.size, now()),
    body: readBody(connection, lies.body(asked, now()), signal, fate.bodyCutAt),
    close: () => undefined,
  };
}

/** In two chunks, with time between them: long enough for anything to happen. */
async function* readBody(
  connection: Connection,
  bytes: Uint8Array,
  signal: AbortSignal,
  cutAt: number | null,
): AsyncIterable<Uint8Array> {
  const end = cutAt === null ? bytes.length : Math.floor(bytes.length * cutAt);
  const middle = Math.floor(end / 2);
  await connection.wait(3, signal);
  if (middle > 0) yield bytes.subarray(0, middle);
  await connection.wait(5, signal);
  if (end > middle) yield bytes.subarray(middle, end);
  if (cutAt !== null) throw new AirlockError("store-unavailable", "the connection broke off");
}

function deleteVersion({ zone, lies, now, willDelete }: Truth, version: StoredVersion): DeleteOutcome[] {
  if (lies.tells("gone, and is not", now())) return [{ version, outcome: "gone" }];
  if (version.etag === ANY) return deleteByName(zone, willDelete, version);
  const found = zone.find(version.key, version.versionId);
  if (found !== null && version.versionId === null && found.etag !== version.etag) {
    const error = new AirlockError("source-changed", "412", { subject: version.key });
    return [{ version, outcome: "failed", error }];
  }
  if (found !== null) {
    willDelete(found);
    zone.remove(found);
  }
  if (lies.tells("not a word", now())) return [];
  if (lies.tells("failed, and is gone", now()))
    return [{ version, outcome: "failed", error: new AirlockError("store-unavailable", "a lie") }];
  return [{ version, outcome: "gone" }];
}

/** As an S3 store takes a delete without a version: the mover never sends one, unless a test has broken it. */
function deleteByName(zone: Zone, willDelete: Truth["willDelete"], version: StoredVersion): DeleteOutcome[] {
  if (!zone.options.versioned) zone.versionsOf(version.key).forEach(willDelete);
  zone.deleteByName(version.key);
  return [{ version, outcome: "gone" }];
}

export function openVault(connection: Connection, vault: Vault): VaultWriter {
  const copy = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes); // what was sent is what was sent
  return {
    bucket: "acme-vault",
    createObject: (name, body, { attributes, signal }) => {
      const bytes = copy(body);
      return connection.call(`create ${name}`, "vault", "write", signal, () => vault.create(name, bytes, attributes));
    },
    beginUpload: (name, { attributes, signal }) =>
      connection.call(`begin ${name}`, "vault", "write", signal, () => vault.begin(name, attributes)),
    uploadPart: (upload, number, body, signal) => {
      const bytes = copy(body);
      return connection.call(`part ${number} of ${upload.key}`, "vault", "repeatable", signal, () =>
        vault.putPart(upload, number, bytes),
      );
    },
    completeUpload: (upload, parts, signal) =>
      connection.call(`complete ${upload.key}`, "vault", "write", signal, () => vault.complete(upload, parts)),
    abortUpload: (upload, signal) =>
      connection.call(`abort ${upload.key}`, "vault", "repeatable", signal, () => vault.abort(upload)),
  };
}

export function openLedger(connection: Connection, vault: Vault): LedgerStore {
  return {
    async *listSegments(after, signal) {
      yield* await connection.call("list segments", "vault", "read", signal, () =>
        [...vault.segments.keys()].filter((segment) => segment > after).toSorted((a, b) => a - b),
      );
    },
    readSegment: (segment, signal) =>
      connection.call(`read segment ${segment}`, "vault", "read", signal, () => vault.readSegment(segment)),
    createSegment: (segment, bytes, signal) =>
      connection.call(`create segment ${segment}`, "vault", "write", signal, () => vault.createSegment(segment, bytes)),
  };
}

export function openCheckpoints(connection: Connection, vault: Vault): CheckpointStore {
  return {
    listCheckpoints: (signal) =>
      connection.call("list checkpoints", "vault", "read", signal, () =>
        [...vault.checkpoints.keys()].toSorted((a, b) => a - b),
      ),
    readCheckpoint: (segment, signal) =>
      connection.call(`read checkpoint ${segment}`, "vault", "read", signal, () => vault.readCheckpoint(segment)),
    createCheckpoint: (segment, bytes, signal) =>
      connection.call(`create checkpoint ${segment}`, "vault", "write", signal, () =>
        vault.createCheckpoint(segment, bytes),
      ),
  };
}
