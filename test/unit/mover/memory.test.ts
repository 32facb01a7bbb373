import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MemoryWindow } from "../../../mover/memory.ts";
import { isAirlockError } from "../../../shared/errors.ts";

const never = new AbortController().signal;

test("the bytes reserved at one time never exceed the window, and all reservations are granted in the end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 50 }), async (sizes) => {
      const window = new MemoryWindow(100);
      let granted = 0;
      await Promise.all(
        sizes.map(async (size) => {
          using _reservation = await window.reserve(size, never);
          granted++;
          assert.ok(window.usedBytes <= 100);
          await new Promise(setImmediate);
        }),
      );
      assert.equal(granted, sizes.length);
      assert.equal(window.usedBytes, 0);
    }),
  );
});

test("a large reservation is not overtaken by small ones that would fit", async () => {
  const window = new MemoryWindow(10);
  const first = await window.reserve(6, never);
  const order: string[] = [];
  const large = window.reserve(8, never).then((reservation) => {
    order.push("large");
    reservation[Symbol.dispose]();
  });
  const small = window.reserve(1, never).then(() => order.push("small"));
  await new Promise(setImmediate);
  assert.deepEqual(order, []);
  first[Symbol.dispose]();
  await Promise.all([large, small]);
  assert.deepEqual(order, ["large", "small"]);
});

test("who gives up waiting lets those behind go on, and nothing is lost", async () => {
  const window = new MemoryWindow(10);
  const first = await window.reserve(6, never);
  const controller = new AbortController();
  const large = window.reserve(8, controller.signal);
  const small = window.reserve(4, never);
  controller.abort();
  await assert.rejects(large, (error) => isAirlockError(error, "interrupted"));
  (await small)[Symbol.dispose]();
  first[Symbol.dispose]();
  first[Symbol.dispose](); // twice counts once
  assert.equal(window.usedBytes, 0);
});

test("a reservation larger than the window is refused at once instead of waiting for ever", () => {
  assert.throws(() => new MemoryWindow(10).reserve(11, never), RangeError);
});
