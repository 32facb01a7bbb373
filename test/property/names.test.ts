import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatDropZoneName,
  isObjectName,
  parseDropZoneName,
  sourceId,
  vaultNameOf,
  type Source,
} from "../../shared/names.ts";

const hostName = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,62}$/);
/** Whatever S3 takes as a key: up to 1,024 bytes of UTF-8, here below a host's prefix. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.string({ unit: fc.constantFrom("/", ".", "~", "%", "é", "a", "\0", "\n", "🦊", "%2E", "~0"), maxLength: 200 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 1000 }),
);
const key = fc
  .tuple(hostName, anyText)
  .map(([host, rest]) => `${host}/${rest}`)
  .filter((text) => Buffer.byteLength(text) <= 1024);
const source: fc.Arbitrary<Source> = fc.record({
  bucket: fc.stringMatching(/^[a-z0-9][a-z0-9.-]{1,10}[a-z0-9]$/),
  key,
  versionId: fc.option(fc.string({ unit: "grapheme-ascii", maxLength: 40 })),
  etag: fc.stringMatching(/^"[0-9a-f]{4}"$/),
  lastModified: fc.date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true }),
});

test("a vault name is within S3's limits and a disk's, and nothing in it escapes", () => {
  fc.assert(
    fc.property(source, fc.nat({ max: 3 }), (given, attempt) => {
      const name = vaultNameOf(given, attempt);
      assert.ok(Buffer.byteLength(name) <= 1024);
      const segments = name.split("/");
      assert.equal(segments[0], "archive");
      for (const segment of segments) {
        assert.ok(segment.length > 0 && segment.length <= 255);
        assert.ok(segment !== "." && segment !== "..");
      }
    }),
    { numRuns: 1000 },
  );
});

test("what came from outside never has a ~ or a % of its own in a vault name", () => {
  fc.assert(
    fc.property(source, (given) => {
      const id = `~${sourceId(given)}`;
      const segments = vaultNameOf(given).split("/");
      assert.equal(segments.filter((segment) => segment === id).length, 1);
      for (const segment of segments) {
        if (segment !== id) assert.match(segment, /^(?:%|(?:[A-Za-z0-9._=-]|%[0-9A-F]{2})+)$/);
      }
    }),
    { numRuns: 1000 },
  );
});

test("a vault name that is not too long gives its source's key back", () => {
  fc.assert(
    fc.property(source, (given) => {
      const name = vaultNameOf(given);
      fc.pre(!name.includes("/_long/~"));
      const segments = name.split("/").slice(1);
      segments.splice(-2, 1);
      const decoded = segments.map((segment) => (segment === "%" ? "" : decodeURIComponent(segment)));
      assert.equal(decoded.join("/"), given.key);
    }),
    { numRuns: 1000 },
  );
});

/** What a source is: two that differ in any of these are two. Without a version, ETag and second stand for it. */
function identityOf({ bucket, key: at, versionId, etag, lastModified }: Source): string {
  const seconds = Math.floor(lastModified.getTime() / 1000);
  const version = versionId === null || versionId === "null" ? [etag, seconds] : [versionId];
  return JSON.stringify([bucket, at, ...version]);
}

test("two sources never share a vault name, and one never has two", () => {
  const close = source.chain((one) => fc.tuple(fc.constant(one), neighbourOf(one)));
  fc.assert(
    fc.property(fc.oneof(close, fc.tuple(source, source)), ([one, other]) => {
      assert.equal(vaultNameOf(one) === vaultNameOf(other), identityOf(one) === identityOf(other));
      assert.notEqual(vaultNameOf(one), vaultNameOf(one, 1));
    }),
    { numRuns: 2000 },
  );
});

/** Sources that differ as little as they can: a byte moved from one part to the next, a version that looks like none. */
function neighbourOf(one: Source): fc.Arbitrary<Source> {
  const seconds = Math.floor(one.lastModified.getTime() / 1000);
  return fc.constantFrom<Source>(
    { ...one },
    { ...one, key: `${one.bucket.slice(-1)}${one.key}`, bucket: one.bucket.slice(0, -1) },
    { ...one, key: one.key.slice(0, -1), versionId: `${one.key.slice(-1)}${one.versionId ?? ""}` },
    { ...one, versionId: null },
    { ...one, versionId: "null" },
    { ...one, versionId: `e${one.etag.replaceAll('"', "")}@${seconds}` },
    { ...one, lastModified: new Date((seconds + 1) * 1000) },
    { ...one, lastModified: new Date(seconds * 1000) },
    { ...one, key: `${one.key}/` },
    { ...one, key: one.key.replace("/", "%2F") },
  );
}

test("a drop-zone name is parsed into the parts that it was formatted from", () => {
  const parts = fc.record({
    host: hostName,
    set: hostName,
    at: fc
      .date({ min: new Date("0000-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true })
      .map((at) => new Date(Math.floor(at.getTime() / 1000) * 1000)),
    token: fc.stringMatching(/^[a-z2-7]{26}$/),
    name: fc.string({ unit: "binary", minLength: 1, maxLength: 242 }).filter(isObjectName),
  });
  fc.assert(
    fc.property(parts, (given) => {
      const text = formatDropZoneName(given);
      assert.deepEqual(parseDropZoneName(text), { ...given });
      assert.ok(Buffer.byteLength(`${text}.airlock.json`) <= 1024);
    }),
    { numRuns: 1000 },
  );
});

test("a key that parses as a drop-zone name is formatted as itself", () => {
  const almost = fc.stringMatching(
    /^[a-z]{1,3}\/[a-z]{1,3}\/\d{4}\/[01]\d\/[0-3]\d\/[0-2]\d[0-6]\d[0-6]\dZ-[a-z0-9]{26}\/.{1,9}$/,
  );
  fc.assert(
    fc.property(almost, (text) => {
      const parts = parseDropZoneName(text);
      if (parts !== null) assert.equal(formatDropZoneName(parts), text);
    }),
    { numRuns: 1000 },
  );
});
