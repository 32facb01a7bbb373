import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerWriter } from "../../../mover/ledger-writer.ts";
import { AirlockError, isAirlockError, type Code } from "../../../shared/errors.ts";
import { generateSigningKey } from "../../../shared/keys.ts";
import { extendChain, parseSegment, verifySegment, type ChainHead, type NewEntry } from "../../../shared/ledger.ts";
import { silentLog } from "../../../shared/log.ts";
import type { LedgerStore } from "../../../shared/stores.ts";

const key = generateSigningKey();
const never = new AbortController().signal;
const timing = { now: () => 1_800_000_000_000, random: () => 0, sleep: () => Promise.resolve() };

type Fault = { readonly code: Code; readonly takesEffect: boolean };

/** Keeps segments; `faults` are spent on the next creates, in order. */
class MemoryLedger implements LedgerStore {
  readonly segments = new Map<number, Uint8Array>();
  readonly faults: Fault[] = [];
  readonly readFaults: Code[] = [];
  creates = 0;

  async *listSegments(after: number): AsyncGenerator<number> {
    for (const number of [...this.segments.keys()].toSorted((a, b) => a - b))
      if (number > after) yield await Promise.resolve(number);
  }

  readSegment(segment: number): Promise<Uint8Array> {
    const fault = this.readFaults.shift();
    if (fault !== undefined) return Promise.reject(new AirlockError(fault, "injected"));
    const bytes = this.segments.get(segment);
    return bytes === undefined
      ? Promise.reject(new AirlockError("not-found", "no such segment"))
      : Promise.resolve(bytes);
  }

  createSegment(segment: number, bytes: Uint8Array): Promise<void> {
    this.creates++;
    const fault = this.faults.shift();
    if (fault !== undefined && !fault.takesEffect) return Promise.reject(new AirlockError(fault.code, "injected"));
    if (this.segments.has(segment)) return Promise.reject(new AirlockError("already-exists", "it exists"));
    this.segments.set(segment, bytes);
    return fault === undefined ? Promise.resolve() : Promise.reject(new AirlockError(fault.code, "injected"));
  }
}

function open(store: LedgerStore): Promise<LedgerWriter> {
  return LedgerWriter.open({ mover: "m", key, store, timing, log: silentLog, signal: never });
}

function entry(name: string): NewEntry {
  return {
    at: "2026-11-21T02:15:00.000Z",
    source: {
      bucket: "b",
      key: name,
      versionId: null,
      etag: '"e"',
      size: 1,
      lastModified: "2026-11-21T02:15:00.000Z",
      tags: [],
    },
    vault: { name: `archive/${name}`, versionId: null },
    sha256: "0".repeat(64),
    statement: null,
    signature: null,
    hostKey: null,
    exposureMs: 1,
    exposureFrom: "object",
    disposition: "archived",
    findings: [],
  };
}

/** All keys that the ledger records, having checked the chain and every signature. */
function keysIn(store: MemoryLedger): string[] {
  let head: ChainHead | null = null;
  const keys: string[] = [];
  for (const [number, bytes] of [...store.segments].toSorted(([a], [b]) => a - b)) {
    const segment = parseSegment(bytes, "m", number);
    assert.notEqual(verifySegment(segment, [key.public]), null);
    head = extendChain(head, segment);
    keys.push(...segment.entries.map(({ source }) => source?.key ?? ""));
  }
  return keys;
}

test("entries that arrive while a segment is being written form the next one, in order", async () => {
  const store = new MemoryLedger();
  const writer = await open(store);
  const names = Array.from({ length: 2500 }, (_, index) => `k${index}`);
  await Promise.all([writer.append(entry("first")), ...names.map((name) => writer.append(entry(name)))]);
  assert.deepEqual(keysIn(store), ["first", ...names]);
  assert.equal(store.segments.size, 3);
  for (const bytes of store.segments.values()) assert.ok(bytes.length <= 1024 * 1024);
});

test("a restart continues the chain behind the last segment, also behind one that has no entries", async () => {
  const store = new MemoryLedger();
  const first = await open(store);
  await first.append(entry("a"));
  first.reportHolds({ web1: { "form-invalid": 2 } });
  await first.settled();
  const second = await open(store);
  assert.deepEqual(second.head, first.head);
  await second.append(entry("b"));
  assert.deepEqual(keysIn(store), ["a", "b"]);
});

for (const code of ["outcome-unknown", "store-unavailable", "slow-down", "already-exists", "access-denied"] as const) {
  for (const takesEffect of [false, true]) {
    if (takesEffect && code !== "outcome-unknown") continue; // those say that nothing happened
    test(`a segment's PUT that fails with ${code}${takesEffect ? " but took effect" : ""} is recorded exactly once`, async () => {
      const store = new MemoryLedger();
      const writer = await open(store);
      await writer.append(entry("before"));
      store.faults.push({ code, takesEffect }, { code, takesEffect });
      if (takesEffect) store.readFaults.push("store-unavailable");
      await writer.append(entry("during"));
      await writer.append(entry("after"));
      assert.deepEqual(keysIn(store), ["before", "during", "after"]);
    });
  }
}

test("a segment that somebody else wrote stops the writer, and what waited is not called recorded", async () => {
  const store = new MemoryLedger();
  const [one, other] = [await open(store), await open(store)];
  await one.append(entry("mine"));
  const refused = [other.append(entry("x")), other.append(entry("y"))];
  for (const append of refused) await assert.rejects(append, (error) => isAirlockError(error, "ledger-conflict"));
  await assert.rejects(other.append(entry("z")), (error) => isAirlockError(error, "ledger-conflict"));
  assert.deepEqual(keysIn(store), ["mine"]);
});

test("a hole among the segments is not continued over", async () => {
  const store = new MemoryLedger();
  const writer = await open(store);
  for (const name of ["a", "b", "c"]) await writer.append(entry(name));
  store.segments.delete(2);
  await assert.rejects(
    open(store),
    (error) => isAirlockError(error, "ledger-corrupt") && error.message.includes("segment 2"),
  );
});

function tagged(name: string, count: number, length: number): NewEntry {
  const tags = Array.from({ length: count }, (_, index) => ({ key: `${index}`, value: "x".repeat(length) }));
  const plain = entry(name);
  assert.ok(plain.source !== null);
  return { ...plain, source: { ...plain.source, tags } };
}

for (const [what, length] of [
  ["a reader takes", 2000],
  ["a segment holds", 40_000],
] as const) {
  test(`an entry that is longer than ${what} is refused by itself: others are recorded, and the ledger can be read again`, async () => {
    const store = new MemoryLedger();
    const writer = await open(store);
    const appends = await Promise.allSettled([
      writer.append(entry("before")),
      writer.append(tagged("long", 50, length)),
      writer.append(entry("after")),
    ]);
    assert.deepEqual(
      appends.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    const [, refused] = appends;
    assert.ok(refused.status === "rejected" && isAirlockError(refused.reason, "object-unreadable"));
    assert.deepEqual(keysIn(store), ["before", "after"]);
    const again = await open(store);
    await again.append(entry("later"));
    assert.deepEqual(keysIn(store), ["before", "after", "later"]);
  });
}

test("what is held of more hosts than fit is told as a sum, and the ledger can be read again", async () => {
  const store = new MemoryLedger();
  const writer = await open(store);
  const reasons = { "quota-bytes": 1, "signature-invalid": 2 };
  const hosts = Array.from(
    { length: 20_000 },
    (_, index) => [`host-${String(index).padStart(6, "0")}`, reasons] as const,
  );
  writer.reportHolds({ "*": { "host-unknown": 7 }, ...Object.fromEntries(hosts) });
  await writer.settled();
  const bytes = store.segments.get(1) ?? Buffer.alloc(0);
  assert.ok(bytes.length <= 1024 * 1024);
  const { holds } = parseSegment(bytes, "m", 1);
  const sum = new Map<string, number>();
  for (const counts of Object.values(holds ?? {}))
    for (const [reason, count] of Object.entries(counts)) sum.set(reason, (sum.get(reason) ?? 0) + count);
  assert.deepEqual(Object.fromEntries(sum), {
    "host-unknown": 7,
    "quota-bytes": 20_000,
    "signature-invalid": 40_000,
  });
  assert.deepEqual(holds?.["host-000000"], reasons);
  await open(store);
});
