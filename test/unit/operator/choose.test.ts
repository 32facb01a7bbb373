import assert from "node:assert/strict";
import { test } from "node:test";
import { createChooser, vouchFor, type Candidate } from "../../../operator/choose.ts";
import { parseSelector } from "../../../operator/selector.ts";
import { storedObjectOf } from "../../../operator/stored-object.ts";
import { isAirlockError } from "../../../shared/errors.ts";
import { generateSigningKey } from "../../../shared/keys.ts";
import type { NewEntry } from "../../../shared/ledger.ts";
import { createHost, foreignObject, HOUR_MS, keysOf, START } from "./fixture.ts";

function candidate(
  entry: NewEntry,
  changes: { readonly index?: number; readonly intact?: boolean; readonly mover?: string } = {},
): Candidate {
  const { index = 1, intact = true, mover = "mover-a" } = changes;
  const object = storedObjectOf({ index, ...entry }, mover, 1);
  assert.ok(object);
  return { object, intact };
}

function choose(what: string, at: Date | null, ...candidates: readonly Candidate[]): string {
  const chooser = createChooser(parseSelector(what), at);
  for (const each of candidates) chooser.consider(each);
  return chooser.choose().object.key;
}

test("the newest by the ledger's time is chosen, whatever the order and the mover", () => {
  const web = createHost("web1");
  const [first, second, third] = [web.next(), web.next(), web.next()];
  const all = [candidate(first.entry), candidate(third.entry, { mover: "mover-b" }), candidate(second.entry)];
  const keyOf = (entry: NewEntry): string => entry.source?.key ?? "";
  assert.equal(choose("web1/postgres", null, ...all), keyOf(third.entry));
  assert.equal(choose("web1/postgres", null, ...all.toReversed()), keyOf(third.entry));
  assert.equal(choose("web1/postgres", new Date(third.entry.at), ...all), keyOf(third.entry));
  assert.equal(choose("web1/postgres", new Date(Date.parse(third.entry.at) - 1), ...all), keyOf(second.entry));
  assert.equal(choose(keyOf(first.entry), null, ...all), keyOf(first.entry));
});

test("an object counts from its first record, even when another form of its signature is recorded later", () => {
  const web = createHost("web1");
  const [old, current] = [web.next(), web.next()];
  const signature = (old.entry.signature ?? "").replace(
    /.==$/,
    (tail) => `${String.fromCharCode(tail.charCodeAt(0) + 1)}==`,
  );
  const again = candidate({ ...old.entry, signature, at: new Date(START + 100 * HOUR_MS).toISOString() }, { index: 3 });
  assert.equal(
    choose("web1/postgres", null, candidate(old.entry), candidate(current.entry, { index: 2 }), again),
    current.entry.source?.key,
  );
});

test("a foreign object is chosen only where no set has that name", () => {
  const web = createHost("web1");
  const object = web.next({ set: "nginx" });
  const foreign = foreignObject("web1/nginx/access.log", Buffer.from("x"), START + 100 * HOUR_MS);
  assert.equal(choose("web1/nginx", null, candidate(object.entry), candidate(foreign.entry)), object.entry.source?.key);
  assert.equal(choose("web1/nginx", null, candidate(foreign.entry)), "web1/nginx/access.log");
  assert.equal(
    choose("web1/nginx/access.log", null, candidate(object.entry), candidate(foreign.entry)),
    "web1/nginx/access.log",
  );
});

test("nothing to choose from is told apart from nothing at that time", () => {
  const web = createHost("web1");
  const only = candidate(web.next().entry);
  assert.throws(
    () => choose("web1/etc", null, only),
    (error) => isAirlockError(error, "entry-missing") && error.message.includes("records no object"),
  );
  assert.throws(
    () => choose("web1/postgres", new Date(0), only),
    (error) => isAirlockError(error, "entry-missing") && error.message.includes("1970"),
  );
});

const web = createHost("web1");
const signed = web.next();
const hosts = keysOf(["web1", web.key]);

test("an object that its host signed is vouched for by that key", () => {
  assert.deepEqual(vouchFor(candidate(signed.entry), hosts, false), { signer: web.key.public, waived: [] });
});

for (const [what, given, keys, code] of [
  [
    "an unsigned object of a host that signs",
    candidate({ ...signed.entry, statement: null, signature: null, hostKey: null }),
    hosts,
    "statement-missing",
  ],
  ["an object of a host without a listed key", candidate(signed.entry), keysOf(), "host-unknown"],
  ["an object behind damage in the ledger", candidate(signed.entry, { intact: false }), hosts, "ledger-corrupt"],
] as const) {
  test(`${what} is refused, and let pass only on request, which is said`, () => {
    assert.throws(
      () => vouchFor(given, keys, false),
      (error) => isAirlockError(error, code),
    );
    assert.equal(vouchFor(given, keys, true).waived.length, 1);
  });
}

for (const [what, given, code] of [
  ["a signature by another key", web.next({ key: generateSigningKey() }).entry, "signature-invalid"],
  [
    "a statement about another key",
    web.next({ forge: (s) => ({ ...s, key: `${s.key}x` }) }).entry,
    "statement-invalid",
  ],
  ["a statement of another size", web.next({ forge: (s) => ({ ...s, size: 1 }) }).entry, "size-mismatch"],
  ["a digest that the host did not sign", { ...web.next().entry, sha256: "0".repeat(64) }, "object-corrupt"],
] as const) {
  test(`${what} is refused whatever is asked for`, () => {
    for (const unverified of [false, true]) {
      assert.throws(
        () => vouchFor(candidate(given), hosts, unverified),
        (error) => isAirlockError(error, code),
      );
    }
  });
}

test("a foreign object needs no signature", () => {
  const foreign = candidate(foreignObject("web1/log", Buffer.from("x")).entry);
  assert.deepEqual(vouchFor(foreign, hosts, false), { signer: null, waived: [] });
});

test("what a mover recorded without keeping it is no object", () => {
  const { entry } = web.next();
  for (const changes of [
    { vault: null },
    { disposition: "finding" },
    { disposition: "discarded-by-operator" },
  ] as const) {
    assert.equal(storedObjectOf({ index: 1, ...entry, ...changes }, "mover-a", 1), null);
  }
});
