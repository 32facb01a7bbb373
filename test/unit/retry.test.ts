import assert from "node:assert/strict";
import { test } from "node:test";
import { isAirlockError } from "../../shared/errors.ts";
import { realTiming } from "../../shared/retry.ts";

const FOUR_WEEKS_MS = 4 * 7 * 86_400_000;

test("a sleep of four weeks lasts four weeks, though no timer of Node's does", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let isAwake = false;
  void realTiming.sleep(FOUR_WEEKS_MS, new AbortController().signal).then(() => (isAwake = true));
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  context.mock.timers.tick(2 ** 31 - 1);
  await turn();
  context.mock.timers.tick(FOUR_WEEKS_MS - 2 ** 31);
  await turn();
  assert.equal(isAwake, false);
  context.mock.timers.tick(1);
  await turn();
  assert.equal(isAwake, true);
});

test("a sleep that is longer than any timer can be ended, and is not over at once", async () => {
  const stop = new AbortController();
  const sleeping = realTiming.sleep(FOUR_WEEKS_MS, stop.signal);
  const first = await Promise.race([sleeping, realTiming.sleep(50, stop.signal).then(() => "still asleep")]);
  assert.equal(first, "still asleep");
  stop.abort(new Error("enough"));
  await assert.rejects(sleeping, (error) => isAirlockError(error, "interrupted"));
});
