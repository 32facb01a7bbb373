import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { planCopy } from "../../../mover/parts.ts";

const MiB = 1024 ** 2;
const TiB = 1024 ** 4;

const maxParts = fc.constantFrom(100, 1000, 10_000);

test("a plan stays within the memory window and within S3's limits, and its parts add up", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: 64, max: 4096 }), maxParts, (sizeBytes, memoryMiB, most) => {
      const memoryBytes = memoryMiB * MiB;
      const plan = planCopy(sizeBytes, memoryBytes, most);
      if (plan === null) return;
      assert.ok(plan.windowBytes <= memoryBytes);
      if (plan.kind === "single") {
        assert.ok(plan.windowBytes > sizeBytes);
        return;
      }
      assert.ok(plan.partCount <= most);
      assert.ok(plan.partBytes >= 5 * MiB && plan.partBytes <= 5 * 1024 * MiB);
      assert.ok(plan.lanes >= 1 && plan.lanes * plan.partBytes < plan.windowBytes);
      assert.ok((plan.partCount - 1) * plan.partBytes < sizeBytes && plan.partCount * plan.partBytes >= sizeBytes);
    }),
  );
});

test("one object never takes the whole window while its parts fit in half of it", () => {
  const plan = planCopy(5 * 1024 * MiB, 96 * MiB);
  assert.deepEqual(plan, {
    kind: "parts",
    partBytes: 8 * MiB,
    partCount: 640,
    lanes: 4,
    windowBytes: 32 * MiB + 64 * 1024,
  });
});

test("an object that no part size brings through is refused, not attempted", () => {
  assert.equal(planCopy(2 * TiB, 96 * MiB), null);
  assert.notEqual(planCopy(2 * TiB, 512 * MiB), null);
  assert.equal(planCopy(49 * TiB, Number.MAX_SAFE_INTEGER), null);
});

test("a store that takes 1,000 parts gets larger ones, all of one size but the last", () => {
  const plan = planCopy(100 * 1024 * MiB + 1, 2048 * MiB, 1000);
  assert.ok(plan?.kind === "parts");
  assert.equal(plan.partBytes, 103 * MiB);
  assert.ok(plan.partCount <= 1000);
  // without the limit, parts stay small
  assert.partialDeepStrictEqual(planCopy(100 * 1024 * MiB + 1, 2048 * MiB), { partBytes: 11 * MiB, partCount: 9310 });
});

test("an empty object is one PUT", () => {
  assert.equal(planCopy(0, 64 * MiB)?.kind, "single");
});
