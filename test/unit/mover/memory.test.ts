import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MemoryWindow } from "../../../mover/memory.ts";
import { isAirlockError } from "../../../shared/errors.ts";

const never = new AbortController().signal;

test("the bytes reserved at one time never exceed the window, and all reservations are granted in the end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 50 }),
      fc.constantFrom(0, 5, 20, 100),
      async (sizes, maxSmallBytes) => {
        const window = new MemoryWindow(100, maxSmallBytes);
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
      },
    ),
  );
});

test("however many large reservations there are, small ones are granted beside them", async () => {
  const window = new MemoryWindow(100, 5);
  const large = Array.from({ length: 10 }, () => window.reserve(25, never));
  const held = await Promise.all(large.slice(0, 3));
  for (let turn = 0; turn < 100; turn++) {
    using _one = await window.reserve(5, never);
    using _two = await window.reserve(5, never);
  }
  assert.equal(window.usedBytes, 75);
  for (const reservation of held) reservation[Symbol.dispose]();
  for (const reservation of large.slice(3)) (await reservation)[Symbol.dispose]();
});

test("however many small reservations come, a large one has its turn", async () => {
  const window = new MemoryWindow(100, 5);
  let small = await Promise.all(Array.from({ length: 20 }, () => window.reserve(5, never)));
  const seen = { isGranted: false };
  const large = window.reserve(70, never).then((reservation) => {
    seen.isGranted = true;
    return reservation;
  });
  for (let turn = 0; !seen.isGranted; turn++) {
    assert.ok(turn < 10, "it waits for ever");
    const next = Array.from({ length: 5 }, () => window.reserve(5, never));
    for (const reservation of small) reservation[Symbol.dispose]();
    small = await Promise.all(next);
    await new Promise(setImmediate);
  }
  (await large)[Symbol.dispose]();
  for (const reservation of small) reservation[Symbol.dispose]();
});

test("within a line nothing overtakes: a larger reservation has its turn before what came after it", async () => {
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
