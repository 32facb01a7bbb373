import { hash } from "node:crypto";
import { createHashIndex } from "./hash-index.ts";

/** What the ledger says of one name in the vault. */
export interface RecordedObject {
  readonly sizeBytes: number;
  readonly sha256: string;
  /** null: recorded without one. */
  readonly versionId: string | null;
  /** Which mover, by a number that the caller gives it. */
  readonly mover: number;
  readonly segment: number;
  /** When, epoch ms; the earliest counts. */
  readonly atMs: number;
}

export type Sighting = "expected" | "unrecorded" | "other-size" | "other-version" | "again";

/**
 * What the ledger says is there, held against what a listing shows. Columns of numbers instead of objects: about
 * 100 bytes a name, so that a million of them fit into 100 MiB.
 */
export interface ObjectTable {
  readonly size: number;
  /** false: the ledger has recorded another size or digest under the same name before. */
  record(name: string, object: RecordedObject): boolean;
  isRecorded(name: string): boolean;
  /** One version of a listing. What was recorded is seen from then on, whatever is wrong with it. */
  sight(name: string, sizeBytes: number, versionId: string | null): Sighting;
  isSeen(name: string): boolean;
  /** When the name was recorded first, epoch ms; null: it is not. */
  recordedAtMs(name: string): number | null;
  /** What no listing showed. */
  unseen(isExpired: (recordedAtMs: number) => boolean): Unseen;
}

export interface Unseen {
  /** Where those are recorded that have not expired: segments by mover. */
  readonly missing: ReadonlyMap<number, ReadonlySet<number>>;
  readonly expired: { readonly objects: number; readonly bytes: number };
}

export function createObjectTable(): ObjectTable {
  const names = createHashIndex();
  const sizes: number[] = [];
  const digests: number[] = [];
  /** 0: unknown */
  const versions: number[] = [];
  const movers: number[] = [];
  const segments: number[] = [];
  const times: number[] = [];
  const sightings: number[] = [];

  return {
    get size() {
      return names.size;
    },
    record: (name, { sizeBytes, sha256, versionId, mover, segment, atMs }) => {
      const { number, isNew } = names.insert(name);
      const digest = Number.parseInt(sha256.slice(0, 13), 16);
      const version = versionId === null ? 0 : fingerprint(versionId);
      if (!isNew) {
        if (versions[number] === 0) versions[number] = version;
        times[number] = Math.min(times[number] ?? atMs, atMs);
        return sizes[number] === sizeBytes && digests[number] === digest;
      }
      sizes.push(sizeBytes);
      digests.push(digest);
      versions.push(version);
      movers.push(mover);
      segments.push(segment);
      times.push(atMs);
      sightings.push(0);
      return true;
    },
    isRecorded: (name) => names.find(name) !== -1,
    sight: (name, sizeBytes, versionId) => {
      const number = names.find(name);
      if (number === -1) return "unrecorded";
      const before = sightings[number] ?? 0;
      sightings[number] = before + 1;
      if (before > 0) return "again";
      if (sizes[number] !== sizeBytes) return "other-size";
      const version = versions[number] ?? 0;
      return version !== 0 && versionId !== null && version !== fingerprint(versionId) ? "other-version" : "expected";
    },
    isSeen: (name) => (sightings[names.find(name)] ?? 0) > 0,
    recordedAtMs: (name) => times[names.find(name)] ?? null,
    unseen: (isExpired) => {
      const missing = new Map<number, Set<number>>();
      const expired = { objects: 0, bytes: 0 };
      for (const [number, sighting] of sightings.entries()) {
        if (sighting > 0) continue;
        if (isExpired(times[number] ?? 0)) {
          expired.objects += 1;
          expired.bytes += sizes[number] ?? 0;
          continue;
        }
        const mover = movers[number] ?? 0;
        const ofMover = missing.get(mover) ?? new Set();
        missing.set(mover, ofMover.add(segments[number] ?? 0));
      }
      return { missing, expired };
    },
  };
}

/** 52 bits of SHA-256, never 0. Tells what differs by accident; names are told apart by 128 bits. */
function fingerprint(text: string): number {
  return Number.parseInt(hash("sha256", text, "hex").slice(0, 13), 16) || 1;
}
