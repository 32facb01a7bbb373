import assert from "node:assert/strict";
import { test } from "node:test";
import { isAirlockError } from "../../shared/errors.ts";
import { generateSigningKey, parseSigningKey } from "../../shared/keys.ts";
import {
  buildSegment,
  extendChain,
  formatEntry,
  MAX_SEGMENT_ENTRIES,
  parseSegment,
  parseSegmentName,
  segmentDigest,
  segmentName,
  verifySegment,
  type ChainHead,
  type NewEntry,
  type SegmentHeader,
} from "../../shared/ledger.ts";

/** RFC 8032, section 7.1, test 1, in PKCS #8 (RFC 8410). */
const key = parseSigningKey(
  [
    "-----BEGIN PRIVATE KEY-----",
    Buffer.from(
      "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "hex",
    ).toString("base64"),
    "-----END PRIVATE KEY-----",
  ].join("\n"),
  "test",
);

const HEADER: SegmentHeader = { v: 1, mover: "mover-a", segment: 1, prev: null, writtenAt: "2026-11-21T02:15:05.000Z" };

function entry(index: number): NewEntry & { index: number } {
  return {
    index,
    at: "2026-11-21T02:15:04.812Z",
    source: {
      bucket: "acme-dropzone",
      key: "web1/nginx/access.log",
      versionId: null,
      etag: '"d41d8cd98f00b204e9800998ecf8427e"',
      size: 3,
      lastModified: "2026-11-21T02:15:04.000Z",
      tags: [{ key: "team", value: "web" }],
    },
    vault: { name: "archive/web1/nginx/~0123456789abcdef0123456789abcdef/access.log", versionId: "v1" },
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    statement: null,
    signature: null,
    hostKey: null,
    exposureMs: 812,
    exposureFrom: "object",
    disposition: "archived",
    findings: [{ code: "new-epoch", epoch: "AAAAAAAAAAAAAAAAAAAAAA", seq: 1 }],
  };
}

function segment(
  header: Partial<SegmentHeader>,
  lines: readonly string[],
  holds: Record<string, Record<string, number>> | null = null,
): Buffer {
  return buildSegment({ ...HEADER, ...header }, lines, holds, key);
}

function assertCorrupt(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => parseSegment(bytes, "mover-a", 1),
    (error) => {
      assert.ok(isAirlockError(error, "ledger-corrupt"));
      assert.match(error.message, /^segment 1 of mover mover-a: /);
      assert.match(error.message, message);
      assert.equal(error.subject, "_airlock/ledger/mover-a/000000000001.jsonl");
      return true;
    },
  );
}

const lines = (bytes: Uint8Array): string[] => Buffer.from(bytes).toString("utf8").trimEnd().split("\n");
const unlines = (texts: readonly string[]): Buffer => Buffer.from(texts.map((text) => `${text}\n`).join(""));

// Signature and digest were made with openssl and sha256sum from the lines above them.
test("a segment's bytes are what the format says, to the last one", () => {
  const bytes = segment({}, [formatEntry(entry(1))], { web1: { "quota-bytes": 3 } });
  assert.deepEqual(lines(bytes), [
    '{"v":1,"mover":"mover-a","segment":1,"prev":null,"writtenAt":"2026-11-21T02:15:05.000Z"}',
    '{"index":1,"at":"2026-11-21T02:15:04.812Z","source":{"bucket":"acme-dropzone","key":"web1/nginx/access.log","versionId":null,' +
      '"etag":"\\"d41d8cd98f00b204e9800998ecf8427e\\"","size":3,"lastModified":"2026-11-21T02:15:04.000Z","tags":[{"key":"team","value":"web"}]},' +
      '"vault":{"name":"archive/web1/nginx/~0123456789abcdef0123456789abcdef/access.log","versionId":"v1"},' +
      '"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","statement":null,"signature":null,"hostKey":null,' +
      '"exposureMs":812,"exposureFrom":"object","disposition":"archived","findings":[{"code":"new-epoch","epoch":"AAAAAAAAAAAAAAAAAAAAAA","seq":1}]}',
    '{"holds":{"web1":{"quota-bytes":3}}}',
    '{"signature":"vX2Cww0k2vvW/dgrWLQJ4KnXffDiV73lAHHl4z3lYCtTJSsun6wrP6WAuAq6bVBqk4ObMhl4+82BQMLxDoMJCw==","key":"21fe31dfa154a261"}',
  ]);
  assert.equal(segmentDigest(bytes), "26a2d641a64759c3db122e5d09e446f126d661de6c2c618e3d614c2b7867fd5c");
});

test("what was built is read back whole", () => {
  const bytes = segment({}, [formatEntry(entry(5)), formatEntry(entry(6))], { web1: { "quota-bytes": 3 } });
  const read = parseSegment(bytes, "mover-a", 1);
  assert.deepEqual(read.header, HEADER);
  assert.deepEqual(read.entries, [entry(5), entry(6)]);
  assert.deepEqual(read.holds, { web1: { "quota-bytes": 3 } });
  assert.equal(read.digest, segmentDigest(bytes));
  assert.equal(verifySegment(read, [generateSigningKey().public, key.public])?.id, key.public.id);
});

test("a segment of holds alone, and one of nothing, are segments", () => {
  assert.deepEqual(parseSegment(segment({}, [], { "*": { "host-unknown": 1 } }), "mover-a", 1).entries, []);
  assert.equal(parseSegment(segment({}, []), "mover-a", 1).holds, null);
});

test("a segment that names another key than the one that signed it is not signed", () => {
  const other = generateSigningKey().public;
  const text = segment({}, []).toString("utf8").replace(key.public.id, other.id);
  assert.equal(verifySegment(parseSegment(Buffer.from(text), "mover-a", 1), [other, key.public]), null);
});

test("a key counts for a segment only in its time", () => {
  const read = parseSegment(segment({}, []), "mover-a", 1);
  const at = new Date(HEADER.writtenAt);
  assert.equal(verifySegment(read, [{ ...key.public, until: at }]), null);
  assert.equal(verifySegment(read, [{ ...key.public, from: new Date(at.getTime() + 1) }]), null);
  assert.ok(verifySegment(read, [{ ...key.public, from: at, until: new Date(at.getTime() + 1) }]));
});

test("1,000 entries are a segment, 1,001 are not, with holds and without", () => {
  const all = Array.from({ length: MAX_SEGMENT_ENTRIES + 1 }, (_, at) => formatEntry(entry(at + 1)));
  for (const holds of [null, { web1: { "form-invalid": 1 } }]) {
    assert.equal(parseSegment(segment({}, all.slice(0, -1), holds), "mover-a", 1).entries.length, MAX_SEGMENT_ENTRIES);
    assertCorrupt(segment({}, all, holds), /more than 1000 entries/);
  }
});

test("a line of 64 KiB is read, a longer one is not", () => {
  const withKey = (length: number): string => {
    const base = entry(1);
    assert.ok(base.source);
    const bare = formatEntry({ ...base, source: { ...base.source, key: "" } }).length - 1;
    return formatEntry({ ...base, source: { ...base.source, key: "k".repeat(length - bare) } });
  };
  assert.equal(parseSegment(segment({}, [withKey(65_536)]), "mover-a", 1).entries.length, 1);
  assertCorrupt(segment({}, [withKey(65_537)]), /line 2 is longer than 65536 bytes/);
});

const good = segment({}, [formatEntry(entry(1)), formatEntry(entry(2))]);
const [head = "", first = "", second = "", seal = ""] = lines(good);
const changed = (line: string, change: Record<string, unknown>): string =>
  JSON.stringify({ ...(JSON.parse(line) as Record<string, unknown>), ...change });

/** The last character before the padding holds two bits; the other four mean nothing. */
const spareBits = (tail: string): string =>
  `${tail.startsWith("A") ? "B" : String.fromCharCode(tail.charCodeAt(0) + 1)}==`;

for (const [what, bytes, message] of [
  ["nothing at all", Buffer.alloc(0), /does not end with a whole line/],
  ["an end within a line", good.subarray(0, -1), /does not end with a whole line/],
  ["a header alone", unlines([head]), /it has no signature/],
  ["no signature", unlines([head, first, second]), /line 3: /],
  ["no header", unlines([first, second, seal]), /line 1: /],
  ["an empty line", unlines([head, "", second, seal]), /line 2 is not JSON/],
  ["a line that is no JSON", unlines([head, "{", second, seal]), /line 2 is not JSON/],
  ["another mover's header", unlines([changed(head, { mover: "mover-b" }), first, seal]), /names another segment/],
  [
    "another number in the header",
    unlines([changed(head, { segment: 2, prev: "0".repeat(64) }), first, seal]),
    /names another segment/,
  ],
  [
    "a prev before the first segment",
    unlines([changed(head, { prev: "0".repeat(64) }), first, seal]),
    /prev is null for segment 1/,
  ],
  ["another version of the format", unlines([changed(head, { v: 2 }), first, seal]), /line 1: /],
  [
    "an index that is left out",
    unlines([head, first, changed(second, { index: 3 }), seal]),
    /index 3 does not follow 1/,
  ],
  ["an unknown key", unlines([head, changed(first, { more: 1 }), seal]), /line 2: /],
  ["a disposition that there is not", unlines([head, changed(first, { disposition: "lost" }), seal]), /line 2: /],
  ["a negative size", unlines([head, changed(first, { exposureMs: -1 }), seal]), /line 2: /],
  ["a time without milliseconds", unlines([head, changed(first, { at: "2026-11-21T02:15:04Z" }), seal]), /line 2: /],
  ["a digest in capitals", unlines([head, changed(first, { sha256: "A".repeat(64) }), seal]), /line 2: /],
  ["holds before an entry", unlines([head, '{"holds":{}}', first, seal]), /line 2: /],
  ["a hold of nothing", unlines([head, first, '{"holds":{"web1":{"quota-bytes":0}}}', seal]), /line 3: /],
  [
    "a signature's line in another form",
    unlines([head, first, seal.replace(":", ": ")]),
    /line 3: it is not the one form/,
  ],
  [
    "a signature with spare bits",
    unlines([head, first, seal.replace(/.==/, spareBits)]),
    /line 3: it is not the one form/,
  ],
  ["a signature of another length", unlines([head, first, changed(seal, { signature: "AAAA" })]), /line 3: /],
] as const) {
  test(`${what} is no segment, and the error says where`, () => assertCorrupt(bytes, message));
}

test("a segment other than the one that was asked for is refused", () => {
  assert.throws(() => parseSegment(good, "mover-a", 2), /segment 2 of mover mover-a: its header names another segment/);
  assert.throws(() => parseSegment(good, "mover-b", 1), /segment 1 of mover mover-b: its header names another segment/);
});

test("a chain goes on only where it ended: number, digest and index", () => {
  const one = parseSegment(good, "mover-a", 1);
  const headOfOne = extendChain(null, one);
  assert.deepEqual(headOfOne, { segment: 1, digest: segmentDigest(good), index: 2 } satisfies ChainHead);
  const two = (index: number, prev = segmentDigest(good), number = 2): ReturnType<typeof parseSegment> =>
    parseSegment(segment({ segment: number, prev }, [formatEntry(entry(index))]), "mover-a", number);
  assert.equal(extendChain(headOfOne, two(3)).index, 3);
  assert.throws(() => extendChain(headOfOne, two(4)), /index 4 does not follow 2/);
  assert.throws(
    () => extendChain(headOfOne, two(3, "0".repeat(64))),
    /segment 2 of mover mover-a: it does not follow the bytes of segment 1/,
  );
  assert.throws(() => extendChain(headOfOne, two(3, segmentDigest(good), 3)), /segment 2 is missing before it/);
  assert.throws(() => extendChain(null, two(3)), /segment 1 is missing before it/);
  const empty = parseSegment(segment({ segment: 2, prev: segmentDigest(good) }, []), "mover-a", 2);
  assert.equal(extendChain(headOfOne, empty).index, 2);
});

test("a segment's name is its number in 12 digits, and no other name is one", () => {
  assert.equal(segmentName("mover-a", 7), "_airlock/ledger/mover-a/000000000007.jsonl");
  assert.equal(parseSegmentName("mover-a", "_airlock/ledger/mover-a/000000000007.jsonl"), 7);
  for (const name of [
    "000000000000.jsonl",
    "7.jsonl",
    "0000000000007.jsonl",
    "000000000007.json",
    "000000000007.jsonl.x",
    "",
  ]) {
    assert.equal(parseSegmentName("mover-a", `_airlock/ledger/mover-a/${name}`), null, name);
  }
  assert.equal(parseSegmentName("mover-a", "_airlock/ledger/mover-b/000000000007.jsonl"), null);
});
