/** What the mover's ledger adds up to, in whatever order, and from wherever it is taken up again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Books, booksSchema } from "../../mover/books.ts";
import { Chain } from "../../mover/chain.ts";
import { QuotaGate, type Candidate } from "../../mover/quota-gate.ts";
import { QuotaBook } from "../../mover/quota.ts";
import { takeTurns } from "../../mover/turns.ts";
import type { NewEntry } from "../../shared/ledger.ts";
import { realTiming } from "../../shared/retry.ts";
import type { StoredVersion } from "../../shared/stores.ts";
import { chainOf, DAY, entryOf, HOUR, NO_QUOTA, policy, START_MS } from "../unit/mover/book-entries.ts";

const COUNT = 40;
const statements = chainOf(COUNT);

test("whatever the order, the holes are the numbers that did not come, and a second coming is a duplicate", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: COUNT }), { minLength: 1, maxLength: 80 }), (order) => {
      const chain = new Chain();
      const seen = new Set<number>();
      for (const seq of order) {
        const statement = statements[seq - 1] ?? assert.fail();
        const { isDuplicate, isRepeat, findings } = chain.see({
          statement,
          atMs: START_MS,
          completedAtMs: START_MS,
          withObject: true,
        });
        assert.deepEqual([isDuplicate, isRepeat, findings], [seen.has(seq), seen.has(seq), []]);
        seen.add(seq);
      }
      const missing = new Set<number>();
      for (const { detail = "" } of chain.unreported(() => Infinity, Infinity)) {
        const [first = 0, last = first] = (detail.match(/\d+/g) ?? []).map(Number);
        for (let seq = first; seq <= last; seq++) missing.add(seq);
      }
      const highest = Math.max(...seen);
      const expected = statements.map(({ seq }) => seq).filter((seq) => seq < highest && !seen.has(seq));
      assert.deepEqual(
        [...missing].toSorted((a, b) => a - b),
        expected,
      );
    }),
  );
});

const hosts = new Map([
  ["web1", policy({ expect: new Map([["files", { everyMs: 5 * HOUR, minSizeBytes: 500 }]]) })],
  ["web2", policy({ signatures: "none", expect: new Map([["logs", { everyMs: DAY, minSizeBytes: 1 }]]) })],
]);
const pool = [
  ...chainOf(20),
  ...chainOf(20, { epoch: "BBBBBBBBBBBBBBBBBBBBBB", size: 300, encoding: ["age"] }),
  ...chainOf(5, { host: "web2", set: "logs" }),
  ...chainOf(5, { size: 9 }),
];

const step = fc.oneof(
  fc.record({
    kind: fc.constant("object" as const),
    index: fc.nat(pool.length - 1),
    disposition: fc.constantFrom("archived" as const, "already-archived" as const, "released-by-operator" as const),
    isSigned: fc.boolean(),
    exposureMs: fc.constantFrom(0, HOUR, 3 * DAY),
    waitMs: fc.constantFrom(1, 1000, 3 * HOUR, DAY),
  }),
  fc.record({ kind: fc.constant("time" as const), waitMs: fc.constantFrom(1000, HOUR, 2 * DAY) }),
);

test("a ledger folded anew, from its start or from a checkpoint anywhere in it, adds up to what the writer had", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), (steps, cut) => {
      const live = new Books(hosts);
      const ledger: NewEntry[] = [];
      const states: string[] = [];
      let nowMs = START_MS;
      const write = (entry: NewEntry): void => {
        ledger.push(live.fold(entry));
        states.push(JSON.stringify(live.toState()));
      };
      for (const one of steps) {
        nowMs += one.waitMs;
        if (one.kind === "time") {
          const due = live.due(nowMs, { holesBeforeMs: () => nowMs - HOUR, isArriving: () => false });
          for (const entry of due) write(entry);
          continue;
        }
        const { index, disposition, isSigned, exposureMs } = one;
        const unsigned = isSigned ? {} : { statement: null, signature: null, hostKey: null };
        write(entryOf(pool[index] ?? assert.fail(), nowMs, { disposition, exposureMs, ...unsigned }));
      }
      const at = Math.min(cut, ledger.length);
      const anew = new Books(hosts);
      for (const entry of ledger.slice(0, at)) anew.fold(entry);
      if (at > 0) assert.equal(JSON.stringify(anew.toState()), states[at - 1]);
      const resumed = new Books(hosts);
      resumed.restore(booksSchema.parse(JSON.parse(JSON.stringify(anew.toState()))));
      for (const entry of ledger.slice(at)) resumed.fold(entry);
      assert.deepEqual(resumed.toState(), live.toState());
    }),
    { numRuns: 200 },
  );
});

test("what is due is due once: when the ledger has been told, nothing is due any more", () => {
  fc.assert(
    fc.property(fc.subarray(statements, { minLength: 1 }), fc.integer({ min: 0, max: 10 * DAY }), (some, laterMs) => {
      const books = new Books(hosts);
      for (const statement of some) books.fold(entryOf(statement, START_MS));
      const nowMs = START_MS + laterMs;
      const options = { holesBeforeMs: () => nowMs - HOUR, isArriving: () => false };
      for (let round = 0; round < 2; round++) for (const entry of books.due(nowMs, options)) books.fold(entry);
      assert.deepEqual(books.due(nowMs, options), []);
    }),
  );
});

const waiting = fc.record({ sizeBytes: fc.integer({ min: 1, max: 400 }), sinceMs: fc.nat(20) });

/** An endless stream always has a next. */
function placeOf(stream: fc.Stream<number>): number {
  const next = stream.next();
  return next.done === true ? 0 : next.value;
}

test("day by day, all get in, in the order of their age, none beyond the quota but a day's first", () => {
  fc.assert(
    fc.property(fc.array(waiting, { maxLength: 20 }), fc.infiniteStream(fc.nat(1000)), (objects, shuffle) => {
      const clock = { nowMs: START_MS };
      const book = new QuotaBook();
      const gate = new QuotaGate(book, { ...realTiming, now: () => clock.nowMs });
      const limited = policy({ quota: { ...NO_QUOTA, bytesPerDay: 500, objectsPerDay: 4 } });
      let left: Candidate[] = objects.map(({ sizeBytes, sinceMs }, index) => {
        return {
          id: `o${String(index).padStart(2, "0")}`,
          host: "web1",
          set: null,
          sizeBytes,
          sinceMs,
          wasRefused: false,
        };
      });
      for (const id of "wxyz") book.record(id, { host: "web1", set: null, sizeBytes: 125 }, START_MS);
      for (const one of left) assert.notEqual(gate.judge(one, limited), null); // the day is used up: all have to wait
      gate.endPass();
      for (let day = 0; left.length > 0; day++) {
        assert.ok(day <= objects.length, "each day takes one at least");
        clock.nowMs += DAY;
        const admitted: Candidate[] = [];
        for (let pass = 0; pass < 25; pass++) {
          const order = left.map((one) => ({ one, place: placeOf(shuffle) })).toSorted((a, b) => a.place - b.place);
          for (const { one } of order) {
            if (gate.judge(one, limited) !== null) continue;
            gate.begin(one);
            book.record(one.id, one, clock.nowMs);
            admitted.push(one);
            left = left.filter(({ id }) => id !== one.id);
          }
          gate.endPass();
        }
        const isOlder = (a: Candidate, b: Candidate): number => a.sinceMs - b.sinceMs || (a.id < b.id ? -1 : 1);
        assert.deepEqual(admitted, admitted.toSorted(isOlder));
        assert.ok(admitted.length >= 1 && admitted.length <= 4);
        if (admitted.length > 1) assert.ok(admitted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) <= 500);
        for (const one of left) assert.ok(isOlder(admitted.at(-1) ?? assert.fail(), one) < 0, "nobody was overtaken");
      }
    }),
    { numRuns: 60 },
  );
});

test("hosts in turn: everybody's n-th comes before anybody's next, each oldest first", () => {
  const versionOf = (host: string, ageMs: number, index: number): StoredVersion => {
    return {
      key: `${host}/${index}`,
      versionId: null,
      etag: '"e"',
      sizeBytes: 1,
      lastModified: new Date(ageMs),
      storageClass: "S",
    };
  };
  const hostOf = (key: string): string => key.slice(0, key.indexOf("/"));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(50))), (listed) => {
      const versions = listed.map(([host, ageMs], index) => versionOf(host, ageMs, index));
      const ordered = takeTurns(versions, hostOf);
      assert.deepEqual(new Set(ordered), new Set(versions));
      assert.equal(ordered.length, versions.length);
      const taken = new Map<string, StoredVersion[]>();
      for (const version of ordered) {
        const ofHost = taken.get(hostOf(version.key)) ?? [];
        for (const [host, others] of taken) {
          const total = versions.filter(({ key }) => hostOf(key) === host).length;
          assert.ok(others.length >= ofHost.length || others.length === total, "a turn for each");
        }
        assert.ok((ofHost.at(-1)?.lastModified.getTime() ?? 0) <= version.lastModified.getTime());
        taken.set(hostOf(version.key), [...ofHost, version]);
      }
    }),
  );
});
