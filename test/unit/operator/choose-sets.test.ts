import assert from "node:assert/strict";
import { test } from "node:test";
import { createSetChooser } from "../../../operator/choose-sets.ts";
import { orderSets } from "../../../operator/restore-host.ts";
import { storedObjectOf } from "../../../operator/stored-object.ts";
import { isAirlockError } from "../../../shared/errors.ts";
import type { NewEntry } from "../../../shared/ledger.ts";
import { createHost, foreignObject, HOUR_MS, START } from "./fixture.ts";

function choose(entries: readonly NewEntry[], host: string | null = null, at: Date | null = null) {
  const chooser = createSetChooser(host, at);
  for (const [index, entry] of entries.entries()) {
    const object = storedObjectOf({ ...entry, index: index + 1 }, "mover-a", 1);
    if (object !== null) chooser.consider({ object, intact: true });
  }
  return chooser;
}

const recordedAgain = (entry: NewEntry, at: number): NewEntry => ({
  ...entry,
  at: new Date(at).toISOString(),
  disposition: "duplicate",
});
const keys = (chooser: ReturnType<typeof choose>): readonly string[] =>
  chooser.choose().map(({ object }) => object.key);

test("of every set the newest object is chosen, by the sets' names; foreign objects and the reserved set are none", () => {
  const [web, db] = [createHost("web1"), createHost("db1")];
  const all = [
    web.next({ set: "shop" }),
    web.next({ set: "etc" }),
    db.next({ set: "shop" }),
    web.next({ set: "shop" }),
    web.next({ set: "check" }),
    foreignObject("web1/nginx/access.log", Buffer.from("x")),
  ];
  const key = (index: number): string => all[index]?.entry.source?.key ?? "";
  const chooser = choose(all.map(({ entry }) => entry));
  assert.deepEqual(keys(chooser), [key(2), key(1), key(3)]);
  assert.equal(chooser.foreign, 1);
  assert.deepEqual(
    keys(
      choose(
        all.map(({ entry }) => entry),
        "web1",
      ),
    ),
    [key(1), key(3)],
  );
  const before = new Date(Date.parse(all[3]?.entry.at ?? "") - 1);
  assert.deepEqual(
    keys(
      choose(
        all.map(({ entry }) => entry),
        "web1",
        before,
      ),
    ),
    [key(1), key(0)],
  );
});

test("an old object that is recorded again is not the newest, in whichever order the ledgers are read", () => {
  const web = createHost("web1");
  const [old, current] = [web.next(), web.next()];
  const late = START + 1000 * HOUR_MS;
  for (const entries of [
    [old.entry, current.entry, recordedAgain(old.entry, late)],
    [recordedAgain(old.entry, late), old.entry, current.entry],
    [current.entry, recordedAgain(old.entry, late), old.entry],
  ]) {
    assert.deepEqual(keys(choose(entries)), [current.entry.source?.key]);
  }
});

test("so many that were recorded again that the newest is not among what was kept is said, and nothing guessed", () => {
  const web = createHost("web1");
  const current = web.next({ at: START + 500 * HOUR_MS });
  const olds = Array.from({ length: 200 }, (_, index) => web.next({ at: START + index * HOUR_MS }));
  const replayed = olds.map(({ entry }, index) => recordedAgain(entry, START + (1000 + index) * HOUR_MS));
  const entries = [current.entry, ...replayed, ...olds.map(({ entry }) => entry)];
  assert.throws(
    () => choose(entries).choose(),
    (error) => isAirlockError(error, "ledger-corrupt") && error.subject === "web1/postgres",
  );
  assert.deepEqual(keys(choose([...olds.map(({ entry }) => entry), current.entry])), [current.entry.source?.key]);
});

test("sets that are named come first and in their order, the others by their names", () => {
  assert.deepEqual(orderSets(["etc", "b", "a", "postgres"], ["postgres", "etc", "gone"]), [
    "postgres",
    "etc",
    "gone",
    "a",
    "b",
  ]);
});
