import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { HostPolicy } from "../../../mover/config.ts";
import { Metrics } from "../../../mover/metrics.ts";
import type { Moved } from "../../../mover/move.ts";
import type { Status } from "../../../mover/status.ts";
import { readTable } from "../../../scripts/write-code-table.ts";
import { CODES, type Code } from "../../../shared/errors.ts";

const NOW = Date.parse("2026-11-21T00:00:00Z");
const NONE = { "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, none: 0 };
const AROUND = {
  requests: { dropZone: { ...NONE, "2xx": 10, "5xx": 3 }, vault: { ...NONE, none: 1 } },
  clockOffsetMs: { dropZone: 1500, vault: 0 },
  staleUploads: 2,
  memoryLimitBytes: 512,
  residentBytes: 1024,
};
const STATUS: Status = {
  v: 1,
  mover: "mover-a",
  pid: 1,
  running: true,
  startedAt: "2026-11-21T00:00:00.000Z",
  updatedAt: "2026-11-21T00:00:01.500Z",
  ledger: { segment: 7, index: 70, digest: null },
  objects: 0,
  bytes: 0,
  underWay: 3,
  backlog: { waiting: 1, toRetry: 2, wholeSeen: false },
  memoryUsedBytes: 256,
  exposureMs: null,
  hosts: [],
  freshness: [
    { host: "web1", set: "postgres", everyMs: 1, lastAt: "2026-11-20T00:00:00.000Z", overdue: true },
    { host: "constructor", set: "etc", everyMs: 1, lastAt: null, overdue: false },
  ],
  holds: { web1: { "quota-bytes": 3 }, "*": { "host-unknown": 1 } },
  held: [],
  lastSweepAt: "2026-11-21T00:00:01.000Z",
  sweepFailing: false,
  events: null,
  lastError: null,
};

function policy(...sets: string[]): HostPolicy {
  return {
    publicKeys: [],
    signatures: "none",
    foreign: true,
    expect: new Map(sets.map((set) => [set, { everyMs: 1, minSizeBytes: 1 }])),
    quota: { bytesPerDay: null, objectsPerDay: null, objectSizeBytes: null },
    setQuotas: new Map(),
  };
}
const HOSTS = new Map([
  ["web1", policy("postgres")],
  ["constructor", policy("etc")],
]);

function moved(host: string, set: string | null, more: Partial<Moved> = {}): Moved {
  return {
    host,
    set,
    version: {
      key: `${host}/x`,
      versionId: null,
      etag: '"x"',
      sizeBytes: 10,
      lastModified: new Date(NOW),
      storageClass: "STANDARD",
    },
    sha256: "",
    disposition: "archived",
    startedAtMs: NOW,
    completedAtMs: NOW,
    exposureFrom: "object",
    ...more,
  };
}

async function render(metrics: Metrics, status = STATUS): Promise<Map<string, string>> {
  const lines = (await metrics.render(status, AROUND))
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]));
}

test("the status's figures, in seconds and bytes", async () => {
  const found = await render(new Metrics(HOSTS));
  const expected = {
    airlock_start_time_seconds: NOW / 1000,
    airlock_status_timestamp_seconds: NOW / 1000 + 1.5,
    airlock_last_sweep_timestamp_seconds: NOW / 1000 + 1,
    airlock_moves_under_way: 3,
    airlock_backlog_waiting: 1,
    airlock_backlog_to_retry: 2,
    airlock_backlog_unlisted: 1,
    airlock_ledger_segment: 7,
    airlock_ledger_entries: 70,
    airlock_memory_used_bytes: 256,
    airlock_drop_zone_clock_offset_seconds: 1.5,
    'airlock_store_requests_total{store="drop-zone",outcome="2xx"}': 10,
    'airlock_store_requests_total{store="drop-zone",outcome="5xx"}': 3,
    'airlock_store_requests_total{store="vault",outcome="none"}': 1,
    'airlock_held_objects{host="web1",reason="quota-bytes"}': 3,
    'airlock_overdue{host="web1",set="postgres"}': 1,
    'airlock_overdue{host="constructor",set="etc"}': 0,
    'airlock_last_success_timestamp_seconds{host="web1",set="postgres"}': NOW / 1000 - 86_400,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(found.get(name), String(value), name);
});

test("a hold that is gone, and a set that is no longer expected, are gone from the file too", async () => {
  const metrics = new Metrics(HOSTS);
  await render(metrics);
  const found = await render(metrics, { ...STATUS, holds: {}, freshness: [] });
  assert.deepEqual(
    [...found.keys()].filter((name) => /held|overdue/.test(name)),
    [],
  );
});

test("whatever a host calls its sets, the lines are as many as the configuration allows, and no object is left out", async () => {
  const metrics = new Metrics(HOSTS);
  for (let count = 0; count < 5000; count++) metrics.observe(moved("web1", `set${count}`), 10);
  metrics.observe(moved("web1", "postgres"), 10);
  metrics.observe(moved("constructor", "toString"), 10);
  metrics.observe(moved("web1", null), 10);
  for (let count = 0; count < 5000; count++) metrics.observe(moved(`nobody${count}`, "x"), 10);
  const found = await render(metrics);
  const objects = [...found].filter(([name]) => name.startsWith("airlock_objects_total"));
  assert.ok(objects.length <= 60, String(objects.length));
  assert.equal(
    objects.reduce((sum, [, count]) => sum + Number(count), 0),
    10_003,
  );
  assert.equal(found.get('airlock_objects_total{host="*",set="*"}'), "5000");
  assert.equal(found.get('airlock_objects_total{host="constructor",set="toString"}'), "1");
  assert.ok(found.size < 400, String(found.size));
});

test("exposure is a histogram in seconds; a duplicate is no success", async () => {
  const metrics = new Metrics(HOSTS);
  metrics.observe(moved("web1", "new"), 200);
  metrics.observe(moved("web1", "new", { disposition: "duplicate", completedAtMs: NOW + 60_000 }), 90_000);
  const found = await render(metrics);
  assert.equal(found.get('airlock_exposure_seconds_bucket{le="0.25"}'), "1");
  assert.equal(found.get('airlock_exposure_seconds_bucket{le="60"}'), "1");
  assert.equal(found.get('airlock_exposure_seconds_bucket{le="300"}'), "2");
  assert.equal(found.get("airlock_exposure_seconds_sum"), "90.2");
  assert.equal(found.get('airlock_last_success_timestamp_seconds{host="web1",set="new"}'), String(NOW / 1000));
});

test("docs/operations.md has every metric, with its labels, and no other", async () => {
  const metrics = new Metrics(HOSTS);
  metrics.observe(moved("web1", "x"), 10);
  for (const code of Object.keys(CODES)) metrics.countError(code as Code); // the table's own keys
  const documented = readTable(
    await readFile(join(import.meta.dirname, "../../../docs/operations.md"), "utf8"),
    "metric (after `airlock_`)",
  ).flatMap(([cell = ""]) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, name = ""]) => name));
  const rendered = new Set(
    [...(await render(metrics)).keys()].map((name) =>
      name
        .replace(/^airlock_/, "")
        .replace(/(exposure_seconds)_.*/, "$1")
        .replaceAll(/="[^"]*"/g, ""),
    ),
  );
  assert.deepEqual(documented.toSorted(), [...rendered].toSorted());
});
