import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatBytes,
  formatDuration,
  parseDuration,
  parseSize,
  writeDuration,
  writeSize,
} from "../../shared/config/units.ts";

test("what is written as a size or a duration is read as the same amount", () => {
  const amount = fc.oneof(
    fc.maxSafeNat(),
    fc.nat({ max: 10_000 }).chain((n) => fc.constantFrom(n * 1024, n * 1000, n * 3_600_000)),
  );
  fc.assert(
    fc.property(amount, (given) => {
      assert.equal(parseSize(writeSize(given)), given);
      assert.equal(parseDuration(writeDuration(given)), given);
    }),
    { numRuns: 2000 },
  );
});

test("whatever is read as a size or a duration is a whole amount that can be written", () => {
  const text = fc.stringMatching(/^\d{1,18}(?:ms|[smhdw]|[kKMGTP]i?B|B)$/);
  fc.assert(
    fc.property(text, (given) => {
      for (const [parse, write] of [
        [parseSize, writeSize],
        [parseDuration, writeDuration],
      ] as const) {
        const amount = parse(given);
        if (amount === null) continue;
        assert.ok(Number.isSafeInteger(amount) && amount >= 0);
        assert.equal(parse(write(amount)), amount);
      }
    }),
    { numRuns: 2000 },
  );
});

test("a number without a unit is no amount", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (given) => {
      assert.equal(parseSize(String(given)), null);
      assert.equal(parseDuration(String(given)), null);
    }),
  );
});

test("what people are shown is short, whatever the amount", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (given) => {
      assert.match(formatBytes(given), /^\d{1,4}(?:\.\d)? [KMGTP]?i?B$/);
      assert.match(formatDuration(given), /^\d+(?:\.\d)?(?:ms|s|m|h|d)(?: \d+[smh])?$/);
    }),
    { numRuns: 2000 },
  );
});
