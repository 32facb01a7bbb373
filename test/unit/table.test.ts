import assert from "node:assert/strict";
import { test } from "node:test";
import { printable, shorten, widthOf } from "../../shared/printable.ts";
import { formatTable } from "../../shared/table.ts";

test("columns are aligned, numbers to the right, and no line ends in spaces", () => {
  const table = formatTable(
    [{ header: "HOST" }, { header: "SIZE", align: "right" }, { header: "NOTE" }],
    [
      ["web1", "70.0 MiB", ""],
      ["database-12", "9 B", "stale"],
    ],
  );
  assert.equal(
    table,
    ["HOST             SIZE  NOTE", "web1         70.0 MiB", "database-12       9 B  stale", ""].join("\n"),
  );
});

test("a table without rows is its header", () => {
  assert.equal(formatTable([{ header: "HOST" }, { header: "SET" }], []), "HOST  SET\n");
});

test("wide characters take two columns, accents of their own none", () => {
  assert.equal(widthOf("日本"), 4);
  assert.equal(widthOf("🦊"), 2);
  assert.equal(widthOf("👨‍👩‍👧"), 2);
  assert.equal(widthOf("é"), 1);
  assert.equal(widthOf("e\u0301"), 1);
  assert.equal(widthOf("ﾊ"), 1);
  const table = formatTable(
    [{ header: "NAME" }, { header: "X" }],
    [
      ["日本", "1"],
      ["abcd", "2"],
    ],
  );
  assert.deepEqual(table.split("\n").slice(1, 3), ["日本  1", "abcd  2"]);
});

test("what is too wide is taken from the columns that may shrink, the widest first", () => {
  const columns = [{ header: "KEY", shrinkTo: 10 }, { header: "REASON", shrinkTo: 20 }, { header: "N" }];
  const lines = formatTable(columns, [["k".repeat(100), "r".repeat(30), "1"]]).split("\n");
  assert.equal(lines[1], `${"k".repeat(44)}…  ${"r".repeat(30)}  1`);
  assert.ok(lines.every((line) => widthOf(line) <= 80));
  const narrow = formatTable(columns, [["k".repeat(100), "r".repeat(30), "1"]], 20).split("\n");
  assert.equal(narrow[1], `${"k".repeat(9)}…  ${"r".repeat(19)}…  1`, "no column is narrower than it may be");
});

test("a hostile name cannot drive a terminal or turn a line around", () => {
  const hostile = [
    "\u001B[2Jx",
    "a\rb",
    "a\nb",
    "a\tb",
    "\u009B31m",
    "a\u202Eb",
    "a\u200Bb",
    "a\u2028b",
    "\u007F",
    "\uD800",
    "\u0000",
  ];
  for (const name of hostile) {
    const [, row] = formatTable([{ header: "KEY" }], [[name]]).split("\n");
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(row ?? "", /[\u0000-\u001F\u007F-\u009F\u200B\u2028\u202E\uD800]/u, JSON.stringify(name));
    assert.match(row ?? "", /\\u\{[0-9a-f]+\}/);
  }
  assert.equal(printable("\u001B[31m"), "\\u{1b}[31m");
  assert.equal(printable("naïve 日本 🦊"), "naïve 日本 🦊");
});

test("what is shortened says so and fits", () => {
  assert.equal(shorten("abcdef", 6), "abcdef");
  assert.equal(shorten("abcdef", 5), "abcd…");
  assert.equal(shorten("日本語", 5), "日本…");
  assert.equal(shorten("日本語", 4), "日…");
  assert.equal(shorten("abc", 1), "…");
  assert.equal(shorten("abc", 0), "");
});
