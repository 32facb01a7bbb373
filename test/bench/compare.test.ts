import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { median, runInTurns } from "./compare.ts";

describe("runInTurns", () => {
  it("runs both sides by turns, one after the other, and leaves the round that warms up out", async () => {
    const order: string[] = [];
    let running = 0;
    const side = (name: string) => async (): Promise<string> => {
      assert.equal(running++, 0, "never both at once");
      await Promise.resolve();
      running--;
      order.push(name);
      return `${name}${order.length}`;
    };
    const compared = await runInTurns(2, side("a"), side("b"));
    assert.deepEqual(order, ["a", "b", "a", "b", "a", "b"]);
    assert.deepEqual(compared, { ours: ["a3", "a5"], theirs: ["b4", "b6"] });
  });

  it("ends with the first side that fails, and runs nothing after it", async () => {
    let runs = 0;
    const count = (): Promise<number> => Promise.resolve(runs++);
    const fail = (): Promise<number> => Promise.reject(new Error("no such program"));
    await assert.rejects(runInTurns(3, fail, count), /no such program/);
    assert.equal(runs, 0);
    await assert.rejects(runInTurns(3, count, fail), /no such program/);
    assert.equal(runs, 1);
  });
});

describe("median", () => {
  it("is the one in the middle, whatever the order, and compares numbers as numbers", () => {
    assert.equal(median([9, 100, 11]), 11);
    assert.equal(median([5]), 5);
    assert.equal(median([3, 1, 2, 5, 4]), 3);
  });

  it("is the lower of two in the middle", () => {
    assert.equal(median([4, 1, 3, 2]), 2);
    assert.equal(median([2, 1]), 1);
  });

  it("is not moved by one outlier", () => {
    assert.equal(median([10, 11, 12, 13, 1e9]), 12);
  });

  it("refuses nothing, and leaves what it was given as it was", () => {
    assert.throws(() => median([]), RangeError);
    const values = [3, 1, 2];
    median(values);
    assert.deepEqual(values, [3, 1, 2]);
  });
});
