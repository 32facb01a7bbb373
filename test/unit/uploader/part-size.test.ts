import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MAX_PARTS, partSizeAt, SMALL_OBJECT_BYTES } from "../../../uploader/part-size.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TIB = 1024 ** 4;

function sumOfParts(knownSizeBytes: number | null): number {
  let sum = 0;
  for (let number = 1; number <= MAX_PARTS; number++) sum += partSizeAt(number, knownSizeBytes);
  return sum;
}

describe("partSizeAt", () => {
  it("gives a stream of unknown length room for 5 TiB in 10,000 parts", () => {
    assert.ok(sumOfParts(null) >= 5 * TIB, `${sumOfParts(null) / TIB} TiB`);
  });

  it("begins with parts that fit in memory", () => {
    assert.equal(partSizeAt(1, null), SMALL_OBJECT_BYTES);
    assert.equal(partSizeAt(1, 1), SMALL_OBJECT_BYTES);
  });

  it("keeps every part within S3's limits and never shrinks, whatever is known", () => {
    const known = fc.option(fc.nat({ max: 5 * TIB }), { nil: null });
    fc.assert(
      fc.property(known, fc.integer({ min: 1, max: MAX_PARTS - 1 }), (size, number) => {
        const part = partSizeAt(number, size);
        const next = partSizeAt(number + 1, size);
        assert.ok(Number.isSafeInteger(part) && part >= 5 * MIB && part <= 5 * GIB, `${part} bytes`);
        assert.ok(next >= part, `${part} then ${next}`);
      }),
    );
  });

  it("cuts a known size so that it fits with room to grow", () => {
    fc.assert(
      fc.property(fc.nat({ max: 5 * TIB }), (size) => {
        assert.ok(sumOfParts(size) >= size * 1.1);
      }),
      { numRuns: 30 },
    );
  });
});
