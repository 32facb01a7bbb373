/** What the drop-zone really holds, whatever it says. Changed by hosts, by attackers and by the mover's deletes. */
import { hash } from "node:crypto";
import type { ObjectAttributes } from "../../../shared/stores.ts";

export interface ZoneVersion {
  readonly key: string;
  /** null in an unversioned bucket. */
  readonly versionId: string | null;
  /** Grows with every write: of one key, the highest is the latest. */
  readonly order: number;
  readonly isMarker: boolean;
  etag: string;
  bytes: Uint8Array;
  lastModified: Date;
  attributes: ObjectAttributes;
  readonly tags: ReadonlyMap<string, string>;
  readonly storageClass: string;
  /** SSE-C or an archived class: every read of it fails for good. */
  readonly isUnreadable: boolean;
  /** Left out of listings, by whoever holds the account. */
  isHidden: boolean;
}

export interface PutOptions {
  readonly metadata?: ReadonlyMap<string, string>;
  readonly contentType?: string;
  readonly tags?: ReadonlyMap<string, string>;
  readonly storageClass?: string;
  readonly isUnreadable?: boolean;
  /** Default: now. For a multipart object: when its upload was begun. */
  readonly lastModifiedMs?: number;
  readonly isMultipart?: boolean;
}

export interface ZoneOptions {
  readonly versioned: boolean;
  /** Last-modified in whole seconds, as many stores have it. */
  readonly wholeSeconds: boolean;
  readonly now: () => number;
}

const digests = new WeakMap<Uint8Array, string>();

/** Hex SHA-256; bytes in the simulation are never changed in place. */
export function digestOf(bytes: Uint8Array): string {
  let digest = digests.get(bytes);
  if (digest === undefined) {
    digest = hash("sha256", bytes, "hex");
    digests.set(bytes, digest);
  }
  return digest;
}

export function etagOf(bytes: Uint8Array, isMultipart: boolean): string {
  return `"${digestOf(bytes).slice(0, 32)}${isMultipart ? "-2" : ""}"`;
}

export class Zone {
  readonly options: ZoneOptions;
  readonly #byKey = new Map<string, ZoneVersion[]>();
  #sorted: readonly ZoneVersion[] | null = null;
  #order = 0;
  /** Grows with every change. */
  changes = 0;

  constructor(options: ZoneOptions) {
    this.options = options;
  }

  put(key: string, bytes: Uint8Array, options: PutOptions = {}): ZoneVersion {
    const { isMultipart = false, lastModifiedMs = this.options.now() } = options;
    return this.#add({
      key,
      bytes,
      etag: etagOf(bytes, isMultipart),
      lastModified: this.#date(lastModifiedMs),
      attributes: {
        metadata: options.metadata ?? new Map(),
        ...(options.contentType === undefined ? {} : { contentType: options.contentType }),
      },
      tags: options.tags ?? new Map(),
      storageClass: options.storageClass ?? "STANDARD",
      isUnreadable: options.isUnreadable ?? false,
      isMarker: false,
    });
  }

  /** A delete without a version id: in a versioned bucket it hides, in another it removes. */
  deleteByName(key: string): void {
    if (!this.options.versioned) {
      for (const version of this.versionsOf(key)) this.remove(version);
      return;
    }
    const bytes = new Uint8Array();
    this.#add({
      key,
      bytes,
      etag: '""',
      lastModified: this.#date(this.options.now()),
      attributes: { metadata: new Map() },
      tags: new Map(),
      storageClass: "STANDARD",
      isUnreadable: false,
      isMarker: true,
    });
  }

  /** Puts back what was removed, as it was, its id included. */
  resurrect(version: ZoneVersion): void {
    const others = this.versionsOf(version.key).filter(({ order }) => order !== version.order);
    this.#byKey.set(version.key, this.options.versioned ? [...others, version] : [version]);
    this.touch();
  }

  remove(version: ZoneVersion): boolean {
    const versions = this.#byKey.get(version.key) ?? [];
    const rest = versions.filter((one) => one !== version);
    if (rest.length === versions.length) return false;
    if (rest.length === 0) this.#byKey.delete(version.key);
    else this.#byKey.set(version.key, rest);
    this.touch();
    return true;
  }

  /** Something of a version was changed in place. */
  touch(): void {
    this.changes++;
    this.#sorted = null;
  }

  has(version: ZoneVersion): boolean {
    return this.versionsOf(version.key).includes(version);
  }

  /** Without delete markers. */
  versionsOf(key: string): readonly ZoneVersion[] {
    return (this.#byKey.get(key) ?? []).filter(({ isMarker }) => !isMarker);
  }

  /** What a GET of that version finds; without an id, the latest. */
  find(key: string, versionId: string | null): ZoneVersion | null {
    const versions = this.versionsOf(key);
    if (this.options.versioned) return versions.find((version) => version.versionId === versionId) ?? null;
    return versions[0] ?? null;
  }

  /** By key, and newest first within one; delete markers too. */
  list(): readonly ZoneVersion[] {
    this.#sorted ??= [...this.#byKey.values()]
      .flat()
      .toSorted((a, b) => (a.key === b.key ? b.order - a.order : a.key < b.key ? -1 : 1));
    return this.#sorted;
  }

  #add(given: Omit<ZoneVersion, "versionId" | "order" | "isHidden">): ZoneVersion {
    const order = ++this.#order;
    const versionId = this.options.versioned ? `v${String(order).padStart(6, "0")}` : null;
    const version: ZoneVersion = { ...given, versionId, order, isHidden: false };
    const others = this.options.versioned ? (this.#byKey.get(given.key) ?? []) : [];
    this.#byKey.set(given.key, [...others, version]);
    this.touch();
    return version;
  }

  #date(ms: number): Date {
    return new Date(this.options.wholeSeconds ? Math.floor(ms / 1000) * 1000 : ms);
  }
}
