import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { drillFolder, readDrillResults, writeDrillResult, type DrillResult } from "../../../operator/drill-result.ts";
import { isAirlockError } from "../../../shared/errors.ts";

function resultAt(startedAt: string): DrillResult {
  return {
    v: 1,
    startedAt,
    endedAt: "2026-11-21T02:20:00.000Z",
    vault: "acme-vault",
    outcome: "passed",
    error: null,
    named: null,
    setsInVault: 4,
    run: ["pg_restore", "--list", "shop.dump"],
    objects: [
      {
        host: "web1",
        set: "postgres",
        key: "web1/postgres/2026/11/21/021500Z-aaaaaaaaaaaaaaaaaaaaaaaaaa/shop.dump.zst.age",
        at: "2026-11-21T02:15:04.000Z",
        storedBytes: 223,
        sha256: "ab".repeat(32),
        restoredBytes: 1000,
        files: 1,
        durationMs: 812,
        outcome: "passed",
        error: null,
        command: { exit: 0, durationMs: 90 },
      },
    ],
  };
}

test("results are read back, newest first, and other files are passed over", async () => {
  const folder = await mkdtemp(join(tmpdir(), "airlock-drills-"));
  try {
    assert.deepEqual(await readDrillResults(join(folder, "none"), 10), []);
    const times = ["2026-11-19T02:15:00.000Z", "2026-11-21T02:15:00.123Z", "2026-11-20T02:15:00.000Z"];
    for (const time of times) await writeDrillResult(folder, resultAt(time));
    await writeFile(join(folder, "notes.json"), "{}");
    assert.ok((await readdir(folder)).includes("drill-20261121T021500123Z.json"));
    const read = await readDrillResults(folder, 2);
    assert.deepEqual(read, [resultAt("2026-11-21T02:15:00.123Z"), resultAt("2026-11-20T02:15:00.000Z")]);
    await assert.rejects(writeDrillResult(folder, resultAt("2026-11-19T02:15:00.000Z")), (error) =>
      isAirlockError(error, "target-exists"),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a file that has a result's name and is none is named", async () => {
  const folder = await mkdtemp(join(tmpdir(), "airlock-drills-"));
  try {
    const file = join(folder, "drill-20261121T021500000Z.json");
    for (const content of [
      "{",
      "{}",
      JSON.stringify({ ...resultAt("2026-11-21T02:15:00.000Z"), more: 1 }),
      "x".repeat(1_100_000),
    ]) {
      await writeFile(file, content);
      await assert.rejects(
        readDrillResults(folder, 1),
        (error) => isAirlockError(error, "config-invalid") && error.subject === file,
      );
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("results lie in the user's own state folder", () => {
  assert.equal(drillFolder({ HOME: "/home/a" }), "/home/a/.local/state/airlock/drills");
  assert.equal(drillFolder({ HOME: "/home/a", XDG_STATE_HOME: "/s" }), "/s/airlock/drills");
  assert.equal(drillFolder({ HOME: "/home/a", XDG_STATE_HOME: "relative" }), "/home/a/.local/state/airlock/drills");
});
