import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { z } from "zod";
import {
  formatDropZoneName,
  isHostName,
  isObjectName,
  newToken,
  objectOfStatement,
  parseDropZoneName,
  sourceId,
  vaultNameOf,
} from "../../shared/names.ts";

const vectors = z
  .array(
    z.strictObject({
      bucket: z.string(),
      key: z.string(),
      versionId: z.string().nullable(),
      etag: z.string(),
      lastModified: z.string().transform((text) => new Date(text)),
      id: z.string(),
      vaultName: z.string(),
    }),
  )
  .min(40)
  .parse(JSON.parse(readFileSync(`${import.meta.dirname}/../vectors/names.json`, "utf8")));

test("every golden source has its golden name", () => {
  for (const { id, vaultName, ...source } of vectors) {
    assert.equal(sourceId(source), id, source.key);
    assert.equal(vaultNameOf(source), vaultName, source.key);
  }
});

test("a later attempt has a name of its own", () => {
  const [first] = vectors;
  assert.ok(first !== undefined);
  assert.equal(vaultNameOf(first, 2), first.vaultName.replace(first.id, `${first.id}.2`));
});

test("without a version, the second counts and the quotes around the ETag do not", () => {
  const source = {
    bucket: "b",
    key: "k",
    versionId: null,
    etag: '"e"',
    lastModified: new Date("2026-11-21T02:15:07.900Z"),
  };
  const id = sourceId(source);
  assert.equal(sourceId({ ...source, etag: "e", lastModified: new Date("2026-11-21T02:15:07.000Z") }), id);
  assert.equal(sourceId({ ...source, versionId: "null" }), id);
  assert.notEqual(sourceId({ ...source, lastModified: new Date("2026-11-21T02:15:08.000Z") }), id);
  assert.notEqual(sourceId({ ...source, versionId: "e@1" }), id);
});

const NAME = "web1/postgres/2026/11/21/021507Z-3mzqk5x7v2hnw4rj6ty8apcdef/shop.dump.zst.age";

test("a drop-zone name is taken apart and put together again", () => {
  const parts = parseDropZoneName(NAME);
  assert.deepEqual(parts, {
    host: "web1",
    set: "postgres",
    at: new Date("2026-11-21T02:15:07.000Z"),
    token: "3mzqk5x7v2hnw4rj6ty8apcdef",
    name: "shop.dump.zst.age",
  });
  assert.equal(formatDropZoneName(parts), NAME);
});

test("what is not exactly a drop-zone name is none", () => {
  const others = [
    "",
    "web1",
    NAME.slice(1).toUpperCase(),
    `/${NAME}`,
    `${NAME}/`,
    NAME.replace("web1", "WEB1"),
    NAME.replace("web1", ".web1"),
    NAME.replace("web1", "w".repeat(64)),
    NAME.replace("postgres", "post gres"),
    NAME.replace("2026/11", "2026/13"),
    NAME.replace("11/21", "02/30"),
    NAME.replace("021507Z", "241507Z"),
    NAME.replace("021507Z", "021560Z"),
    NAME.replace("021507Z-", "021507Z"),
    NAME.replace("3mzqk", "3MZQK"),
    NAME.replace("3mzqk", "3mzq"),
    NAME.replace("3mzqk", "3mzqkk"),
    NAME.replace("shop.dump.zst.age", ""),
    NAME.replace("shop.dump.zst.age", ".."),
    NAME.replace("shop.dump", "a\0b"),
    `${NAME}.airlock.json`,
    NAME.replace("shop.dump.zst.age", "x".repeat(243)),
  ];
  for (const key of others) assert.equal(parseDropZoneName(key), null, key);
});

test("a name that could not be read back is never written", () => {
  const parts = parseDropZoneName(NAME);
  assert.ok(parts !== null);
  assert.throws(() => formatDropZoneName({ ...parts, host: "../web2" }), RangeError);
  assert.throws(() => formatDropZoneName({ ...parts, name: "a/b" }), RangeError);
  assert.throws(() => formatDropZoneName({ ...parts, at: new Date("+012026-01-01T00:00:00Z") }), RangeError);
});

test("names of hosts and objects", () => {
  for (const host of ["w", "web1", "0", "constructor", "a.b_c-d", "w".repeat(63)]) assert.ok(isHostName(host), host);
  for (const host of ["", "-a", ".a", "_a", "A", "a/b", "ä", "a b", "w".repeat(64), "a\n"])
    assert.ok(!isHostName(host), host);
  for (const name of ["x", "...", "é", "a b", '"', "x".repeat(242), "é".repeat(121)])
    assert.ok(isObjectName(name), name);
  for (const name of ["", ".", "..", "a/b", "a\0", "x".repeat(243), "é".repeat(122), "\uD800", ".airlock.json"]) {
    assert.ok(!isObjectName(name), name);
  }
});

test("a statement's key leads to its object's", () => {
  assert.equal(objectOfStatement(`${NAME}.airlock.json`), NAME);
  assert.equal(objectOfStatement(NAME), null);
});

test("a token is 128 bits in base32", () => {
  assert.equal(
    newToken(() => new Uint8Array(16)),
    "a".repeat(26),
  );
  assert.equal(
    newToken(() => new Uint8Array(16).fill(0xff)),
    `${"7".repeat(25)}4`,
  );
  // RFC 4648 without padding, of the bytes 0 to 15
  assert.equal(
    newToken(() => Uint8Array.from({ length: 16 }, (_, index) => index)),
    "aaaqeayeaudaocajbifqydiob4",
  );
  assert.notEqual(newToken(), newToken());
  assert.match(newToken(), /^[a-z2-7]{26}$/);
});
