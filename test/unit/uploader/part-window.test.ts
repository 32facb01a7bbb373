import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createPartWindow, type PartWindow } from "../../../uploader/part-window.ts";

const PART = 8 * 1024 ** 2;

/** Sends parts through a line that carries `rateOf(window)` parts per second; returns the sizes that the window had. */
function send(window: PartWindow, parts: number, rateOf: (size: number) => number, isFull = true): number[] {
  const sizes: number[] = [];
  for (let sent = 0; sent < parts; sent++) {
    if (isFull) window.wait();
    now += 1000 / rateOf(window.size);
    window.done(PART, now);
    sizes.push(window.size);
  }
  return sizes;
}
let now = 1_000_000;

function openWindow(limit: number): PartWindow {
  const window = createPartWindow(now);
  window.limitTo(limit);
  return window;
}

const mostOf = (sizes: readonly number[]): number => sizes.toSorted((a, b) => a - b)[Math.floor(sizes.length / 2)] ?? 0;

describe("createPartWindow", () => {
  it("grows as long as each step gains, up to its limit", () => {
    const window = openWindow(40);
    const sizes = send(window, 400, (size) => size);
    assert.equal(sizes.at(-1), 40);
    assert.ok(Math.max(...sizes) <= 40);
  });

  it("stops where more gain nothing, and stays near there", () => {
    const window = openWindow(40);
    const sizes = send(window, 1000, (size) => Math.min(size, 9));
    assert.equal(mostOf(sizes.slice(200)), 9);
    assert.ok(Math.max(...sizes) <= 14, `${Math.max(...sizes)}`);
  });

  it("tries again when the line has become faster", () => {
    const window = openWindow(40);
    send(window, 300, (size) => Math.min(size, 4));
    assert.ok(window.size <= 6);
    assert.equal(send(window, 1000, (size) => size).at(-1), 40);
  });

  it("does not grow while its source is what is slow", () => {
    assert.equal(Math.max(...send(openWindow(40), 300, (size) => size, false)), 4);
  });

  it("halves when the store asks for less, down to one, and comes back slowly", () => {
    const window = openWindow(40);
    send(window, 400, (size) => size);
    window.slowDown();
    assert.equal(window.size, 20);
    assert.equal(send(window, 100, (size) => size).at(-1), 20);
    assert.equal(send(window, 400, (size) => size).at(-1), 40);
    for (let times = 0; times < 9; times++) window.slowDown();
    assert.equal(window.size, 1);
  });

  it("shrinks at once when there is room for fewer", () => {
    const window = openWindow(40);
    send(window, 400, (size) => size);
    window.limitTo(3);
    assert.equal(Math.max(...send(window, 100, (size) => size)), 3);
  });

  it("never exceeds a limit below where it begins, and says nothing of a clock that stands or goes back", () => {
    const window = openWindow(1);
    assert.equal(Math.max(...send(window, 50, () => 3)), 1);
    const stopped = openWindow(40);
    for (let sent = 0; sent < 50; sent++) {
      stopped.wait();
      stopped.done(PART, now - sent);
    }
    assert.equal(stopped.size, 4);
  });
});
