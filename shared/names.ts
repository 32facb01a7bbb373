import { createHash, randomBytes } from "node:crypto";

/** A host's or set's name. Such names are looked up in Maps only, so `constructor` is a name like any other. */
const SEGMENT = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** Wider than the base32 that {@link newToken} writes: nothing depends on which 26 characters they are. */
const TOKEN = /^[a-z0-9]{26}$/;
const DATE_TIME = /^(\d{4})\/(\d{2})\/(\d{2})\/(\d{2})(\d{2})(\d{2})Z-/;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

export const STATEMENT_SUFFIX = ".airlock.json";
/** S3's limit is 1,024 bytes a key; with the longest host, set and statement suffix a name of 242 bytes always fits. */
export const MAX_NAME_BYTES = 242;
/** S3's limit on a key, in bytes of UTF-8. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const MAX_KEY_BYTES = 1024;
/** What a common file system takes as one name, so that a vault can be copied to a disk. */
const MAX_SEGMENT_BYTES = 255;

declare const vaultName: unique symbol;
/** A name under `archive/`; made by {@link vaultNameOf} only. */
export type VaultName = string & { readonly [vaultName]: true };

export interface DropZoneName {
  readonly host: string;
  readonly set: string;
  /** Upload time to the second, UTC, by the host's clock: a claim. */
  readonly at: Date;
  readonly token: string;
  readonly name: string;
}

export function isHostName(text: string): boolean {
  return SEGMENT.test(text);
}

export const isSetName = isHostName;

/** 128 random bits in lower-case base32 (RFC 4648, unpadded): 26 characters that no one can guess. */
export function newToken(random: (size: number) => Uint8Array = randomBytes): string {
  let bits = 0n;
  for (const byte of random(16)) bits = (bits << 8n) | BigInt(byte);
  bits <<= 2n; // 26 × 5 = 130 bits: padded at the low end, as base32 does
  let text = "";
  for (let shift = 125n; shift >= 0n; shift -= 5n) text += BASE32.charAt(Number((bits >> shift) & 31n));
  return text;
}

/** `<host>/<set>/<YYYY>/<MM>/<DD>/<HHMMSS>Z-<token>/<name>` */
export function formatDropZoneName(parts: DropZoneName): string {
  const { host, set, at, token, name } = parts;
  const iso = at.toISOString();
  const key = `${host}/${set}/${iso.slice(0, 10).replaceAll("-", "/")}/${iso.slice(11, 19).replaceAll(":", "")}Z-${token}/${name}`;
  if (parseDropZoneName(key) === null) throw new RangeError(`not a drop-zone name: ${key}`);
  return key;
}

/** The parts of a drop-zone name, or null when the key does not have exactly that form. */
export function parseDropZoneName(key: string): DropZoneName | null {
  const segments = key.split("/");
  if (segments.length !== 7) return null;
  const [host = "", set = "", year = "", month = "", day = "", stamp = "", name = ""] = segments;
  if (!isHostName(host) || !isSetName(set)) return null;
  const match = DATE_TIME.exec(`${year}/${month}/${day}/${stamp}`);
  const token = stamp.slice(8);
  if (match === null || !TOKEN.test(token)) return null;
  const iso = `${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}.000Z`;
  const at = new Date(iso);
  if (Number.isNaN(at.getTime()) || at.toISOString() !== iso) return null; // 30 February
  if (!isObjectName(name)) return null;
  return { host, set, at, token, name };
}

/** A file's own name with its encoding suffixes: 1 to 242 bytes, no slash, no NUL, not a statement's name. */
export function isObjectName(name: string): boolean {
  const bytes = Buffer.byteLength(name);
  return (
    bytes > 0 &&
    bytes <= MAX_NAME_BYTES &&
    name.isWellFormed() &&
    !name.includes("/") &&
    !name.includes("\0") &&
    name !== "." &&
    name !== ".." &&
    !name.endsWith(STATEMENT_SUFFIX)
  );
}

/** The object whose statement lies at this key, or null when the key is not a statement's. */
export function objectOfStatement(key: string): string | null {
  return key.endsWith(STATEMENT_SUFFIX) ? key.slice(0, -STATEMENT_SUFFIX.length) : null;
}

export interface Source {
  readonly bucket: string;
  readonly key: string;
  /** null: an unversioned bucket, or the version called "null". */
  readonly versionId: string | null;
  /** With or without its quotes. */
  readonly etag: string;
  readonly lastModified: Date;
}

/** First 128 bits of SHA-256 over the source's bucket, key and version, each with its length before it. */
export function sourceId(source: Source): string {
  const version =
    source.versionId === null || source.versionId === "null"
      ? `e${source.etag.replaceAll('"', "")}@${Math.floor(source.lastModified.getTime() / 1000)}`
      : `v${source.versionId}`;
  const hash = createHash("sha256");
  for (const part of [source.bucket, source.key, version]) {
    const bytes = Buffer.from(part, "utf8");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return hash.digest("hex").slice(0, 32);
}

/**
 * The one name that a source has in the vault. No two sources share one, so a name that exists already holds this
 * very source. `attempt` above 0 is for a vault that was found to hold other bytes under the name (`~<id>.1`, …).
 */
export function vaultNameOf(source: Source, attempt = 0): VaultName {
  const id = `~${sourceId(source)}${attempt > 0 ? `.${attempt}` : ""}`;
  const segments = source.key.split("/").map(encodeSegment);
  const basename = segments.at(-1) ?? "";
  const name = ["archive", ...segments.slice(0, -1), id, basename].join("/");
  const fits =
    Buffer.byteLength(name) <= MAX_KEY_BYTES && segments.every((segment) => segment.length <= MAX_SEGMENT_BYTES);
  // the only place where a VaultName is made
  return (fits ? name : `archive/${segments[0] ?? ""}/_long/${id}`) as VaultName;
}

function encodeSegment(segment: string): string {
  if (segment === "") return "%";
  if (segment === ".") return "%2E";
  if (segment === "..") return "%2E%2E";
  let text = "";
  for (const byte of Buffer.from(segment, "utf8")) {
    const character = String.fromCharCode(byte);
    text += /[A-Za-z0-9._=-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}
