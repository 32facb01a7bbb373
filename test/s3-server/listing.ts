/** Walking keys in byte order with prefix, delimiter and page size: the common part of all four listings. */
import { query, type Context } from "./context.ts";
import type { KeyEntry } from "./model.ts";
import { encodeStrict, parseInteger } from "./request.ts";
import { afterPrefix, fromByteString, toByteString, type Keyed, type SortedKeys } from "./sorted-keys.ts";
import { S3Error } from "./errors.ts";
import { element } from "./xml.ts";

export interface ListingOptions {
  /** Byte strings. */
  readonly prefix: string;
  readonly delimiter: string;
  readonly maxKeys: number;
  readonly encodeUrl: boolean;
}

export function parseListing(context: Context, maxName: string): ListingOptions {
  const encoding = query(context, "encoding-type");
  if (encoding !== undefined && encoding.toLowerCase() !== "url") {
    throw new S3Error("InvalidArgument", "Invalid Encoding Method specified in Request", {
      ArgumentName: "encoding-type",
      ArgumentValue: encoding,
    });
  }
  const max = query(context, maxName);
  return {
    prefix: toByteString(query(context, "prefix") ?? ""),
    delimiter: toByteString(query(context, "delimiter") ?? ""),
    maxKeys: max === undefined || max === "" ? 1000 : Math.min(1000, parseInteger(max, maxName, 0, 2 ** 31 - 1)),
    encodeUrl: encoding !== undefined,
  };
}

/** A key, prefix or marker as the listing shows it. */
export function shown(bytes: string, options: ListingOptions): string {
  const text = fromByteString(bytes);
  return options.encodeUrl ? encodeFormUrl(text) : text;
}

/** S3's url encoding: as for forms, but the slash stays. */
export function encodeFormUrl(text: string): string {
  return encodeStrict(text).replaceAll("%20", "+").replaceAll("%2F", "/").replaceAll("%2A", "*").replaceAll("~", "%7E");
}

export interface Walk<Entry> {
  /** In order: entries, and prefixes rolled up (as strings). */
  readonly items: readonly (Entry | string)[];
  readonly isTruncated: boolean;
  /** Where the next page begins, inclusively; undefined at the end. */
  readonly next: string | undefined;
}

/** Walks from `start` (inclusive) over the entries that are accepted, rolling up those with the delimiter after the prefix. */
export function walk<Entry extends Keyed>(
  keys: SortedKeys<Entry>,
  options: ListingOptions,
  start: string,
  accept: (entry: Entry) => boolean,
): Walk<Entry> {
  const items: (Entry | string)[] = [];
  const { prefix, delimiter, maxKeys } = options;
  let position: string | undefined = start < prefix ? prefix : start;
  if (maxKeys === 0) return { items, isTruncated: false, next: undefined };
  while (position !== undefined) {
    let jump: string | undefined;
    for (const entry of keys.from(position)) {
      if (!entry.key.startsWith(prefix)) return { items, isTruncated: false, next: undefined };
      if (!accept(entry)) continue;
      const group = groupOf(entry.key, prefix, delimiter);
      if (items.length === maxKeys) return { items, isTruncated: true, next: group ?? entry.key };
      items.push(group ?? entry);
      if (group === undefined) continue;
      jump = afterPrefix(group);
      break;
    }
    position = jump;
  }
  return { items, isTruncated: false, next: undefined };
}

/** The common prefix under which a key is rolled up, if any. */
export function groupOf(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === "") return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at === -1 ? undefined : key.slice(0, at + delimiter.length);
}

/** The first byte string after `key`. */
export function after(key: string): string {
  return `${key}\u0000`;
}

export function commonPrefixesXml(prefixes: readonly string[], options: ListingOptions): string {
  return prefixes
    .map((prefix) => `<CommonPrefixes>${element("Prefix", shown(prefix, options))}</CommonPrefixes>`)
    .join("");
}

/** Seconds with `.000Z`, as S3 lists times. */
export function listedTime(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString();
}

export function hasCurrentObject(entry: KeyEntry): boolean {
  return entry.versions[0]?.isDeleteMarker === false;
}
