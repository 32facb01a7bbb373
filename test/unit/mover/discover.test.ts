import assert from "node:assert/strict";
import { test } from "node:test";
import { Discovery } from "../../../mover/discover.ts";
import type { DropZoneSource, ListOptions, StoredVersion } from "../../../shared/stores.ts";

/** The only part of a drop-zone that discovery uses, over sorted keys that a test may change. */
class Listing {
  readonly asked: Omit<ListOptions, "signal">[] = [];
  keys: string[];

  constructor(keys: readonly string[]) {
    this.keys = keys.toSorted();
  }

  get source(): DropZoneSource {
    const listPage: DropZoneSource["listPage"] = async ({ prefix, cursor, limit }) => {
      this.asked.push({ prefix, cursor, limit });
      const all = this.keys.filter((key) => key.startsWith(prefix) && (cursor === null || key > cursor));
      const versions = all.slice(0, limit).map(versionOf);
      return { versions, deleteMarkers: [], next: all.length > limit ? (versions.at(-1)?.key ?? null) : null };
    };
    // discovery calls nothing else
    return { listPage } as DropZoneSource;
  }
}

function versionOf(key: string): StoredVersion {
  return { key, versionId: "v1", etag: '"e"', sizeBytes: 1, lastModified: new Date(0), storageClass: "STANDARD" };
}

function keysOf(host: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${host}/${String(index).padStart(6, "0")}`);
}

/** Rounds until all has been seen. */
async function pass(discovery: Discovery): Promise<{ seen: string[]; rounds: string[][] }> {
  const rounds: string[][] = [];
  for (let wholeSeen = false; !wholeSeen;) {
    const round: string[] = [];
    for await (const page of discovery.round(AbortSignal.timeout(5_000))) {
      round.push(...page.versions.map(({ key }) => key));
      ({ wholeSeen } = page);
    }
    rounds.push(round);
  }
  return { seen: rounds.flat(), rounds };
}

test("what fits in one page costs one request", async () => {
  const listing = new Listing([...keysOf("web1", 500), ...keysOf("web2", 500)]);
  const { seen } = await pass(new Discovery(listing.source, ["web1", "web2"]));
  assert.deepEqual(seen, listing.keys);
  assert.equal(listing.asked.length, 1);
});

test("more than that is seen to its last object, with one bucket-wide page of 1,000 a pass and no page twice in a turn", async () => {
  const listing = new Listing([...keysOf("web1", 5_000), "stranger/a"]);
  const discovery = new Discovery(listing.source, ["web1"]);
  for (const _ of [1, 2]) {
    listing.asked.length = 0;
    const { seen } = await pass(discovery);
    assert.deepEqual([...new Set(seen)].toSorted(), listing.keys);
    assert.deepEqual(listing.asked.filter(({ limit }) => limit === 1000).length, 1);
    const turns = listing.asked.slice(1).map(({ prefix, cursor }) => `${prefix} ${cursor}`);
    assert.equal(new Set(turns).size, turns.length);
    assert.equal(turns.length, 314); // 157 pages of 32 below web1/, 157 of the whole
  }
});

test("a flood from one host does not delay what the others send beyond the round that is under way", async () => {
  const listing = new Listing([...keysOf("aaa", 20_000), "web1/object"]);
  const discovery = new Discovery(listing.source, ["aaa", "web1"]);
  const round = async (): Promise<string[]> => {
    const seen: string[] = [];
    for await (const { versions } of discovery.round(AbortSignal.timeout(5_000)))
      seen.push(...versions.map(({ key }) => key));
    return seen;
  };
  assert.ok((await round()).includes("web1/object"));
  listing.keys = [...listing.keys, "web1/object-2"];
  assert.ok((await round()).includes("web1/object-2"));
});

test("a flood has its own host's share of a round, and no other besides", async () => {
  const listing = new Listing([...keysOf("aaa", 20_000), ...keysOf("web1", 20), "stranger/a"]);
  const discovery = new Discovery(listing.source, ["aaa", "web1"]);
  for (const _ of [1, 2, 3]) {
    const seen: string[] = [];
    for await (const { versions } of discovery.round(AbortSignal.timeout(5_000)))
      seen.push(...versions.map(({ key }) => key));
    assert.equal(seen.filter((key) => key.startsWith("aaa/")).length, 32);
    assert.equal(seen.filter((key) => key.startsWith("web1/")).length, 20);
  }
});

test("a round holds a page, however much lies there", async () => {
  const listing = new Listing(keysOf("web1", 20_000));
  for await (const { versions } of new Discovery(listing.source, ["web1"]).round(AbortSignal.timeout(5_000))) {
    assert.ok(versions.length <= 32);
  }
});
