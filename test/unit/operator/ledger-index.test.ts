import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { indexFileOf } from "../../../operator/index-file.ts";
import type { ObjectFilter } from "../../../operator/index-reader.ts";
import { openLedgerIndex, type LedgerIndex } from "../../../operator/ledger-index.ts";
import { isSelected, parseSelector } from "../../../operator/selector.ts";
import { generateSigningKey } from "../../../shared/keys.ts";
import { segmentName, type NewEntry } from "../../../shared/ledger.ts";
import {
  createHost,
  createLedger,
  createMemoryVault,
  createSmallVault,
  foreignObject,
  HOUR_MS,
  keysOf,
  START,
  type FixtureObject,
  type SmallVault,
} from "./fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "airlock-index-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const freshFile = (): string => join(folder, `cache-${++files}`, "vault.index");

type Setting = Pick<SmallVault, "vault" | "movers" | "hosts">;

interface Opened {
  readonly index: LedgerIndex;
  /** Segments that were read of the vault. */
  readonly read: readonly string[];
  readonly remarks: readonly string[];
}

async function open({ vault, movers, hosts }: Setting, file: string | null, rebuild = false): Promise<Opened> {
  const [read, remarks]: [string[], string[]] = [[], []];
  const reader: typeof vault.reader = {
    ...vault.reader,
    ledgerOf: (mover) => {
      const store = vault.reader.ledgerOf(mover);
      const readSegment: typeof store.readSegment = (segment, signal) => {
        read.push(`${mover} ${segment}`);
        return store.readSegment(segment, signal);
      };
      return { ...store, readSegment };
    },
  };
  const index = await openLedgerIndex({
    reader,
    config: { movers, hosts },
    file,
    rebuild,
    signal: AbortSignal.timeout(20_000),
    onRemark: (remark) => remarks.push(remark),
  });
  return { index, read, remarks };
}

function keysIn(index: LedgerIndex, filter?: ObjectFilter): string[] {
  return index.sets(filter).flatMap((set) => [...index.objects(set, filter)].map(({ key }) => key));
}

async function listWith(setting: Setting, file: string | null): Promise<{ keys: string[]; problems: string[] }> {
  const { index } = await open(setting, file);
  using _ = index;
  return { keys: keysIn(index), problems: index.problems.map(({ code, segment }) => `${code} ${segment}`) };
}

const keysOfObjects = (objects: readonly FixtureObject[]): string[] =>
  objects.map(({ entry }) => entry.source?.key ?? "").toSorted();

test("a warm index reads one segment, which proves all before it; what is new is read and kept", async () => {
  const small = createSmallVault();
  const file = freshFile();
  const cold = await open(small, file);
  assert.deepEqual(cold.read, ["mover-a 1", "mover-a 2", "mover-a 3"]);
  const first = keysIn(cold.index);
  cold.index[Symbol.dispose]();
  assert.equal(statSync(dirname(file)).mode & 0o077, 0, "names of hosts and files are for their owner's eyes");

  const warm = await open(small, file);
  assert.deepEqual(warm.read, ["mover-a 3"]);
  assert.deepEqual(keysIn(warm.index), first);
  warm.index[Symbol.dispose]();

  const late = small.web.next();
  small.ledger.append([late.entry]);
  small.vault.putLedger(small.ledger);
  const next = await open(small, file);
  using _ = next.index;
  assert.deepEqual(next.read, ["mover-a 3", "mover-a 4"]);
  assert.ok(keysIn(next.index).includes(late.entry.source?.key ?? ""));
  assert.deepEqual([next.index.ledgers[0]?.segments, next.index.ledgers[0]?.entries], [4, 7]);
});

test("what the vault says of its last segment decides: an end that was cut off is told every time, until rebuilt", async () => {
  const small = createSmallVault();
  const file = freshFile();
  (await open(small, file)).index[Symbol.dispose]();
  small.vault.objects.delete(segmentName("mover-a", 3));
  const left = keysOfObjects(small.objects.slice(0, 5));
  for (let time = 0; time < 2; time++) {
    const { keys, problems } = await listWith(small, file);
    assert.deepEqual(problems, ["ledger-rolled-back 3"]);
    assert.deepEqual(keys.toSorted(), left, "and what is listed is what the vault holds");
  }
  (await open(small, file, true)).index[Symbol.dispose]();
  assert.deepEqual((await listWith(small, file)).problems, []);
});

test("a ledger that was written anew by the mover itself is told, and listed as it is now", async () => {
  const small = createSmallVault();
  const file = freshFile();
  (await open(small, file)).index[Symbol.dispose]();
  const forged = createLedger("mover-a", small.ledger.key);
  for (const object of small.objects.slice(0, 3)) forged.append([object.entry]);
  small.vault.putLedger(forged);
  const { keys, problems } = await listWith(small, file);
  assert.deepEqual(problems, ["ledger-rewritten 3"]);
  assert.deepEqual(keys.toSorted(), keysOfObjects(small.objects.slice(0, 3)));
});

test("damage is told, what is signed behind it is listed, and none of that is kept", async () => {
  const small = createSmallVault();
  const file = freshFile();
  const whole = small.vault.objects.get(segmentName("mover-a", 2)) ?? [];
  small.vault.objects.delete(segmentName("mover-a", 2));
  for (let time = 0; time < 2; time++) {
    const { keys, problems } = await listWith(small, file);
    assert.deepEqual(problems, ["segment-missing 2"]);
    assert.deepEqual(keys.toSorted(), keysOfObjects([...small.objects.slice(0, 2), ...small.objects.slice(5)]));
  }
  small.vault.objects.set(segmentName("mover-a", 2), whole);
  const mended = await open(small, file);
  using _ = mended.index;
  assert.deepEqual(mended.read, ["mover-a 1", "mover-a 2", "mover-a 3"], "the first segment was kept");
  assert.deepEqual(mended.index.problems, []);
  assert.deepEqual(keysIn(mended.index).toSorted(), keysOfObjects(small.objects));
});

test("other keys in the configuration: what was verified with the former ones is verified again", async () => {
  const small = createSmallVault();
  const file = freshFile();
  (await open(small, file)).index[Symbol.dispose]();
  const stranger = { ...small, hosts: keysOf(["web1", generateSigningKey()], ["db1", small.db.key]) };
  const other = await open(stranger, file);
  assert.match(other.remarks.join(), /keys have changed/);
  const results = other.index.sets().map(({ group, statements }) => [group, [...statements.keys()]]);
  assert.deepEqual(results, [
    ["db1/etc", ["verified"]],
    ["web1/postgres", ["invalid"]],
  ]);
  other.index[Symbol.dispose]();
  const { keys, problems } = await listWith({ ...small, movers: keysOf(["mover-a", generateSigningKey()]) }, file);
  assert.deepEqual([keys, problems[0]], [[], "segment-unsigned 1"]);
});

test("a file that is damaged, or another program's, is written anew; one that is in use is left alone", async () => {
  const small = createSmallVault();
  const file = freshFile();
  (await open(small, file)).index[Symbol.dispose]();
  writeFileSync(file, "no database at all, and long enough to be taken for one ".repeat(100));
  const anew = await open(small, file);
  assert.equal(anew.read.length, 3);
  const beside = await open(small, file);
  assert.match(beside.remarks.join(), /another airlock is using the index/);
  assert.deepEqual(keysIn(beside.index), keysIn(anew.index));
  beside.index[Symbol.dispose]();
  anew.index[Symbol.dispose]();
  assert.deepEqual((await open(small, file)).read, ["mover-a 3"]);
});

test("an index is one vault's, below XDG_CACHE_HOME where that is set", () => {
  const vault = { bucket: "acme-vault", region: "eu-west-1", endpoint: null } as Parameters<typeof indexFileOf>[0];
  const file = indexFileOf(vault, { XDG_CACHE_HOME: "/caches" });
  assert.match(file, /^\/caches\/airlock\/acme-vault-[0-9a-f]{12}\.index$/);
  assert.notEqual(indexFileOf({ ...vault, endpoint: "https://s3.example.net" }, { XDG_CACHE_HOME: "/caches" }), file);
  assert.match(indexFileOf(vault, { XDG_CACHE_HOME: "relative" }), /\.cache\/airlock\//);
});

/** Two movers record objects of two hosts, some of them again, some of them late. */
const anyRecords = fc.array(
  fc.record({
    what: fc.constantFrom("web1", "db1", "foreign", "again"),
    mover: fc.constantFrom("mover-a", "mover-b"),
    hour: fc.nat(50),
    which: fc.nat(),
  }),
  { maxLength: 40 },
);
const anyFilter = fc.record({
  selector: fc.constantFrom(null, "web1", "db1", "web1/postgres", "web1/logs", "web1/logs/deep", "web1/log"),
  since: fc.option(fc.nat(50)),
  until: fc.option(fc.nat(50)),
});

test("any ledgers, any filter: the index lists what a plain look at all entries lists, each at its earliest record", async () => {
  await fc.assert(
    fc.asyncProperty(anyRecords, anyFilter, fc.integer({ min: 1, max: 7 }), async (records, given, perSegment) => {
      const hosts = [createHost("web1"), createHost("db1")] as const;
      const ledgers = [createLedger("mover-a"), createLedger("mover-b")];
      const made: FixtureObject[] = [];
      const entries: { mover: string; entry: NewEntry; object: FixtureObject }[] = [];
      for (const { what, mover, hour, which } of records) {
        const at = START + hour * HOUR_MS;
        const fresh = (): FixtureObject =>
          what === "foreign"
            ? foreignObject(`web1/logs/${which % 2 === 0 ? "deep/" : ""}${made.length}`, Buffer.from("x"), at)
            : hosts[what === "db1" ? 1 : 0].next({ at, bytes: Buffer.from(`${made.length}`) });
        const again = made[which % Math.max(1, made.length)];
        const object = what === "again" && again !== undefined ? again : fresh();
        if (!made.includes(object)) made.push(object);
        entries.push({ mover, object, entry: { ...object.entry, at: new Date(at).toISOString() } });
      }
      const vault = createMemoryVault();
      for (const ledger of ledgers) {
        const own = entries.filter(({ mover }) => mover === ledger.mover).map(({ entry }) => entry);
        for (let first = 0; first < own.length; first += perSegment)
          ledger.append(own.slice(first, first + perSegment));
        vault.putLedger(ledger);
      }
      const filter: ObjectFilter = {
        selector: given.selector === null ? null : parseSelector(given.selector),
        since: given.since === null ? null : new Date(START + given.since * HOUR_MS),
        until: given.until === null ? null : new Date(START + given.until * HOUR_MS),
      };
      const expected = made.flatMap((object) => {
        const times = entries.filter((entry) => entry.object === object).map(({ entry }) => Date.parse(entry.at));
        const [at, key] = [Math.min(...times), object.entry.source?.key ?? ""];
        const isMeant =
          (filter.selector === null || isSelected(key, filter.selector)) &&
          (filter.since === null || at >= filter.since.getTime()) &&
          (filter.until === null || at <= filter.until.getTime());
        return isMeant ? [`${at} ${key}`] : [];
      });
      const movers = keysOf(...ledgers.map(({ mover, key }) => [mover, key] as const));
      const { index } = await open(
        { vault, movers, hosts: keysOf(...hosts.map((h) => [h.name, h.key] as const)) },
        null,
      );
      using _ = index;
      const sets = index.sets(filter);
      const listed = sets.map((set) => [...index.objects(set, filter)]);
      assert.deepEqual(
        listed
          .flat()
          .map(({ at, key }) => `${at.getTime()} ${key}`)
          .toSorted(),
        expected.toSorted(),
      );
      for (const [number, set] of sets.entries()) {
        const objects = listed[number] ?? [];
        assert.deepEqual(
          [set.objects, set.bytes],
          [objects.length, objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)],
        );
        assert.ok(
          objects.every(({ at }, place) => place === 0 || at <= (objects[place - 1]?.at ?? at)),
          "newest first",
        );
        assert.deepEqual([...index.objects(set, filter, 2)].length, Math.min(2, objects.length));
      }
    }),
    { numRuns: 40 },
  );
});
