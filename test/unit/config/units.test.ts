import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import {
  durationSchema,
  formatBytes,
  formatDuration,
  parseDuration,
  parseSize,
  sizeSchema,
  writeDuration,
  writeSize,
} from "../../../shared/config/units.ts";

test("durations carry a unit", () => {
  const cases: [string, number | null][] = [
    ["200ms", 200],
    ["1s", 1000],
    ["90m", 5_400_000],
    ["26h", 93_600_000],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
    ["0s", 0],
    ["26", null],
    ["", null],
    ["h", null],
    ["-1s", null],
    ["1.5h", null],
    ["1h30m", null],
    ["1 h", null],
    ["1H", null],
    ["9007199254740993ms", null],
    ["99999999999999999s", null],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
});

test("sizes carry a unit, binary or decimal", () => {
  const cases: [string, number | null][] = [
    ["1024B", 1024],
    ["20MiB", 20_971_520],
    ["50GiB", 53_687_091_200],
    ["1kB", 1000],
    ["1KiB", 1024],
    ["5MB", 5_000_000],
    ["2TB", 2e12],
    ["0B", 0],
    ["20", null],
    ["20mib", null],
    ["20M", null],
    ["1KB", null],
    ["1e3B", null],
    ["9999PiB", null],
  ];
  for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, text);
});

test("amounts are written in the largest unit that holds them exactly", () => {
  assert.equal(writeDuration(0), "0s");
  assert.equal(writeDuration(93_600_000), "26h");
  assert.equal(writeDuration(1500), "1500ms");
  assert.equal(writeSize(0), "0B");
  assert.equal(writeSize(20_971_520), "20MiB");
  assert.equal(writeSize(5_000_000), "5MB");
  assert.equal(writeSize(1023), "1023B");
  assert.throws(() => writeSize(-1), RangeError);
  assert.throws(() => writeDuration(0.5), RangeError);
});

test("sizes read well", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [73_400_320, "70.0 MiB"],
    [1_048_575, "1.0 MiB"],
    [2 ** 50, "1.0 PiB"],
    [2 ** 60, "1024.0 PiB"],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});

test("durations read well", () => {
  const cases: [number, string][] = [
    [0, "0ms"],
    [812, "812ms"],
    [999.6, "1.0s"],
    [4200, "4.2s"],
    [9960, "10s"],
    [59_700, "1m"],
    [72_000, "1m 12s"],
    [3_599_600, "1h"],
    [93_600_000, "26h"],
    [93_720_000, "26h 2m"],
    [273_600_000, "3d 4h"],
    [-4200, "-4.2s"],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

test("bounds are kept to, and named where they are not", () => {
  const poll = durationSchema({ min: "10ms", max: "1d" });
  assert.equal(poll.parse("10ms"), 10);
  assert.equal(poll.parse("1d"), 86_400_000);
  for (const given of ["9ms", "25h", "1", 5]) {
    const result = poll.safeParse(given);
    const message = "a duration with its unit, such as 26h, 30s or 200ms; at least 10ms and at most 1d";
    assert.deepEqual(
      result.error?.issues.map((issue) => issue.message),
      [message],
    );
  }
  assert.equal(sizeSchema().safeParse(1024).error?.issues[0]?.message, "a size with its unit, such as 20MiB or 50GB");
  assert.throws(() => sizeSchema({ min: "20" }), RangeError);
  assert.ok(durationSchema() instanceof z.ZodType);
});
