import assert from "node:assert/strict";
import { test } from "node:test";
import { widthOf } from "../../shared/printable.ts";
import { formatProgress, startProgress } from "../../shared/progress.ts";

const MIB = 1_048_576;

function terminal(columns = 80): {
  written: string[];
  stream: { isTTY: true; columns: number; write(text: string): void };
} {
  const written: string[] = [];
  return { written, stream: { isTTY: true, columns, write: (text) => void written.push(text) } };
}

test("bytes, share, rate and remaining time stand in one line", () => {
  assert.equal(
    formatProgress("shop.dump", 35 * MIB, 70 * MIB, 10 * MIB),
    "shop.dump  35.0 MiB of 70.0 MiB  50%  10.0 MiB/s  3.5s left",
  );
  assert.equal(formatProgress("-", 35 * MIB, null, 10 * MIB), "-  35.0 MiB  10.0 MiB/s");
  assert.equal(formatProgress("x", 0, 70 * MIB, null), "x  0 B of 70.0 MiB  0%");
  assert.equal(formatProgress("x", 0, 70 * MIB, 0), "x  0 B of 70.0 MiB  0%  0 B/s");
  assert.equal(formatProgress("x", 71, 70, 1), "x  71 B of 70 B  100%  1 B/s");
  assert.equal(formatProgress("x", 0, 0, null), "x  0 B of 0 B");
});

test("where nobody looks, nothing is written", () => {
  const written: string[] = [];
  const progress = startProgress({
    label: "x",
    totalBytes: 1,
    stream: { write: (text) => written.push(text) },
    now: () => 0,
  });
  progress.add(1);
  progress.end();
  assert.deepEqual(written, []);
});

test("the line is drawn ten times a second at most, over itself, and is gone at the end", () => {
  const { written, stream } = terminal();
  let now = 1000;
  const progress = startProgress({ label: "x", totalBytes: 100, stream, now: () => now });
  for (let step = 0; step < 100; step += 1) {
    progress.add(1);
    now += 10;
  }
  assert.equal(written.length, 10);
  assert.ok(written.every((text) => text.startsWith("\r\u001B[K") && !text.includes("\n")));
  assert.equal(written.at(-1), "\r\u001B[Kx  91 B of 100 B  91%  101 B/s  89ms left");
  progress.end();
  progress.end();
  progress.add(1);
  assert.equal(written.length, 11);
  assert.equal(written.at(-1), "\r\u001B[K");
});

test("the rate is that of the last ten seconds", () => {
  const { written, stream } = terminal();
  let now = 0;
  const progress = startProgress({ label: "x", totalBytes: null, stream, now: () => now });
  progress.add(1000 * MIB);
  for (let second = 1; second <= 20; second += 1) {
    now = second * 1000;
    progress.add(MIB);
  }
  assert.match(written.at(-1) ?? "", / {2}1\.0 MiB\/s$/);
});

test("a line never wraps, and its label cannot drive the terminal", () => {
  const { written, stream } = terminal(40);
  let now = 0;
  const progress = startProgress({
    label: `\u001B[31m${"日".repeat(100)}`,
    totalBytes: 70 * MIB,
    stream,
    now: () => now,
  });
  now = 1000;
  progress.add(MIB);
  const line = (written[0] ?? "").replace("\r\u001B[K", "");
  assert.ok(widthOf(line) <= 39, line);
  assert.ok(!line.includes("\u001B"));
});
