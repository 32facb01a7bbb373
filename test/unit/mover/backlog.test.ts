import assert from "node:assert/strict";
import { test } from "node:test";
import { Backlog } from "../../../mover/backlog.ts";
import { AirlockError } from "../../../shared/errors.ts";
import { realTiming } from "../../../shared/retry.ts";
import type { StoredVersion } from "../../../shared/stores.ts";
import { DAY, START_MS } from "./book-entries.ts";

const HELD = new AirlockError("signature-invalid", "no");
const LATER = new AirlockError("store-unavailable", "no");

function versionOf(key: string): StoredVersion {
  return { key, versionId: "v1", etag: '"e"', sizeBytes: 1, lastModified: new Date(0), storageClass: "STANDARD" };
}

function backlogAt(): { backlog: Backlog; clock: { nowMs: number } } {
  const clock = { nowMs: START_MS };
  return { backlog: new Backlog({ ...realTiming, now: () => clock.nowMs, random: () => 0.5 }), clock };
}

/** Tries what is to be started, all of it in vain; gives how many that were. */
function pass(backlog: Backlog, keys: readonly string[], error = HELD): number {
  let tried = 0;
  backlog.beginRound();
  for (const version of keys.map(versionOf)) {
    if (backlog.look(version, "web1") !== "start") continue;
    tried++;
    backlog.begin(version, "web1");
    backlog.failed(version, "web1", error);
  }
  return tried;
}

test("what cost a request to refuse is tried again ever later, up to a day, however much of it there is", () => {
  const { backlog, clock } = backlogAt();
  const keys = Array.from({ length: 5000 }, (_, index) => `web1/${index}`);
  assert.equal(pass(backlog, keys), 5000);
  assert.equal(pass(backlog, keys), 0, "also of what is not remembered by name");
  backlog.endPass();
  assert.deepEqual(backlog.holds, { web1: { "signature-invalid": 5000 } });
  clock.nowMs += 3_600_000;
  assert.equal(pass(backlog, keys), 1000);
  clock.nowMs += DAY;
  assert.equal(pass(backlog, keys), 5000);
});

test("a wall of what is held does not keep what is new from being tried", () => {
  const { backlog } = backlogAt();
  pass(
    backlog,
    Array.from({ length: 3000 }, (_, index) => `web1/${index}`),
  );
  assert.equal(backlog.look(versionOf("web1/new"), "web1"), "start");
});

test("holds change when their members do, though the counts stay; not with what is tried once more", () => {
  const { backlog, clock } = backlogAt();
  pass(backlog, ["web1/a", "web1/b"]);
  assert.equal(backlog.endPass(), true);
  pass(backlog, ["web1/a", "web1/b"]);
  assert.equal(backlog.endPass(), false);
  clock.nowMs += DAY;
  assert.equal(backlog.look(versionOf("web1/a"), "web1"), "start");
  backlog.begin(versionOf("web1/a"), "web1");
  assert.equal(backlog.look(versionOf("web1/a"), "web1"), "busy");
  pass(backlog, ["web1/b"]);
  assert.equal(backlog.endPass(), false, "a retry that is under way is still held");
  backlog.failed(versionOf("web1/a"), "web1", HELD);
  pass(backlog, ["web1/b", "web1/c"]);
  backlog.endPass();
  pass(backlog, ["web1/b", "web1/d"]);
  assert.equal(backlog.endPass(), true);
});

test("what was let in by an operator is started at the next look", () => {
  const { backlog } = backlogAt();
  const keys = Array.from({ length: 1001 }, (_, index) => `web1/${index}`);
  pass(backlog, keys);
  for (const key of ["web1/0", "web1/1000"]) {
    const id = `${key}@v1` as Parameters<Backlog["forget"]>[0]; // as a listing would name it
    assert.equal(backlog.reasonOf(id, "web1"), "signature-invalid");
    backlog.forget(id, "web1");
    assert.equal(backlog.reasonOf(id, "web1"), null);
    assert.equal(backlog.look(versionOf(key), "web1"), "start");
  }
});

test("what failed for want of a store is no hold", () => {
  const { backlog } = backlogAt();
  pass(backlog, ["web1/a"], LATER);
  assert.equal(backlog.look(versionOf("web1/a"), "web1"), "failed");
  backlog.endPass();
  assert.deepEqual(backlog.holds, {});
});

test("the oldest move under way is told by host", () => {
  const { backlog, clock } = backlogAt();
  assert.equal(backlog.oldestActiveMs("web1"), null);
  backlog.begin(versionOf("web1/a"), "web1");
  clock.nowMs += 1000;
  backlog.begin(versionOf("web1/b"), "web1");
  backlog.begin(versionOf("web2/c"), "web2");
  assert.deepEqual([backlog.oldestActiveMs("web1"), backlog.oldestActiveMs("web2")], [START_MS, START_MS + 1000]);
  backlog.left(versionOf("web1/a"), "web1");
  assert.equal(backlog.oldestActiveMs("web1"), START_MS + 1000);
});

test("what failed just before the clock was set back a day is not put off for a day", () => {
  for (const error of [LATER, HELD]) {
    const { backlog, clock } = backlogAt();
    assert.equal(pass(backlog, ["web1/a"], error), 1);
    assert.equal(pass(backlog, ["web1/a"], error), 0);
    clock.nowMs -= DAY;
    assert.equal(pass(backlog, ["web1/a"], error), 1);
  }
});

test("however long their keys are, what is shown of held objects is bounded, and each host has its share", () => {
  const { backlog } = backlogAt();
  const keys = Array.from({ length: 200 }, (_, index) => `${index}/${"k".repeat(4000)}`);
  for (let host = 0; host < 200; host++) {
    for (const name of keys) backlog.refused(versionOf(`web${host}/${name}`), `web${host}`, "form-invalid");
  }
  backlog.endPass();
  const lists = Array.from(backlog.heldExamples.values(), (reasons) => reasons.get("form-invalid") ?? []);
  const length = lists.flat().reduce((sum, one) => sum + one.length, 0);
  assert.ok(length <= 4 * 1024 * 1024, String(length));
  assert.ok(lists.length >= 30 && lists.every((list) => list.length <= 33), String(lists.length));
  assert.equal(Object.keys(backlog.holds).length, 200, "all of them are counted");
});
