import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createHashIndex } from "../../operator/hash-index.ts";
import { createObjectTable } from "../../operator/object-table.ts";
import { createSequences } from "../../operator/sequences.ts";
import type { Statement } from "../../shared/statement.ts";
import { statementDigest } from "../../shared/statement.ts";

test("the index numbers texts as a Map would", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 }), { maxLength: 3000, size: "max" }), (texts) => {
      const index = createHashIndex();
      const model = new Map<string, number>();
      for (const text of texts) {
        const isNew = !model.has(text);
        if (isNew) model.set(text, model.size);
        assert.deepEqual(index.insert(text), { number: model.get(text), isNew });
      }
      assert.equal(index.size, model.size);
      for (const [text, number] of model) assert.equal(index.find(text), number);
      assert.equal(index.find("never inserted"), -1);
    }),
    { numRuns: 30 },
  );
});

test("the index keeps 100,000 names apart", () => {
  const index = createHashIndex();
  for (let number = 0; number < 100_000; number++) index.insert(`name ${number}`);
  for (let number = 0; number < 100_000; number += 997) assert.equal(index.find(`name ${number}`), number);
  assert.equal(index.find("name 100000"), -1);
});

test("what the table misses is exactly what was recorded, is not old enough to have expired, and was not listed", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(200)), fc.uniqueArray(fc.nat(200)), fc.nat(200), (recorded, listed, youngest) => {
      const table = createObjectTable();
      for (const each of recorded) {
        table.record(`n${each}`, {
          sizeBytes: each,
          sha256: "0".repeat(64),
          versionId: null,
          mover: 0,
          segment: each + 1,
          atMs: each,
        });
      }
      for (const each of listed) {
        assert.equal(table.sight(`n${each}`, each, null), recorded.includes(each) ? "expected" : "unrecorded");
      }
      const unseen = recorded.filter((each) => !listed.includes(each));
      const { missing, expired } = table.unseen((atMs) => atMs < youngest);
      const lost = unseen.filter((each) => each >= youngest).map((each) => each + 1);
      assert.deepEqual(missing.get(0) ?? new Set(), new Set(lost));
      assert.equal(expired.objects, unseen.length - lost.length);
    }),
  );
});

const EPOCH = "AAAAAAAAAAAAAAAAAAAAAA";

/** Statements 1 to `count` of one epoch, each naming the one before. */
function chain(count: number): Statement[] {
  const statements: Statement[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const before = statements.at(-1);
    statements.push({
      v: 1,
      bucket: "b",
      key: `web1/s/${seq}`,
      host: "web1",
      set: "s",
      epoch: EPOCH,
      seq,
      prev: before === undefined ? null : statementDigest(before),
      size: 0,
      sha256: "0".repeat(64),
      encoding: [],
      startedAt: "2026-11-21T02:15:00.000Z",
    });
  }
  return statements;
}

const whole = chain(40);

test("holes are exactly the numbers that never came, in whatever order and however often the others did", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (numbers) => {
      const sequences = createSequences();
      for (const number of numbers) {
        const statement = whole[number - 1];
        assert.ok(statement);
        assert.deepEqual(sequences.see(statement, "mover-a", 1), []);
      }
      const seen = new Set(numbers);
      const last = Math.max(...numbers);
      const expected = Array.from({ length: last }, (_, at) => at + 1).filter((number) => !seen.has(number));
      const reported = [...sequences.holes()].flatMap(({ message }) => {
        const [, first = "", to] = /statements? (\d+)(?: to (\d+))? (?:is|are) not recorded/.exec(message) ?? [];
        return Array.from({ length: Number(to ?? first) - Number(first) + 1 }, (_, at) => Number(first) + at);
      });
      assert.deepEqual(reported, expected);
    }),
  );
});

test("a second statement with a number is a fork, whichever comes first", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.boolean(), (number, forkFirst) => {
      const sequences = createSequences();
      const statement = whole[number - 1];
      assert.ok(statement);
      const fork = { ...statement, key: "web1/s/other" };
      const [one, other] = forkFirst ? [fork, statement] : [statement, fork];
      assert.deepEqual(sequences.see(one, "mover-a", 1), []);
      const [finding] = sequences.see(other, "mover-a", 2);
      assert.equal(finding?.code, "sequence-fork");
      assert.equal(finding.segment, 2);
    }),
  );
});

test("a statement that was replaced before it was recorded is found by its neighbours", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 39 }), fc.boolean(), (number, backwards) => {
      const sequences = createSequences();
      const replaced = whole
        .slice(number - 2, number + 1)
        .map((each) => (each.seq === number ? { ...each, key: "other" } : each));
      const findings = (backwards ? replaced.toReversed() : replaced).flatMap((each) =>
        sequences.see(each, "mover-a", 1),
      );
      assert.deepEqual(
        findings.map(({ code }) => code),
        ["sequence-fork"],
      );
    }),
  );
});

test("a host that makes up epochs and holes without end is bounded and reported", () => {
  const sequences = createSequences();
  const [first] = whole;
  assert.ok(first);
  const epochs = Array.from({ length: 1200 }, (_, at) => ({ ...first, epoch: String(at).padStart(22, "0") }));
  const findings = epochs.flatMap((each) => sequences.see(each, "mover-a", 1));
  assert.deepEqual(
    findings.map(({ code }) => code),
    ["sequence-overflow"],
  );
  assert.equal(sequences.epochs, 1000);

  const holes = createSequences();
  const sparse = Array.from({ length: 12_000 }, (_, at) => ({ ...first, prev: "0".repeat(64), seq: at * 2 + 2 }));
  assert.deepEqual(
    sparse.flatMap((each) => holes.see(each, "mover-a", 1)).map(({ code }) => code),
    ["sequence-overflow"],
  );
  assert.deepEqual([...holes.holes()], []);
});
