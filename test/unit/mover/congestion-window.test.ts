import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CongestionWindow } from "../../../mover/congestion-window.ts";

const MAX = 32;

/** A store that serves so many requests side by side; the others wait. There is always another to send. */
interface Store {
  readonly serves: number;
  readonly serviceMs: () => number;
}

/** Keeps the window full for so long, and returns its size at the end and what was served per second. */
function saturate(window: CongestionWindow, store: Store, forMs: number, fromMs = 0): { size: number; perS: number } {
  const lanes = Array.from({ length: store.serves }, () => fromMs);
  const answers: { atMs: number; askedMs: number; underWay: number }[] = [];
  let nowMs = fromMs;
  let served = 0;
  while (nowMs < fromMs + forMs) {
    while (answers.length < window.size) {
      const lane = lanes.indexOf(Math.min(...lanes));
      const atMs = Math.max(nowMs, lanes[lane] ?? 0) + store.serviceMs();
      lanes[lane] = atMs;
      answers.push({ atMs, askedMs: nowMs, underWay: answers.length + 1 });
      answers.sort((one, other) => one.atMs - other.atMs);
    }
    const next = answers.shift();
    assert.ok(next);
    nowMs = next.atMs;
    window.answered(nowMs - next.askedMs, next.underWay, nowMs);
    served++;
  }
  return { size: window.size, perS: (served * 1000) / forMs };
}

/** Log-normal, as answers of a store far away are: a mean of about 1.3 medians, and now and then several. */
function varying(medianMs: number, seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff;
    return (state + 1) / 0x80_00_00_01;
  };
  return () => medianMs * Math.exp(0.7 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

describe("the congestion window", () => {
  it("is all of the concurrency where a store serves that many side by side, however much its answers vary", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const window = new CongestionWindow(MAX);
      const { perS } = saturate(window, { serves: 64, serviceMs: varying(30, seed) }, 20_000);
      // 32 at a time, of 38 ms each, are 840 per second
      assert.ok(perS > 600, `${perS} per second with seed ${seed}`);
    }
  });

  it("is a few where they would only wait for each other, at no cost of what is served", () => {
    const window = new CongestionWindow(MAX);
    const { size, perS } = saturate(window, { serves: 2, serviceMs: () => 4 }, 10_000);
    assert.ok(size >= 3 && size <= 12, `${size} side by side`);
    assert.ok(perS > 480, `${perS} of 500 per second`);
  });

  it("grows again when a store serves more", () => {
    const window = new CongestionWindow(MAX);
    const before = saturate(window, { serves: 2, serviceMs: () => 4 }, 10_000).size;
    const after = saturate(window, { serves: 100, serviceMs: () => 4 }, 10_000, 10_000).size;
    assert.ok(before < 16);
    assert.equal(after, MAX);
  });

  it("finds out anew what calm times are like, with few under way, when it has not seen any for a while", () => {
    const window = new CongestionWindow(MAX);
    saturate(window, { serves: 2, serviceMs: () => 4 }, 19_000);
    // ten times slower in itself: had calm times been what they were, all of it would count as waiting
    const { size } = saturate(window, { serves: 64, serviceMs: () => 40 }, 30_000, 19_000);
    assert.equal(size, MAX);
  });

  it("is halved when a store asks for fewer requests, once a second, down to one, and grows again", () => {
    const window = new CongestionWindow(MAX);
    const store = { serves: 100, serviceMs: () => 5 };
    assert.equal(saturate(window, store, 5_000).size, MAX);
    window.slowDown(5_000);
    window.slowDown(5_100);
    assert.equal(window.size, MAX / 2);
    for (let atMs = 6_100; atMs < 20_000; atMs += 1_100) window.slowDown(atMs);
    assert.equal(window.size, 1);
    assert.equal(saturate(window, store, 5_000, 20_000).size, MAX);
  });

  it("is halved, and finds out anew what is calm, also when the clock was set back a day", () => {
    const window = new CongestionWindow(MAX);
    const store = { serves: 100, serviceMs: () => 5 };
    const dayMs = 24 * 3_600_000;
    window.slowDown(dayMs);
    saturate(window, store, 5_000, dayMs + 1000);
    assert.equal(window.size, MAX);
    window.slowDown(0);
    assert.equal(window.size, MAX / 2);
    window.answered(-dayMs, MAX / 2, 0); // asked before the clock was set
    assert.equal(window.size, MAX / 2);
    window.answered(5, MAX / 2, 10);
    assert.equal(window.size, 2);
  });

  it("does not grow for want of work", () => {
    const window = new CongestionWindow(MAX);
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) window.answered(5, 1, nowMs);
    assert.ok(window.size <= 4, `${window.size}`);
  });

  it("is never more than the concurrency, which may change", () => {
    const window = new CongestionWindow(1);
    assert.equal(window.size, 1);
    const store = { serves: 100, serviceMs: () => 5 };
    assert.equal(saturate(window, store, 5_000).size, 1);
    window.limit(8);
    assert.equal(saturate(window, store, 10_000, 5_000).size, 8);
  });
});
