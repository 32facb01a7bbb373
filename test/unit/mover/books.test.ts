/** What single entries show: freshness, anomalies, and what they are told as. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { alertsOf, holdAlerts } from "../../../mover/alerts.ts";
import { Books } from "../../../mover/books.ts";
import { HoldReports } from "../../../mover/hold-reports.ts";
import type { NewEntry } from "../../../shared/ledger.ts";
import { chainOf, DAY, entryOf, HOUR, policy, START_MS, statementOf } from "./book-entries.ts";

const files = new Map([["files", { everyMs: 5 * HOUR, minSizeBytes: 500 }]]);
const UNSIGNED = { statement: null, signature: null, hostKey: null } as const;

/** Books that have been told since when the set is expected. */
function expecting(hosts = new Map([["web1", policy({ expect: files })]])): Books {
  const books = new Books(hosts);
  for (const entry of dueAt(books, START_MS)) books.fold(entry);
  return books;
}

function dueAt(books: Books, nowMs: number): readonly NewEntry[] {
  return books.due(nowMs, { holesBeforeMs: () => nowMs - HOUR, isArriving: () => false });
}

function codesAt(books: Books, nowMs: number): string[] {
  return dueAt(books, nowMs).flatMap(({ findings }) => findings.map(({ code }) => code));
}

const [first = assert.fail(), second = assert.fail()] = chainOf(2);

for (const [what, entry, isFresh] of [
  ["a signed object", entryOf(first, START_MS + 4 * HOUR), true],
  ["one of just that size", entryOf({ ...first, size: 500 }, START_MS + 4 * HOUR), true],
  ["a smaller one", entryOf({ ...first, size: 499 }, START_MS + 4 * HOUR), false],
  ["an unsigned one", entryOf(first, START_MS + 4 * HOUR, UNSIGNED), false],
  ["one of another set", entryOf(statementOf(1, null, { set: "other" }), START_MS + 4 * HOUR), false],
  ["one of another host's", entryOf(statementOf(1, null, { host: "web2" }), START_MS + 4 * HOUR), false],
  ["one that had been complete long before", entryOf(first, START_MS + 4 * HOUR, { exposureMs: 4 * HOUR }), false],
  [
    "one that an operator discarded",
    entryOf(first, START_MS + 4 * HOUR, { disposition: "discarded-by-operator", vault: null }),
    false,
  ],
  ["one that an operator let in", entryOf(first, START_MS + 4 * HOUR, { disposition: "released-by-operator" }), true],
] as const) {
  test(`${what} ${isFresh ? "makes" : "does not make"} its set fresh`, () => {
    const books = expecting();
    books.fold(entry);
    assert.deepEqual(codesAt(books, START_MS + 6 * HOUR), isFresh ? [] : ["overdue"]);
    assert.deepEqual(codesAt(books, START_MS + 9 * HOUR + 1), ["overdue"]);
  });
}

test("where nothing is signed, what is not signed counts", () => {
  const books = expecting(new Map([["web1", policy({ expect: files, signatures: "none" })]]));
  books.fold(entryOf(first, START_MS + 4 * HOUR, UNSIGNED));
  assert.deepEqual(codesAt(books, START_MS + 6 * HOUR), []);
});

test("an object that was held for days does not end what is overdue; the next one does", () => {
  const books = expecting();
  for (const entry of dueAt(books, START_MS + DAY)) books.fold(entry);
  const late = books.fold(entryOf(first, START_MS + 2 * DAY, { exposureMs: 1.9 * DAY }));
  assert.deepEqual(late.findings, []);
  const { findings } = books.fold(entryOf(second, START_MS + 2 * DAY + HOUR));
  assert.deepEqual(
    findings.map(({ code }) => code),
    ["recovered"],
  );
});

test("an already archived object that is recorded once more is one object", () => {
  const books = expecting();
  const entry = entryOf(first, START_MS);
  books.fold(entry);
  const again = books.fold({ ...entry, disposition: "already-archived" });
  assert.deepEqual([again.disposition, again.findings], ["already-archived", []]);
  assert.equal(books.quota.used("web1", null, START_MS).objects, 1);
});

test("what was discarded is no duplicate when it comes again", () => {
  const books = expecting();
  books.fold(entryOf(first, START_MS, { disposition: "discarded-by-operator", vault: null }));
  const again = books.fold(entryOf(first, START_MS + 1000));
  assert.deepEqual([again.disposition, again.findings], ["archived", []]);
  assert.deepEqual(books.fold(entryOf(second, START_MS + 2000)).findings, []);
});

test("anomalies need four before them, and follow what becomes usual", () => {
  const books = expecting();
  const sizes = [1000, 1000, 1000, 100_000, 100_000, 100_000, 100_000, 100_000, 100_000, 1000];
  const found = chainOf(sizes.length).map((statement, index) => {
    const { findings } = books.fold(entryOf({ ...statement, size: sizes[index] ?? 0 }, START_MS + index * 1000));
    return findings.filter(({ code }) => code === "size-anomaly").length;
  });
  assert.deepEqual(found, [0, 0, 0, 0, 1, 1, 1, 0, 0, 1]);
});

test("a set that was never compressed, or now and then, is not suddenly incompressible", () => {
  const books = expecting();
  const kinds = [["zstd"], ["age"], ["zstd"], ["zstd"], ["age"], ["zstd"]] as const;
  const found = kinds.flatMap((encoding, index) =>
    books
      .fold(entryOf(statementOf(index + 1, null, { encoding: [...encoding] }), START_MS))
      .findings.map(({ code }) => code),
  );
  assert.ok(!found.includes("compression-anomaly"));
});

test("many findings of one entry are one alert for each kind, host and set", () => {
  const findings = [5, 7, 9].map((seq) => ({
    code: "missing",
    host: "web1",
    epoch: "e",
    seq,
    detail: `number ${seq}`,
  }));
  const overdue = { code: "overdue", host: "web2", set: "files", detail: "never" };
  const quiet = { code: "expecting", host: "web2", set: "logs" };
  const foreign = { code: "digest-mismatch", detail: "an operator let it in" };
  const entry = entryOf(first, START_MS, {
    ...UNSIGNED,
    source: null,
    findings: [...findings, overdue, quiet, foreign],
  });
  assert.deepEqual(
    alertsOf(entry).map(({ kind, host, set, detail }) => [kind, host, set, detail]),
    [
      ["missing", "web1", null, "number 5 (epoch e, number 5); and 2 more"],
      ["overdue", "web2", "files", "never"],
    ],
  );
});

test("holds are told when a reason is new for a host, whatever the host is called", () => {
  const before = JSON.parse('{"web1":{"quota-bytes":1},"constructor":{"form-invalid":1}}') as Record<
    string,
    Record<string, number>
  >; // as a status has it
  const now = { web1: { "quota-bytes": 9, "digest-mismatch": 2 }, toString: { "form-invalid": 1 } };
  assert.deepEqual(
    holdAlerts([{}, before], now, START_MS).map(({ host, detail }) => [host, detail]),
    [
      ["web1", "digest-mismatch: 2"],
      ["toString", "form-invalid: 1"],
    ],
  );
});

test("holds that change all the time are recorded once a minute, and at the end", () => {
  const reports = new HoldReports(0);
  let told = 0;
  for (let atMs = 0; atMs < 300_000; atMs += 1000) {
    reports.changed();
    if (reports.takeDue(atMs)) told++;
  }
  assert.equal(told, 4);
  assert.equal(reports.takeDue(300_000, true), true);
  assert.equal(reports.takeDue(300_000, true), false);
});
