import assert from "node:assert/strict";
import { test } from "node:test";
import { QuotaGate, type Candidate } from "../../../mover/quota-gate.ts";
import { QuotaLine } from "../../../mover/quota-line.ts";
import { QuotaBook } from "../../../mover/quota.ts";
import { realTiming } from "../../../shared/retry.ts";
import { DAY, NO_QUOTA, policy, START_MS } from "./book-entries.ts";

function candidate(id: string, sinceMs: number, changes: Partial<Candidate> = {}): Candidate {
  return { id, host: "web1", set: "files", sizeBytes: 100, sinceMs, wasRefused: false, ...changes };
}

function gateAt(): { book: QuotaBook; gate: QuotaGate; clock: { nowMs: number } } {
  const clock = { nowMs: START_MS };
  const book = new QuotaBook();
  return { book, gate: new QuotaGate(book, { ...realTiming, now: () => clock.nowMs }), clock };
}

test("what is under way counts as well, until it is recorded, and then once", () => {
  const { book, gate } = gateAt();
  const two = policy({ quota: { ...NO_QUOTA, objectsPerDay: 2 } });
  const first = candidate("a", 1);
  gate.begin(first);
  assert.equal(book.used("web1", null, START_MS).objects, 1);
  book.record("a", first, START_MS);
  assert.equal(book.used("web1", null, START_MS).objects, 1);
  gate.end("a");
  assert.equal(gate.judge(candidate("b", 2), two), null);
  gate.begin(candidate("b", 2));
  assert.equal(gate.judge(candidate("c", 3), two), "quota-objects");
  gate.end("b"); // it failed
  assert.equal(gate.judge(candidate("c", 3), two), null);
});

test("nobody younger takes what an older one waits for; who is gone keeps nobody waiting", () => {
  const { book, gate, clock } = gateAt();
  const limited = policy({ quota: { ...NO_QUOTA, bytesPerDay: 1000 } });
  book.record("x", candidate("x", 0, { sizeBytes: 500 }), START_MS);
  assert.equal(gate.judge(candidate("old", 1, { sizeBytes: 600 }), limited), "quota-bytes");
  assert.equal(gate.judge(candidate("young", 2, { sizeBytes: 1 }), limited), "quota-bytes");
  assert.equal(gate.judge(candidate("older", 0, { sizeBytes: 1 }), limited), null);
  clock.nowMs += DAY;
  assert.equal(gate.judge(candidate("young", 2, { sizeBytes: 1 }), limited), "quota-bytes", "the old one comes first");
  assert.equal(gate.judge(candidate("old", 1, { sizeBytes: 600 }), limited), null);
  gate.endPass();
  gate.judge(candidate("young", 2, { sizeBytes: 1 }), limited);
  gate.endPass(); // "old" was not seen: somebody removed it
  assert.equal(gate.judge(candidate("young", 2, { sizeBytes: 1 }), limited), null);
});

test("what was read in vain leaves half of a day to what nothing is known against", () => {
  const { gate, clock } = gateAt();
  const limited = policy({ quota: { ...NO_QUOTA, bytesPerDay: 1000 } });
  gate.refused("web1", 5000);
  assert.equal(gate.judge(candidate("bad", 1, { wasRefused: true }), limited), "quota-bytes");
  const first = candidate("good", 2, { sizeBytes: 450 });
  assert.equal(gate.judge(first, limited), null);
  gate.begin(first);
  assert.equal(gate.judge(candidate("good too", 3, { sizeBytes: 60 }), limited), "quota-bytes");
  clock.nowMs += DAY;
  assert.equal(gate.judge(candidate("bad", 1, { wasRefused: true }), limited), null);
});

test("a set's quota holds its own objects only", () => {
  const { book, gate } = gateAt();
  const limited = policy({ setQuotas: new Map([["logs", { ...NO_QUOTA, objectsPerDay: 1 }]]) });
  book.record("x", candidate("x", 0, { set: "logs" }), START_MS);
  assert.equal(gate.judge(candidate("a", 1, { set: "logs" }), limited), "quota-objects");
  assert.equal(gate.judge(candidate("b", 2), limited), null);
  assert.equal(gate.judge(candidate("c", 3, { set: null }), limited), null);
});

test("a clock that is set back does not give a day again", () => {
  const { book } = gateAt();
  book.record("a", candidate("a", 0), START_MS);
  book.record("b", candidate("b", 0), START_MS - DAY);
  assert.equal(book.used("web1", null, START_MS).objects, 1);
  assert.equal(book.used("web1", null, START_MS - DAY).objects, 1);
});

test("a line of any length costs the memory of its oldest thousand, and stays in order", () => {
  const line = new QuotaLine();
  for (let pass = 0; pass < 2; pass++) {
    for (let age = 5000; age > 0; age--) line.wait({ id: `o${age}`, sinceMs: age });
    line.endPass();
  }
  assert.equal(line.isBehind({ id: "o1", sinceMs: 1 }), false);
  assert.equal(line.isBehind({ id: "o2", sinceMs: 2 }), true);
  for (let age = 1; age <= 1000; age++) {
    assert.equal(line.isBehind({ id: `o${age}`, sinceMs: age }), false);
    line.leave({ id: `o${age}`, sinceMs: age });
  }
  assert.equal(line.isBehind({ id: "o4000", sinceMs: 4000 }), true, "what is not kept may be older");
  for (let age = 5000; age > 1000; age--) line.wait({ id: `o${age}`, sinceMs: age });
  line.endPass();
  assert.equal(line.isBehind({ id: "o1001", sinceMs: 1001 }), false);
  assert.equal(line.isBehind({ id: "o4000", sinceMs: 4000 }), true);
});
