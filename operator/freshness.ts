/** Whether what should keep coming still comes, as the vault shows it: pure, from what the index has. */
import type { Expectation } from "../shared/config/expect.ts";
import type { PublicKey } from "../shared/keys.ts";
import { keysValidAt } from "../shared/keys.ts";
import type { ListedSet } from "./index-reader.ts";
import type { ListedObject } from "./listed-object.ts";

/** What `airlock-uploader check` stores: proof of the way, and no backup. */
const CHECK_SET = "check";

export type Freshness = "fresh" | "stale" | "never" | "not-judged";

export interface FreshSet {
  readonly host: string;
  /** null: any set of the host's. */
  readonly set: string | null;
  readonly state: Freshness;
  /** How old the newest may be; null: nobody said. */
  readonly everyMs: number | null;
  /** The newest backup that counts. null: there is none. */
  readonly newest: Newest | null;
}

export interface Newest {
  /** When it was complete in the drop-zone, and not when it was let in from a hold. */
  readonly completedAt: Date;
  readonly sizeBytes: number;
}

export interface FreshnessRequest {
  readonly hosts: ReadonlyMap<string, readonly PublicKey[]>;
  readonly expect: ReadonlyMap<string, ReadonlyMap<string, Expectation>>;
  readonly staleAfterMs: number;
  readonly now: Date;
}

/**
 * Each set that is expected; each host that is configured and of which no set is expected by name, by any of its sets;
 * and what else there is, not judged. By name.
 * @param objectsOf a set's, newest first
 */
export function judgeFreshness(
  sets: readonly ListedSet[],
  objectsOf: (set: ListedSet) => Iterable<ListedObject>,
  { hosts, expect, staleAfterMs, now }: FreshnessRequest,
): readonly FreshSet[] {
  const judged: FreshSet[] = [];
  const backups = sets.filter((set) => set.set !== CHECK_SET);
  const newestOf = (set: ListedSet, minSizeBytes: number): Newest | null =>
    findNewest(objectsOf(set), hosts.has(set.host) && set.set !== null, minSizeBytes, now);
  for (const host of [...new Set([...hosts.keys(), ...expect.keys(), ...backups.map((set) => set.host)])].toSorted()) {
    const own = backups.filter((set) => set.host === host);
    const expected = expect.get(host) ?? new Map<string, Expectation>();
    for (const [name, { everyMs, minSizeBytes }] of expected) {
      const set = own.find((one) => one.set === name);
      const newest = set === undefined ? null : newestOf(set, minSizeBytes);
      judged.push({ host, set: name, newest, everyMs, state: stateOf(newest, everyMs, now) });
    }
    const others = own
      .filter(({ set }) => set === null || !expected.has(set))
      .map((set): FreshSet => {
        const newest = newestOf(set, 0);
        return { host, set: set.set ?? set.group, newest, everyMs: null, state: "not-judged" };
      });
    if (expected.size === 0 && hosts.has(host)) {
      // foreign objects are nobody's word that backups still come
      const signed = others.filter((_, at) => own[at]?.set !== null);
      const newest = latestOf(signed.map((one) => one.newest));
      judged.push({ host, set: null, newest, everyMs: staleAfterMs, state: stateOf(newest, staleAfterMs, now) });
    }
    judged.push(...others);
  }
  return judged;
}

/** Of a host with keys only what it signed counts: else whoever can write there could make a silent host look well. */
function findNewest(
  objects: Iterable<ListedObject>,
  isSigned: boolean,
  minSizeBytes: number,
  now: Date,
): Newest | null {
  let newest: Newest | null = null;
  for (const { at, exposureMs, statement, sizeBytes } of objects) {
    // nothing is complete after it was recorded, so what was recorded earlier than that can't be newer
    if (newest !== null && at <= newest.completedAt) break;
    if (sizeBytes < minSizeBytes || statement !== (isSigned ? "verified" : "unsigned")) continue;
    // a mover whose clock is ahead, or that is no longer ours, does not keep anything fresh for the days to come
    const completedAt = new Date(Math.min(at.getTime() - (exposureMs ?? 0), now.getTime()));
    if (newest === null || completedAt > newest.completedAt) newest = { completedAt, sizeBytes };
  }
  return newest;
}

function latestOf(all: readonly (Newest | null)[]): Newest | null {
  return all.reduce(
    (best, one) => (one !== null && (best === null || one.completedAt > best.completedAt) ? one : best),
    null,
  );
}

function stateOf(newest: Newest | null, everyMs: number, now: Date): Freshness {
  if (newest === null) return "never";
  return now.getTime() - newest.completedAt.getTime() > everyMs ? "stale" : "fresh";
}

export type LedgerState = "running" | "stopped" | "silent" | "retired";

/** @param writtenAt when its last segment was written; null: there is none */
export function judgeLedger(
  keys: readonly PublicKey[],
  writtenAt: Date | null,
  staleAfterMs: number,
  now: Date,
): LedgerState {
  // nobody expects anything from a mover none of whose keys counts any more
  if (keysValidAt(keys, now).length === 0) return "retired";
  if (writtenAt === null) return "silent";
  return now.getTime() - writtenAt.getTime() > staleAfterMs ? "stopped" : "running";
}
