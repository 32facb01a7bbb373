/** Pages of a listing. Whoever holds the drop-zone's account writes them: nothing in them is believed unchecked. */
import { ListObjectsV2Command, ListObjectVersionsCommand, type S3Client } from "@aws-sdk/client-s3";
import type { DeleteMarker, ListOptions, ListPage, StoredVersion } from "../stores.ts";
import type { S3Store } from "./client.ts";
import { nonsense, type Call } from "./errors.ts";

/** S3's limit of a page. */
const MAX_PAGE = 1000;
const MAX_KEY_BYTES = 1024;
/** Version ids and ETags are opaque, and S3 documents at most 1,024 bytes for the former. */
const MAX_OPAQUE = 1024;
const MAX_CURSOR = 16 * 1024;

/** Every version and delete marker. */
export async function listVersions(store: S3Store, options: ListOptions): Promise<ListPage> {
  const call = store.describe("ListObjectVersions", "read", options.prefix === "" ? null : options.prefix);
  const [keyMarker = "", versionIdMarker = ""] = parseCursor(options.cursor, call);
  const page = await store.run(call, options.signal, () =>
    send(store.client, options, {
      ...store.owned,
      Prefix: options.prefix,
      MaxKeys: limitOf(options),
      EncodingType: "url",
      ...(keyMarker === "" ? {} : { KeyMarker: keyMarker }),
      ...(versionIdMarker === "" ? {} : { VersionIdMarker: versionIdMarker }),
    }),
  );
  const decode = decoderOf(page.EncodingType);
  const listed = (page.Versions ?? []).map((entry) => ({ ...entry, Key: decode(entry.Key ?? "") }));
  const markers = (page.DeleteMarkers ?? []).map((entry) => ({ ...entry, Key: decode(entry.Key ?? "") }));
  const marker = nextMarker(page.NextKeyMarker ?? "", decode, [listed.at(-1)?.Key ?? "", markers.at(-1)?.Key ?? ""]);
  const next = page.IsTruncated === true ? formatCursor([marker, page.NextVersionIdMarker ?? ""]) : null;
  return checkPage(listed, markers, next, options, call);
}

/**
 * Ceph 16 and moto encode the keys of a page and not its marker. A marker is the last key of its page, so that tells the
 * two forms apart; where it is neither, the documented one is meant.
 */
export function nextMarker(marker: string, decode: (text: string) => string, lastKeys: readonly string[]): string {
  const last = lastKeys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).at(-1);
  return marker === last ? marker : decode(marker);
}

function send(
  client: S3Client,
  { signal }: ListOptions,
  input: ConstructorParameters<typeof ListObjectVersionsCommand>[0],
) {
  return client.send(new ListObjectVersionsCommand(input), { abortSignal: signal });
}

/** What is there now, one entry for a key; `startAfter` is for the first page only. */
export async function listLatest(
  store: S3Store,
  options: ListOptions,
  startAfter: string | null = null,
): Promise<ListPage> {
  const call = store.describe("ListObjectsV2", "read", options.prefix === "" ? null : options.prefix);
  const [token = ""] = parseCursor(options.cursor, call);
  const page = await store.run(call, options.signal, () =>
    store.client.send(
      new ListObjectsV2Command({
        ...store.owned,
        Prefix: options.prefix,
        MaxKeys: limitOf(options),
        EncodingType: "url",
        ...(token === "" ? {} : { ContinuationToken: token }),
        ...(token === "" && startAfter !== null ? { StartAfter: startAfter } : {}),
      }),
      { abortSignal: options.signal },
    ),
  );
  const decode = decoderOf(page.EncodingType);
  const listed = (page.Contents ?? []).map((entry) => ({ ...entry, Key: decode(entry.Key ?? "") }));
  const next = page.IsTruncated === true ? formatCursor([page.NextContinuationToken ?? ""]) : null;
  return checkPage(listed, [], next, options, call);
}

interface ListedMarker {
  readonly Key: string;
  readonly VersionId?: string | undefined;
  readonly LastModified?: Date | undefined;
}

interface ListedEntry extends ListedMarker {
  readonly ETag?: string | undefined;
  readonly Size?: number | undefined;
  readonly StorageClass?: string | undefined;
}

function checkPage(
  listed: readonly ListedEntry[],
  markers: readonly ListedMarker[],
  next: string | null,
  options: ListOptions,
  call: Call,
): ListPage {
  const entries = listed.length + markers.length;
  if (entries > limitOf(options)) throw nonsense(call, `${entries} entries where ${limitOf(options)} were asked for`);
  if (next !== null && (next === options.cursor || next === formatCursor([""]) || next === formatCursor(["", ""]))) {
    throw nonsense(call, "the listing goes on and does not move");
  }
  if (next !== null && next.length > MAX_CURSOR) throw nonsense(call, "an oversized continuation");
  return {
    versions: listed.map((entry) => checkEntry(entry, options.prefix, call)),
    deleteMarkers: markers.map((entry) => checkMarker(entry, options.prefix, call)),
    next,
  };
}

function checkEntry(entry: ListedEntry, prefix: string, call: Call): StoredVersion {
  const { ETag: etag = "", Size: sizeBytes = -1, StorageClass: storageClass = "STANDARD" } = entry;
  if (etag === "" || etag.length > MAX_OPAQUE) throw nonsense(call, "an entry without a usable ETag");
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw nonsense(call, "an entry without a usable size");
  return { ...checkMarker(entry, prefix, call), etag, sizeBytes, storageClass: storageClass.slice(0, 64) };
}

function checkMarker(
  { Key: key, VersionId, LastModified: lastModified }: ListedMarker,
  prefix: string,
  call: Call,
): DeleteMarker {
  if (key === "" || Buffer.byteLength(key) > 4 * MAX_KEY_BYTES) throw nonsense(call, "an entry without a usable key");
  if (!key.startsWith(prefix)) throw nonsense(call, "a key that does not begin with the prefix");
  if (lastModified === undefined || Number.isNaN(lastModified.getTime()))
    throw nonsense(call, "an entry without a usable date");
  if (VersionId !== undefined && VersionId.length > MAX_OPAQUE) throw nonsense(call, "an oversized version id");
  return {
    key,
    versionId: VersionId === undefined || VersionId === "null" || VersionId === "" ? null : VersionId,
    lastModified,
  };
}

function limitOf({ limit }: ListOptions): number {
  return Math.min(Math.max(1, limit), MAX_PAGE);
}

/** A store that does not know `encoding-type` sends keys as they are. */
export function decoderOf(encodingType: string | undefined): (text: string) => string {
  return encodingType === "url" ? decodeKey : (text) => text;
}

/**
 * `+` is a space and %XX a byte of UTF-8. Bytes that are not UTF-8 become U+FFFD: such a key cannot be asked for, and
 * one of them must not keep the page, and with it every other host's objects, from being read.
 */
export function decodeKey(text: string): string {
  const spaced = text.replaceAll("+", " ");
  if (!spaced.includes("%")) return spaced;
  const bytes: Buffer[] = spaced
    .split(/((?:%[0-9A-Fa-f]{2})+)/)
    .map((part, index) => (index % 2 === 1 ? Buffer.from(part.replaceAll("%", ""), "hex") : Buffer.from(part, "utf8")));
  return Buffer.concat(bytes).toString("utf8");
}

/** JSON, because a key may contain whatever would separate the parts. */
export function formatCursor(parts: readonly string[]): string {
  return JSON.stringify(parts);
}

export function parseCursor(cursor: string | null, call: Call): readonly string[] {
  if (cursor === null) return [];
  const parts: unknown = JSON.parse(cursor);
  if (!Array.isArray(parts) || !parts.every((part) => typeof part === "string"))
    throw nonsense(call, "not one of our cursors");
  return parts;
}
