/** Vaults for the operator's tests: hosts that sign, a mover that records, and a store in memory that can be damaged. */
import { createHash, randomBytes } from "node:crypto";
import { AirlockError } from "../../../shared/errors.ts";
import { generateSigningKey, type PublicKey, type SigningKey } from "../../../shared/keys.ts";
import {
  buildSegment,
  formatEntry,
  segmentDigest,
  segmentName,
  type Entry,
  type Holds,
  type NewEntry,
} from "../../../shared/ledger.ts";
import { formatDropZoneName, newToken, vaultNameOf } from "../../../shared/names.ts";
import { signStatement, statementDigest, type EncodingStep, type Statement } from "../../../shared/statement.ts";
import type { DeleteMarker, LockReader, StoredVersion, VaultReader } from "../../../shared/stores.ts";

export const BUCKET = "acme-dropzone";
export const HOUR_MS = 3_600_000;
/** When the fixtures' first objects are recorded. */
export const START = Date.parse("2026-11-21T02:15:04.812Z");

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export interface FixtureObject {
  readonly entry: NewEntry;
  readonly vaultName: string;
  /** The stored bytes. */
  readonly bytes: Uint8Array;
}

export interface ObjectOptions {
  readonly set?: string;
  readonly name?: string;
  readonly bytes?: Uint8Array;
  readonly encoding?: readonly EncodingStep[];
  /** When it was recorded, epoch ms. */
  readonly at?: number;
  /** What is signed instead of the true statement. */
  readonly forge?: (statement: Statement) => Statement;
  /** Signs with another key than the host's. */
  readonly key?: SigningKey;
  /** Takes the next number of the sequence without recording anything for it. */
  readonly skip?: boolean;
}

export interface Host {
  readonly name: string;
  readonly key: SigningKey;
  next(options?: ObjectOptions): FixtureObject;
}

export function createHost(name: string): Host {
  const key = generateSigningKey();
  const epoch = randomBytes(16).toString("base64url");
  let seq = 0;
  let prev: string | null = null;
  const next = (options: ObjectOptions = {}): FixtureObject => {
    const {
      set = "postgres",
      name: fileName = "shop.dump",
      bytes = Buffer.from(`${name} ${seq + 1}`),
      encoding = [],
    } = options;
    seq += 1;
    const at = options.at ?? START + seq * HOUR_MS;
    const key_ = formatDropZoneName({ host: name, set, at: new Date(at - 60_000), token: newToken(), name: fileName });
    const statement: Statement = {
      v: 1,
      bucket: BUCKET,
      key: key_,
      host: name,
      set,
      epoch,
      seq,
      prev,
      size: bytes.length,
      sha256: sha256(bytes),
      encoding: [...encoding],
      startedAt: new Date(at - 90_000).toISOString(),
    };
    prev = statementDigest(statement);
    if (options.skip === true) return next({ ...options, skip: false });
    const signed = signStatement(options.forge?.(statement) ?? statement, options.key ?? key);
    return archive(key_, bytes, at, {
      statement: signed.statement,
      signature: signed.signature,
      hostKey: key.public.id,
    });
  };
  return { name, key, next };
}

/** A foreign object: no statement, and a key of whatever form. */
export function foreignObject(key: string, bytes: Uint8Array, at = START): FixtureObject {
  return archive(key, bytes, at, { statement: null, signature: null, hostKey: null });
}

function archive(
  key: string,
  bytes: Uint8Array,
  at: number,
  signed: Pick<Entry, "statement" | "signature" | "hostKey">,
): FixtureObject {
  const lastModified = new Date(at - 1000);
  const source = { bucket: BUCKET, key, versionId: randomBytes(12).toString("hex"), etag: '"0123"', lastModified };
  const vaultName = vaultNameOf(source);
  const entry: NewEntry = {
    at: new Date(at).toISOString(),
    source: { ...source, lastModified: lastModified.toISOString(), size: bytes.length, tags: [] },
    vault: { name: vaultName, versionId: null },
    sha256: sha256(bytes),
    ...signed,
    exposureMs: 812,
    exposureFrom: "object",
    disposition: "archived",
    findings: [],
  };
  return { entry, vaultName, bytes };
}

export interface FixtureLedger {
  readonly mover: string;
  readonly key: SigningKey;
  /** Whole segments; segment n is at n - 1. */
  readonly segments: Buffer[];
  append(entries: readonly NewEntry[], holds?: Holds | null): void;
}

export function createLedger(mover: string, key = generateSigningKey()): FixtureLedger {
  const segments: Buffer[] = [];
  let index = 0;
  return {
    mover,
    key,
    segments,
    append: (entries, holds = null) => {
      const before = segments.at(-1);
      const header = {
        v: 1 as const,
        mover,
        segment: segments.length + 1,
        prev: before === undefined ? null : segmentDigest(before),
        writtenAt: entries.at(-1)?.at ?? new Date(START).toISOString(),
      };
      const lines = entries.map((entry) => {
        index += 1;
        return formatEntry({ index, ...entry });
      });
      segments.push(buildSegment(header, lines, holds, key));
    },
  };
}

export interface MemoryVersion {
  readonly versionId: string | null;
  readonly bytes: Uint8Array;
  readonly lastModified: Date;
}

/** Names in the order of their bytes, as S3 lists them. */
export interface MemoryVault {
  readonly objects: Map<string, MemoryVersion[]>;
  readonly deleteMarkers: DeleteMarker[];
  put(name: string, bytes: Uint8Array): void;
  putLedger(ledger: FixtureLedger): void;
  putObject(object: FixtureObject): void;
  readonly reader: VaultReader;
}

export function createMemoryVault(pageSize = 1000): MemoryVault {
  const objects = new Map<string, MemoryVersion[]>();
  const deleteMarkers: DeleteMarker[] = [];
  const put = (name: string, bytes: Uint8Array): void => {
    objects.set(name, [{ versionId: null, bytes, lastModified: new Date(START) }]);
  };
  const latest = (name: string): MemoryVersion => {
    const found = objects.get(name)?.[0];
    if (found === undefined) throw new AirlockError("not-found", "404", { subject: name });
    return found;
  };
  const reader: VaultReader = {
    bucket: "acme-vault",
    listPage: async ({ prefix, cursor, limit }) => {
      const all = [...objects].filter(([name]) => name.startsWith(prefix)).toSorted(([a], [b]) => (a < b ? -1 : 1));
      const versions = all.flatMap(([key, list]) => list.map((version) => toStoredVersion(key, version)));
      const first = cursor === null ? 0 : Number(cursor);
      const end = first + Math.min(limit, pageSize);
      const markers = deleteMarkers.filter(({ key }) => key.startsWith(prefix));
      return {
        versions: versions.slice(first, end),
        deleteMarkers: first === 0 ? markers : [],
        next: end < versions.length ? String(end) : null,
      };
    },
    openObject: async (name, _versionId, range) => {
      const { bytes } = latest(name);
      if (range !== null && range.first >= bytes.length) throw new AirlockError("request-invalid", "416");
      const part = range === null ? bytes : bytes.subarray(range.first, range.last + 1);
      return {
        sizeBytes: bytes.length,
        attributes: { metadata: new Map() },
        etag: '"0123"',
        versionId: null,
        tagCount: 0,
        body: (async function* () {
          yield part;
        })(),
        close: () => undefined,
      };
    },
    listMovers: async () => {
      const names = [...objects.keys()].map((name) => /^_airlock\/ledger\/([^/]+)\//.exec(name)?.[1]);
      return [...new Set(names.filter((name) => name !== undefined))];
    },
    ledgerOf: (mover) => ({
      listSegments: async function* (after) {
        const prefix = `_airlock/ledger/${mover}/`;
        const names = [...objects.keys()].filter((name) => name.startsWith(prefix)).toSorted();
        const numbers = names.map((name) => Number(name.slice(prefix.length, prefix.length + 12)));
        yield* numbers.filter((number) => number > after);
      },
      readSegment: async (segment) => latest(segmentName(mover, segment)).bytes,
    }),
  };
  return {
    objects,
    deleteMarkers,
    put,
    putLedger: ({ mover, segments }) => {
      for (const [at, bytes] of segments.entries()) put(segmentName(mover, at + 1), bytes);
    },
    putObject: ({ vaultName, bytes }) => put(vaultName, bytes),
    reader,
  };
}

/** A bucket without Object Lock. */
export const NO_LOCKS: LockReader = { readDefaultRetention: async () => "none", readLock: async () => "none" };

function toStoredVersion(key: string, { versionId, bytes, lastModified }: MemoryVersion): StoredVersion {
  return { key, versionId, etag: '"0123"', sizeBytes: bytes.length, lastModified, storageClass: "STANDARD" };
}

export function keysOf(...keys: readonly (readonly [string, SigningKey])[]): ReadonlyMap<string, readonly PublicKey[]> {
  return new Map(keys.map(([name, key]) => [name, [key.public]]));
}

export interface SmallVault {
  readonly vault: MemoryVault;
  readonly ledger: FixtureLedger;
  readonly web: Host;
  readonly db: Host;
  readonly objects: readonly FixtureObject[];
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly hosts: ReadonlyMap<string, readonly PublicKey[]>;
}

/** A vault as it should be: two hosts, one mover, three segments, six objects. */
export function createSmallVault(pageSize = 1000): SmallVault {
  const web = createHost("web1");
  const db = createHost("db1");
  const ledger = createLedger("mover-a");
  const objects = [web.next(), db.next({ set: "etc" }), web.next(), web.next(), db.next({ set: "etc" }), web.next()];
  ledger.append(objects.slice(0, 2).map(({ entry }) => entry));
  ledger.append(
    objects.slice(2, 5).map(({ entry }) => entry),
    { web1: { "quota-bytes": 3 } },
  );
  ledger.append(objects.slice(5).map(({ entry }) => entry));
  const vault = createMemoryVault(pageSize);
  for (const object of objects) vault.putObject(object);
  vault.putLedger(ledger);
  const movers = keysOf(["mover-a", ledger.key]);
  return { vault, ledger, web, db, objects, movers, hosts: keysOf(["web1", web.key], ["db1", db.key]) };
}
