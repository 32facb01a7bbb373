import assert from "node:assert/strict";
import { test } from "node:test";
import { frameOf } from "../../../mover/watch-status.ts";

/** What a terminal shows that had `before` on it, for the few sequences that a frame is made of. */
function draw(frame: string, before: readonly string[]): string[] {
  const lines = [...before];
  assert.ok(frame.startsWith("\u001b[H"), "begins at the top");
  const drawn = frame.slice("\u001b[H".length).split("\r\n");
  for (const [index, line] of drawn.entries()) {
    const [text = "", ...after] = line.split("\u001b[K");
    assert.equal(after.length, 1, "each line wipes what is left of the one that was there");
    lines[index] = text;
    if (after[0] === "\u001b[J") lines.splice(index + 1);
  }
  return lines;
}

test("a frame stands in place of the one before it, whatever was longer there", () => {
  const before = draw(frameOf("one long line\ntwo\nthree\n", 80, 24), []);
  assert.deepEqual(before, ["one long line", "two", "three"]);
  assert.deepEqual(draw(frameOf("1\n2\n", 80, 24), before), ["1", "2"]);
});

test("no frame is larger than the screen: lines are cut, and what is missing below is told", () => {
  const page = Array.from({ length: 30 }, (_, index) => `line ${index} ${"x".repeat(100)}`).join("\n");
  const lines = draw(frameOf(page, 40, 10), []);
  assert.equal(lines.length, 10);
  assert.equal(lines.at(-1), "… 21 more lines");
  for (const line of lines) assert.ok(line.length <= 40, line);
  assert.equal(draw(frameOf(page, 200, 30), []).length, 30);
});

test("what a host chose to call something does not drive the terminal", () => {
  const frame = frameOf("set \u001b[2J\u0007\n", 80, 24);
  assert.ok(!frame.includes("\u001b[2J") && !frame.includes("\u0007"), JSON.stringify(frame));
});
