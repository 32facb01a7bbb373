/**
 * What each role can do with a store, as types: a role is handed one of these and no more, so what it may not do does
 * not compile. `shared/s3/` implements them; everything here throws {@link AirlockError} only, with these codes:
 *
 * - `not-found` for a definite 404 and nothing else; `already-exists` for a definite 412 of a create-only write;
 * - `outcome-unknown` when a write may or may not have taken effect (time-out, reset, 5xx, 409): the caller finds out;
 * - `source-changed` when the version that was asked for is no longer the one that is there;
 * - `upload-missing` for NoSuchUpload; `object-unreadable` for SSE-C and archived classes;
 * - `store-unavailable`, `slow-down`, `access-denied`, `credentials-invalid`, `bucket-missing`, `wrong-region`,
 *   `clock-skew`, `request-invalid` as their names say, after the capped retries of what is safe to repeat.
 */
import type { FileHandle } from "node:fs/promises";
import type { VaultName } from "./names.ts";

/** What a store keeps beside the bytes and Airlock carries over; nothing else is. */
export interface ObjectAttributes {
  /** User metadata: lower-case names without `x-amz-meta-`. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  readonly contentDisposition?: string;
  readonly cacheControl?: string;
  /** As the header has it, an HTTP date. */
  readonly expires?: string;
}

/** One exact version, as a listing shows it. */
export interface StoredVersion {
  readonly key: string;
  /** null in an unversioned bucket and for the version called "null". */
  readonly versionId: string | null;
  /** With its quotes, as S3 sends it. */
  readonly etag: string;
  readonly sizeBytes: number;
  /** Whole seconds or milliseconds, as the store has it. For a multipart object: when its upload was begun. */
  readonly lastModified: Date;
  readonly storageClass: string;
}

/** What a delete without a version id leaves behind in a versioned bucket: it hides the versions below it. */
export interface DeleteMarker {
  readonly key: string;
  /** null for the marker called "null". */
  readonly versionId: string | null;
  readonly lastModified: Date;
}

export interface ListPage {
  readonly versions: readonly StoredVersion[];
  /** Those on this page; always empty in an unversioned bucket. */
  readonly deleteMarkers: readonly DeleteMarker[];
  /** Where the next page begins; null on the last one. Opaque. */
  readonly next: string | null;
}

export interface ListOptions {
  readonly prefix: string;
  readonly cursor: string | null;
  /** At most 1,000. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

/** Both ends included, as in HTTP. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** An object whose headers are here and whose body has not been asked for yet. */
export interface OpenedObject {
  readonly sizeBytes: number;
  readonly attributes: ObjectAttributes;
  readonly etag: string;
  readonly versionId: string | null;
  readonly tagCount: number;
  /** Reads the body, once. Ends early only by throwing: a short body is `store-unavailable`. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Drops the connection without reading the body. */
  close(): void;
}

export interface MultipartUpload {
  readonly key: string;
  readonly uploadId: string;
}

/** Bytes in an open file, read anew with each attempt: for parts too large for memory. */
export interface FileSlice {
  readonly file: FileHandle;
  readonly offset: number;
  readonly length: number;
}

export type PartBody = Uint8Array | FileSlice;

export interface UploadedPart {
  /** 1 to 10,000. */
  readonly number: number;
  readonly etag: string;
  /** Base64, where the store was asked for one. */
  readonly checksum: string | null;
}

export interface CreateOptions {
  readonly attributes: ObjectAttributes;
  readonly signal: AbortSignal;
}

/** A host's view of the drop-zone: creates, and nothing else. No call is repeated on its own. */
export interface DropZoneWriter {
  readonly bucket: string;
  /** One create-only PUT (`If-None-Match: *`). */
  createObject(key: string, body: Uint8Array, options: CreateOptions): Promise<void>;
  beginUpload(key: string, options: CreateOptions): Promise<MultipartUpload>;
  /** May be repeated: a part that is sent again replaces itself. */
  uploadPart(upload: MultipartUpload, number: number, body: PartBody, signal: AbortSignal): Promise<UploadedPart>;
  /** Create-only; the moment at which the object becomes visible. */
  completeUpload(upload: MultipartUpload, parts: readonly UploadedPart[], signal: AbortSignal): Promise<void>;
}

/** What became of one version in a batch of deletes. `gone`: it is definitely no longer there. */
export type DeleteOutcome = { readonly version: StoredVersion } & (
  | { readonly outcome: "gone" }
  | { readonly outcome: "failed"; readonly error: Error }
);

/** The mover's view of the drop-zone. */
export interface DropZoneSource {
  readonly bucket: string;
  /** Decided by the start-up probe: whether versions are listed and deleted by id. */
  readonly versioned: boolean;
  listPage(options: ListOptions): Promise<ListPage>;
  /** GET of exactly this version (by id, or with If-Match); a range for parallel readers. */
  openVersion(version: StoredVersion, range: ByteRange | null, signal: AbortSignal): Promise<OpenedObject>;
  readTags(version: StoredVersion, signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** Deletes exactly these versions (by id; without one, only while the ETag is still the same), at most 1,000. */
  deleteVersions(versions: readonly StoredVersion[], signal: AbortSignal): Promise<readonly DeleteOutcome[]>;
  /** Delete markers, which only removals leave and which hide nothing here, are not touched by any role. */
}

/** The mover's view of the vault: adds, and never reads or deletes below `archive/`. */
export interface VaultWriter {
  readonly bucket: string;
  /** One create-only PUT. Returns the vault's version id, null where the bucket has no versions. */
  createObject(name: VaultName, body: Uint8Array, options: CreateOptions): Promise<string | null>;
  beginUpload(name: VaultName, options: CreateOptions): Promise<MultipartUpload>;
  uploadPart(upload: MultipartUpload, number: number, body: Uint8Array, signal: AbortSignal): Promise<UploadedPart>;
  /** Create-only; the moment at which the name comes into being. */
  completeUpload(upload: MultipartUpload, parts: readonly UploadedPart[], signal: AbortSignal): Promise<string | null>;
  abortUpload(upload: MultipartUpload, signal: AbortSignal): Promise<void>;
}

/** The same where `verify: readback` is set, for a store that takes altered bytes: it alone may read what it archived. */
export interface VaultReadbackWriter extends VaultWriter {
  /** `versionId` null: the only (or latest) version. */
  openArchived(name: VaultName, versionId: string | null, signal: AbortSignal): Promise<OpenedObject>;
}

/** An upload that was neither completed nor aborted. */
export interface OpenUpload extends MultipartUpload {
  /** By the store's clock. */
  readonly begunAt: Date;
}

export interface UploadPage {
  readonly uploads: readonly OpenUpload[];
  /** Where the next page begins; null on the last one. Opaque. */
  readonly next: string | null;
}

/** For the mover's upkeep, of either store. */
export interface UploadLister {
  listUploads(options: ListOptions): Promise<UploadPage>;
}

/** How an attempt at a request ended: by the class of its status, or `none` without an answer. */
export type RequestOutcome = "2xx" | "3xx" | "4xx" | "5xx" | "none";

/** A store as its answers show it. */
export interface StoreClock {
  /** How far its clock is ahead of this machine's; 0 while that is not certain. In ms. */
  clockOffsetMs(): number;
  /** Of all attempts so far, those that were tried again included. */
  requests(): Readonly<Record<RequestOutcome, number>>;
}

/** Where one mover's ledger lies. Segments are numbered from 1. */
export interface LedgerStore {
  /** Numbers of the segments after `after`, ascending, found by listing. */
  listSegments(after: number, signal: AbortSignal): AsyncIterable<number>;
  /** Whole: at most 2 MiB, more is `ledger-corrupt`. `not-found` where there is none. */
  readSegment(segment: number, signal: AbortSignal): Promise<Uint8Array>;
  /** Create-only: the commit point of everything that the segment records. */
  createSegment(segment: number, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
}

/** Where one mover's checkpoints lie, each named by the last segment that it sums up. */
export interface CheckpointStore {
  /** Ascending. */
  listCheckpoints(signal: AbortSignal): Promise<readonly number[]>;
  /** Whole: at most 128 MiB, more is `ledger-corrupt`. `not-found` where there is none. */
  readCheckpoint(segment: number, signal: AbortSignal): Promise<Uint8Array>;
  /** Create-only. */
  createCheckpoint(segment: number, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
}

/** Whether an object's bytes can be had now. */
export type Readability =
  | { readonly state: "readable" }
  /** In this archive class: a copy that can be read has to be asked for. */
  | { readonly state: "archived"; readonly storageClass: string }
  /** A copy was asked for and is not there yet. */
  | { readonly state: "under-way"; readonly storageClass: string };

/** How long a copy takes to come, and what it costs. */
export type ArchiveTier = "expedited" | "standard" | "bulk";

/** The operator's view of objects in an archive class. */
export interface ArchivedObjects {
  /** By HEAD alone; some stores keep the name of a class and serve the object all the same. */
  readReadability(name: string, versionId: string | null, signal: AbortSignal): Promise<Readability>;
  /**
   * Asks for a copy that can be read for so many days. Asking again while it is under way does nothing. The operator's
   * own policy denies it: it needs `s3:RestoreObject`.
   */
  requestCopy(
    name: string,
    versionId: string | null,
    request: { readonly days: number; readonly tier: ArchiveTier },
    signal: AbortSignal,
  ): Promise<void>;
}

/** The operator's view of the vault: reads. */
export interface VaultReader {
  readonly bucket: string;
  listPage(options: ListOptions): Promise<ListPage>;
  /** `versionId` null: the only (or latest) version. */
  openObject(
    name: string,
    versionId: string | null,
    range: ByteRange | null,
    signal: AbortSignal,
  ): Promise<OpenedObject>;
  /** The ids of all movers that have a ledger here. */
  listMovers(signal: AbortSignal): Promise<readonly string[]>;
  ledgerOf(mover: string): Pick<LedgerStore, "listSegments" | "readSegment">;
}

/** What a bucket gives to each object that is created in it. */
export interface DefaultRetention {
  readonly mode: "GOVERNANCE" | "COMPLIANCE";
  readonly days: number;
}

/** Until when nobody deletes a version (`GOVERNANCE`: nobody without a permission of its own). */
export interface ObjectLock {
  readonly mode: "GOVERNANCE" | "COMPLIANCE";
  readonly until: Date;
}

/** What of Object Lock the operator may see. */
export interface LockReader {
  /** `none`: Object Lock is off, or on without a default. `unknown`: this key may not see it. */
  readDefaultRetention(signal: AbortSignal): Promise<DefaultRetention | "none" | "unknown">;
  /** `versionId` null: the only (or latest) version. `not-found` where there is none. */
  readLock(name: string, versionId: string | null, signal: AbortSignal): Promise<ObjectLock | "none" | "unknown">;
}
