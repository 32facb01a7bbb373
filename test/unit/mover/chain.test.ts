import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Chain, MAX_EPOCHS, MAX_HOLES, REORDERED_MS } from "../../../mover/chain.ts";
import type { Statement } from "../../../shared/statement.ts";
import { chainOf, HOUR, START_MS, statementOf } from "./book-entries.ts";

function see(chain: Chain, statement: Statement, atMs = START_MS, withObject = true): string[] {
  return chain.see({ statement, atMs, completedAtMs: atMs, withObject }).findings.map(({ code }) => code);
}

function missing(chain: Chain): string[] {
  return [...chain.unreported(() => Infinity, Infinity)].map(({ host, detail }) => `${host}: ${detail}`);
}

test("a hole that is filled in part is two, and what was told of it stays told", () => {
  const chain = new Chain();
  const statements = chainOf(10);
  for (const seq of [1, 10]) see(chain, statements[seq - 1] ?? assert.fail());
  assert.deepEqual(missing(chain), ["web1: numbers 2 to 9 did not come"]);
  chain.markReported("web1", statements[0]?.epoch ?? "", 2);
  assert.deepEqual(missing(chain), []);
  assert.deepEqual(see(chain, statements[4] ?? assert.fail()), []);
  assert.deepEqual(missing(chain), []);
});

test("late by a minute is no finding, late by more is", () => {
  for (const [lateMs, findings] of [
    [REORDERED_MS, []],
    [REORDERED_MS + 1, ["reordered"]],
  ] as const) {
    const chain = new Chain();
    const [first = assert.fail(), second = assert.fail()] = chainOf(2);
    assert.deepEqual(see(chain, second), []);
    assert.deepEqual(see(chain, first, START_MS + lateMs), findings);
  }
});

test("a fork behind a restored checkpoint is one", () => {
  const [first = assert.fail(), second = assert.fail()] = chainOf(2);
  const before = new Chain();
  see(before, first);
  see(before, second);
  const chain = new Chain();
  chain.restore(before.toState());
  assert.deepEqual(see(chain, statementOf(2, first, { size: 7 })), ["forked"]);
  assert.deepEqual(see(chain, second), []);
});

test("a host that makes epochs and holes without end is followed in bounded memory, and told once", () => {
  const chain = new Chain();
  const codes = new Map<string, number>();
  for (let count = 0; count < 3000; count++) {
    const found = see(chain, statementOf(2 * count + 2, statementOf(1, null)), START_MS + count * HOUR);
    for (const code of found) codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  assert.deepEqual([...codes], [["sequence-overflow", 1]]);
  const [state] = chain.toState();
  assert.equal(
    state?.epochs.reduce((sum, { holes }) => sum + holes.length, 0),
    MAX_HOLES,
  );

  for (let count = 0; count < 1000; count++) {
    see(chain, statementOf(5, statementOf(4, null), { epoch: randomBytes(16).toString("base64url") }));
  }
  assert.equal(chain.toState()[0]?.epochs.length, MAX_EPOCHS);
  assert.ok(JSON.stringify(chain.toState()).length < 500_000);
});

test("an epoch that is pushed out with holes in it is told", () => {
  const chain = new Chain();
  see(chain, statementOf(3, statementOf(2, null)));
  const found: string[] = [];
  for (let count = 0; count < MAX_EPOCHS; count++) {
    found.push(...see(chain, statementOf(1, null, { epoch: randomBytes(16).toString("base64url") })));
  }
  assert.deepEqual(found, [...Array.from({ length: MAX_EPOCHS }, () => "new-epoch"), "sequence-overflow"]);
});

test("hosts are told apart, whatever they are called", () => {
  const chain = new Chain();
  see(chain, statementOf(2, statementOf(1, null), { host: "constructor" }));
  assert.deepEqual(see(chain, statementOf(1, null, { host: "__proto__" })), []);
  assert.deepEqual(missing(chain), ["constructor: number 1 did not come"]);
});
