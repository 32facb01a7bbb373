import assert from "node:assert/strict";
import { test } from "node:test";
import { findAttention } from "../../../../operator/report/attention.ts";
import { gatherReport } from "../../../../operator/report/gather.ts";
import { createHistogram } from "../../../../operator/report/histogram.ts";
import type { ReportData } from "../../../../operator/report/report-data.ts";
import { DAY_MS, DRILL, HOUR_MS, makeSource, NOW, type MadeSource } from "./source.ts";

function gather(made: MadeSource, days = 90): ReportData {
  return gatherReport(makeSource(made), { vault: "acme-vault", hosts: ["web1"], nowMs: NOW, days, drill: DRILL });
}

test("percentiles are within 1.2 % of the exact ones, and never above the largest", () => {
  const values = Array.from({ length: 10_000 }, (_, index) => 3 + ((index * 7919) % 100_003));
  const histogram = createHistogram();
  for (const value of values) histogram.add(value);
  const sorted = values.toSorted((a, b) => a - b);
  for (const share of [0.5, 0.9, 0.99, 1]) {
    const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
    const told = histogram.percentile(share);
    assert.ok(Math.abs(told - exact) <= exact * 0.012, `${share}: ${told}, exactly ${exact}`);
    assert.ok(told <= histogram.max);
  }
  assert.equal(histogram.max, sorted.at(-1));
});

test("a host's days count what was complete on them, and not what proves its key", () => {
  const data = gather({
    objects: [
      { host: "web1", set: "etc", atMs: NOW - 2 * DAY_MS },
      { host: "web1", set: "etc", atMs: NOW - DAY_MS, exposureMs: 2 * DAY_MS },
      { host: "web1", set: "check", atMs: NOW - HOUR_MS },
    ],
  });
  const [host] = data.hosts;
  const today = data.days.starts.length - 1;
  assert.deepEqual([host?.days[today], host?.days[today - 2], host?.days[today - 3]], [0, 1, 1]);
  assert.equal(host?.lastMs, NOW - DAY_MS);
});

test("a set is overdue from the mover's finding until it recovered", () => {
  const objects = [{ host: "web1", set: "etc", atMs: NOW - 5 * DAY_MS }];
  const overdue = { atMs: NOW - 3 * DAY_MS, code: "overdue", host: "web1", set: "etc" };
  const late = gather({ objects, findings: [overdue] });
  assert.deepEqual(late.hosts[0]?.overdueSets, ["etc"]);
  assert.ok(findAttention(late).some(({ level, text }) => level === "bad" && text.includes("web1/etc")));
  const recovered = gather({ objects, findings: [overdue, { ...overdue, atMs: NOW - DAY_MS, code: "recovered" }] });
  assert.deepEqual(recovered.hosts[0]?.overdueSets, []);
  assert.deepEqual([...recovered.alarms.byCode], [["overdue", 1]]);
});

test("what is held is each mover's last word, since when there was any without a pause", () => {
  const data = gather({
    objects: [],
    holds: [
      { atMs: NOW - 9 * DAY_MS, holds: { web1: { "quota-bytes": 1 } } },
      { atMs: NOW - 8 * DAY_MS, holds: {} },
      { atMs: NOW - 7 * DAY_MS, holds: { web1: { "quota-bytes": 2 } } },
      { atMs: NOW - 6 * DAY_MS, holds: { web1: { "quota-bytes": 5 } } },
    ],
  });
  const held = { mover: "mover-a", host: "web1", reason: "quota-bytes", count: 5, sinceMs: NOW - 7 * DAY_MS };
  assert.deepEqual(data.holds, [held]);
});

test("a host that makes a folder for each foreign object has one line", () => {
  const objects = Array.from({ length: 500 }, (_, index) => {
    return { host: "web1", set: null, folder: `f${index}`, atMs: NOW - HOUR_MS, sizeBytes: 10 };
  });
  const { sets } = gather({ objects });
  assert.equal(sets.length, 1);
  assert.equal(sets[0]?.bytes, 5000);
});

test("totals are of all time, charts of the days that were asked for", () => {
  const objects = [400, 50, 3].map((age) => ({ host: "web1", set: "etc", atMs: NOW - age * DAY_MS, sizeBytes: 7 }));
  const data = gather({ objects }, 60);
  assert.equal(data.totals.bytes, 21);
  assert.equal(data.sets[0]?.recentBytes, 14);
  assert.equal(data.exposure.all?.count, 2);
  assert.equal(
    data.sets[0]?.bytesPerBucket?.reduce((sum, bytes) => sum + bytes, 0),
    14,
  );
});
