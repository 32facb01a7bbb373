import assert from "node:assert/strict";
import { test } from "node:test";
import { isSelected, parseSelector, parseTime } from "../../../operator/selector.ts";
import { isAirlockError } from "../../../shared/errors.ts";

const isUsage = (error: unknown): boolean => isAirlockError(error, "usage");

test("HOST, HOST/SET and a whole key are understood, with and without a slash at the end", () => {
  assert.deepEqual(parseSelector("web1"), { host: "web1", path: null });
  assert.deepEqual(parseSelector("web1/"), { host: "web1", path: null });
  assert.deepEqual(parseSelector("web1/etc/"), { host: "web1", path: "etc" });
  assert.deepEqual(parseSelector("web1/nginx/a.log"), { host: "web1", path: "nginx/a.log" });
  assert.deepEqual(parseSelector("constructor/etc"), { host: "constructor", path: "etc" });
  for (const text of ["", "/", "/etc", "Web1", "../etc", "web 1/etc", "-x"])
    assert.throws(() => parseSelector(text), isUsage, text);
});

test("a set's name is matched whole", () => {
  const postgres = parseSelector("web1/postgres");
  assert.ok(isSelected("web1/postgres/2026/x", postgres));
  assert.ok(isSelected("web1/postgres", postgres));
  assert.ok(!isSelected("web1/postgres2/2026/x", postgres));
  assert.ok(!isSelected("web10/postgres/2026/x", postgres));
  assert.ok(!isSelected("web1", parseSelector("web1")));
});

for (const [text, expected] of [
  ["2026-11-21", "2026-11-21T23:59:59.999Z"],
  ["2026-11-21T02:15", "2026-11-21T02:15:59.999Z"],
  ["2026-11-21 02:15:04", "2026-11-21T02:15:04.999Z"],
  ["2026-11-21T02:15:04.8Z", "2026-11-21T02:15:04.899Z"],
  ["2026-11-21T02:15:04.812Z", "2026-11-21T02:15:04.812Z"],
  ["2026-11-21T02:15:04+02:00", "2026-11-21T00:15:04.999Z"],
  ["2026-11-21+02:00", "2026-11-21T21:59:59.999Z"],
  ["2028-02-29", "2028-02-29T23:59:59.999Z"],
] as const) {
  test(`--at ${text} reaches to the end of what it names`, () => assert.equal(parseTime(text).toISOString(), expected));
}

test("what is no time is refused instead of being guessed at", () => {
  for (const text of [
    "",
    "yesterday",
    "2026-02-30",
    "2026-13-01",
    "2026-11-21T24:00",
    "2026-11-21T02:60",
    "21.11.2026",
    "2026-11-21T02",
    "2026-11-21T02:15+25:99",
  ]) {
    assert.throws(() => parseTime(text), isUsage, text);
  }
});
