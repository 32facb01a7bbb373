import assert from "node:assert/strict";
import { test } from "node:test";
import { exceedsLimit, formatFigureLine, formatFigures } from "./figure.ts";

test("without a peer its fields are null", () => {
  const line = formatFigureLine("memory", { metric: "peak", value: 251.32, unit: "MiB", better: "lower", limit: 300 });
  assert.deepEqual(JSON.parse(line), {
    bench: "memory",
    metric: "peak",
    value: 251,
    unit: "MiB",
    peer: null,
    peerValue: null,
    ratio: null,
    runs: 1,
  });
});

test("a ratio above 1 means that Airlock is better, whichever way better is", () => {
  const peer = { name: "rclone", value: 20 };
  const ratioOf = (better: "lower" | "higher"): unknown =>
    (
      JSON.parse(formatFigureLine("b", { metric: "m", value: 10, unit: "s", better, peer, runs: 5 })) as {
        ratio: unknown;
      }
    ).ratio; // what it has just printed
  assert.equal(ratioOf("lower"), 2);
  assert.equal(ratioOf("higher"), 0.5);
});

test("a limit is exceeded on its bad side only", () => {
  const at = (value: number, better: "lower" | "higher"): boolean =>
    exceedsLimit({ metric: "m", value, unit: "MiB", better, limit: 300 });
  assert.deepEqual(
    [at(300, "lower"), at(301, "lower"), at(300, "higher"), at(299, "higher")],
    [false, true, false, true],
  );
  assert.equal(exceedsLimit({ metric: "m", value: 1e9, unit: "s", better: "lower" }), false);
});

test("the table shows limit, peer and ratio", () => {
  const table = formatFigures([
    { metric: "a", value: 0.01234, unit: "s", better: "lower", peer: { name: "rclone", value: 0.1 }, runs: 5 },
    { metric: "b", value: 251.4, unit: "MiB", better: "lower", limit: 300 },
  ]);
  const rows = table.split("\n").map((line) => line.split(/ {2,}/).map((cell) => cell.trim()));
  assert.deepEqual(rows[1], ["a", "0.0123", "s", "-", "rclone 0.1", "8.1", "5"]);
  assert.deepEqual(rows[2], ["b", "251", "MiB", "at most 300", "-", "-", "1"]);
});
