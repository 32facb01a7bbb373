import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { prefetch } from "../../../operator/prefetch.ts";

const signal = AbortSignal.timeout(10_000);

test("what is loaded comes in the items' order, however long each takes", async () => {
  const load = async (item: number): Promise<number> => {
    for (let turn = item % 3; turn > 0; turn--) await setImmediate();
    return item * 2;
  };
  assert.deepEqual(await Array.fromAsync(prefetch([0, 1, 2, 3, 4, 5, 6], 3, load, signal)), [0, 2, 4, 6, 8, 10, 12]);
  assert.deepEqual(await Array.fromAsync(prefetch([], 3, load, signal)), []);
});

test("never more than the width are under way", async () => {
  let running = 0;
  let most = 0;
  const load = async (): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await setImmediate();
    running -= 1;
  };
  await Array.fromAsync(prefetch(Array.from({ length: 20 }), 4, load, signal));
  assert.equal(most, 4);
});

/** Loads that end only when they are cancelled. */
function pendingLoads(): { load: (item: number, signal: AbortSignal) => Promise<number>; cancelled: number[] } {
  const cancelled: number[] = [];
  return {
    cancelled,
    load: (item, loadSignal) =>
      item === 0
        ? Promise.resolve(item)
        : new Promise((_, reject) => {
            loadSignal.addEventListener("abort", () => {
              cancelled.push(item);
              reject(new Error("cancelled"));
            });
          }),
  };
}

test("leaving the loop cancels what is under way, and waits for it", async () => {
  const { load, cancelled } = pendingLoads();
  for await (const item of prefetch([0, 1, 2, 3], 3, load, signal)) {
    assert.equal(item, 0);
    break;
  }
  assert.deepEqual(cancelled, [1, 2]);
});

test("a load that fails cancels the others, and its error is the one that is thrown", async () => {
  const { load, cancelled } = pendingLoads();
  const failing = (item: number, loadSignal: AbortSignal): Promise<number> =>
    item === 0 ? Promise.reject(new RangeError("first")) : load(item, loadSignal);
  await assert.rejects(Array.fromAsync(prefetch([0, 1, 2], 3, failing, signal)), /first/);
  assert.deepEqual(cancelled, [1, 2]);
});

test("an abort from outside reaches every load", async () => {
  const { load, cancelled } = pendingLoads();
  const abort = new AbortController();
  const reading = Array.fromAsync(prefetch([1, 2], 2, load, abort.signal));
  await setImmediate();
  abort.abort();
  await assert.rejects(reading, /cancelled/);
  assert.deepEqual(cancelled, [1, 2]);
});
