import assert from "node:assert/strict";
import { test } from "node:test";
import type { Verdict } from "./history.ts";
import { runHistories } from "./threads.ts";

async function collect(fromSeed: number, count: number, trace: boolean): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  await runHistories({ fromSeed, count, trace, onVerdict: (verdict) => void verdicts.push(verdict) });
  return verdicts;
}

test("the same seed gives the same history, request by request, whatever ran before it", async () => {
  const [together, alone] = await Promise.all([collect(1, 8, true), collect(8, 1, true)]);
  assert.equal(alone.length, 1);
  assert.deepEqual(together.at(-1), alone[0]);
});

test("tracing a history does not change it", async () => {
  const [traced, plain] = await Promise.all([collect(20, 3, true), collect(20, 3, false)]);
  assert.deepEqual(
    plain.map(({ digest }) => digest),
    traced.map(({ digest }) => digest),
  );
  assert.equal(new Set(plain.map(({ digest }) => digest)).size, 3, "each seed gives another one");
});

test("a hundred histories: everything holds", async () => {
  const verdicts = await collect(100, 100, false);
  assert.equal(verdicts.length, 100);
  for (const { seed, violations } of verdicts) assert.deepEqual(violations, [], `npm run sim -- --seed ${seed}`);
});
