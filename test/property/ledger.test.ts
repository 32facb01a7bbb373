import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readLedgers, type LedgerItem } from "../../operator/ledger-reader.ts";
import { generateSigningKey, signBytes, type SigningKey } from "../../shared/keys.ts";
import { segmentName } from "../../shared/ledger.ts";
import {
  createLedger,
  createMemoryVault,
  foreignObject,
  keysOf,
  START,
  type FixtureLedger,
} from "../unit/operator/fixture.ts";

const SEGMENTS = 5;
const stranger = generateSigningKey();

/** Five segments; each can be damaged without making the others. */
function makeLedger(): FixtureLedger {
  const ledger = createLedger("mover-a");
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const count = segment % 3;
    const entries = Array.from(
      { length: count + 1 },
      (_, at) => foreignObject(`web1/log/${segment}-${at}`, Buffer.from("x"), START).entry,
    );
    ledger.append(entries, segment % 2 === 0 ? null : { web1: { "quota-bytes": segment } });
  }
  return ledger;
}

const ledger = makeLedger();

async function readAll(segments: ReadonlyMap<number, Uint8Array>): Promise<LedgerItem[]> {
  const vault = createMemoryVault();
  for (const [number, bytes] of segments) vault.put(segmentName("mover-a", number), bytes);
  return Array.fromAsync(readLedgers(vault.reader, keysOf(["mover-a", ledger.key]), AbortSignal.timeout(10_000)));
}

const original = (): Map<number, Uint8Array> => new Map(ledger.segments.map((bytes, at) => [at + 1, bytes]));
const splitLines = (bytes: Uint8Array): string[] =>
  Buffer.from(bytes)
    .toString("latin1")
    .split(/(?<=\n)/);
const joinLines = (lines: readonly string[]): Buffer => Buffer.from(lines.join(""), "latin1");

/** Signs what stands before the last line anew, as somebody with this key would. */
function resign(lines: readonly string[], key: SigningKey): Buffer {
  const body = joinLines(lines.slice(0, -1));
  const seal = { signature: signBytes(key, body).toString("base64"), key: key.public.id };
  return Buffer.concat([body, Buffer.from(`${JSON.stringify(seal)}\n`)]);
}

/** What is proven by a damaged ledger is still what was written; the first thing reported is the damage. */
async function assertFound(damaged: ReadonlyMap<number, Uint8Array>, segment: number): Promise<void> {
  assert.equal(intactDigests.size, SEGMENTS);
  const items = await readAll(damaged);
  const reported = items.flatMap((item) => (item.kind === "problem" ? [item.segment ?? 0] : []));
  assert.equal(reported[0], segment, `damage at ${segment}, reported at ${reported.join(", ") || "no segment"}`);
  for (const item of items) {
    if (item.kind !== "segment") continue;
    const { header, digest } = item.segment;
    if (item.intact) assert.equal(digest, intactDigests.get(header.segment));
    assert.ok(!item.intact || header.segment <= segment, "what lies behind the damage does not count as intact");
  }
}

const intactDigests = new Map<number, string>();
test("an undamaged ledger is proven whole, segment after segment", async () => {
  for (const item of await readAll(original())) {
    assert.ok(item.kind === "segment" && item.intact && item.signer !== null);
    intactDigests.set(item.segment.header.segment, item.segment.digest);
  }
  assert.equal(intactDigests.size, SEGMENTS);
});

const anySegment = fc.integer({ min: 1, max: SEGMENTS });
const bytesOf = (number: number): Uint8Array => ledger.segments[number - 1] ?? new Uint8Array();

test("one flipped bit anywhere is found, at its segment", async () => {
  await fc.assert(
    fc.asyncProperty(anySegment, fc.nat(), fc.integer({ min: 0, max: 7 }), async (number, position, bit) => {
      const bytes = Buffer.from(bytesOf(number));
      const at = position % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      await assertFound(original().set(number, bytes), number);
    }),
    { numRuns: 400 },
  );
});

test("a segment that was cut off anywhere is found, at its segment", async () => {
  await fc.assert(
    fc.asyncProperty(anySegment, fc.nat(), async (number, position) => {
      const bytes = bytesOf(number);
      await assertFound(original().set(number, bytes.subarray(0, position % bytes.length)), number);
    }),
    { numRuns: 200 },
  );
});

test("bytes after a segment's end are found, at its segment", async () => {
  await fc.assert(
    fc.asyncProperty(anySegment, fc.uint8Array({ minLength: 1, maxLength: 50 }), async (number, more) => {
      await assertFound(original().set(number, Buffer.concat([bytesOf(number), more])), number);
    }),
    { numRuns: 100 },
  );
});

test("a line that was removed, doubled, moved or put in from another segment is found, at its segment", async () => {
  await fc.assert(
    fc.asyncProperty(
      anySegment,
      fc.nat(),
      fc.nat(),
      fc.constantFrom("remove", "double", "move", "insert"),
      async (number, first, second, how) => {
        const lines = splitLines(bytesOf(number));
        const from = first % lines.length;
        const line = lines[from] ?? "";
        if (how === "remove") lines.splice(from, 1);
        if (how === "double") lines.splice(second % (lines.length + 1), 0, line);
        if (how === "insert") {
          const others = splitLines(bytesOf((number % SEGMENTS) + 1));
          lines.splice(second % (lines.length + 1), 0, others[first % others.length] ?? "");
        }
        if (how === "move") {
          const to = second % lines.length;
          fc.pre(to !== from);
          lines.splice(from, 1);
          lines.splice(to, 0, line);
        }
        await assertFound(original().set(number, joinLines(lines)), number);
      },
    ),
    { numRuns: 300 },
  );
});

test("segments that changed places are found, at the first of them", async () => {
  await fc.assert(
    fc.asyncProperty(anySegment, anySegment, async (one, other) => {
      fc.pre(one !== other);
      await assertFound(original().set(one, bytesOf(other)).set(other, bytesOf(one)), Math.min(one, other));
    }),
  );
});

test("a segment that was removed from before the end is found and named", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: SEGMENTS - 1 }), async (number) => {
      const segments = original();
      segments.delete(number);
      const items = await readAll(segments);
      const problems = items.filter((item) => item.kind === "problem");
      assert.deepEqual(
        problems.map(({ segment, subject }) => ({ segment, subject })),
        [{ segment: number, subject: segmentName("mover-a", number) }],
      );
      for (const item of items)
        assert.ok(item.kind === "problem" || item.intact === item.segment.header.segment < number);
    }),
  );
});

/** Entries are altered so that the segment by itself is faultless: only its signature or its successor can tell. */
async function rewrite(number: number, key: SigningKey): Promise<Map<number, Uint8Array>> {
  const lines = splitLines(bytesOf(number)).map((line) => line.replace(/"exposureMs":812/, '"exposureMs":1'));
  return original().set(number, resign(lines, key));
}

test("a segment that a stranger rewrote and signed is found, at that segment, and nothing in it is proven", async () => {
  await fc.assert(
    fc.asyncProperty(anySegment, async (number) => {
      const items = await readAll(await rewrite(number, stranger));
      const first = items.find((item) => item.kind === "problem");
      assert.equal(first?.segment, number);
      const rewritten = items.find((item) => item.kind === "segment" && item.segment.header.segment === number);
      assert.ok(rewritten?.kind === "segment" && rewritten.signer === null);
    }),
  );
});

test("a segment that the mover itself rewrote later is found, at the one behind it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: SEGMENTS - 1 }), async (number) => {
      const problems = (await readAll(await rewrite(number, ledger.key))).filter((item) => item.kind === "problem");
      assert.deepEqual(
        problems.map(({ segment }) => segment),
        [number + 1],
      );
      assert.match(problems[0]?.message ?? "", new RegExp(`does not follow the bytes of segment ${number}`));
    }),
  );
});
