import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAgent } from "../../../uploader/agent.ts";
import { openRunnerScene, type RunnerScene } from "./runner-scene.ts";

const MINUTE_MS = 60_000;

describe("a run that can't even be begun", () => {
  let folder: string;
  let scene: RunnerScene;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "airlock-watch-"));
    scene = openRunnerScene(
      `  dump: { schedule: "15 2 * * *", command: [sh, -c, "echo dumped"] }\n  logs: { watch: "${folder}", after: keep }`,
    );
  });
  afterEach(() => {
    scene[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  /** A run that is due now. */
  function plan(set: string): void {
    const { due, made } = { due: new Date(scene.nowMs - 1000), made: new Date(scene.nowMs - 2000) };
    const { runner } = scene;
    const config = runner.config.sets.get(set);
    assert.ok(config?.kind === "command" && config.schedule !== null);
    runner.sets.writePlan(set, { due, made, schedule: `${config.schedule.expression} ${config.schedule.timeZone}` });
  }

  /** The agent, for so many minutes of the scene's clock, from when it has begun with the state as `spoil` leaves it. */
  async function live(minutes: number, spoil: () => void): Promise<void> {
    let isSpoilt = false;
    const drain = new AbortController();
    const { runner } = scene;
    const endMs = scene.nowMs + minutes * MINUTE_MS;
    const { timing } = runner.context;
    const sleep: typeof timing.sleep = async (durationMs, signal) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (!isSpoilt) spoil();
      isSpoilt = true;
      if (scene.nowMs >= endMs) drain.abort(new Error("enough"));
      if (signal.aborted) throw new Error("aborted");
      scene.nowMs += Math.min(durationMs, 10_000);
    };
    await runAgent(
      { ...runner, context: { ...runner.context, timing: { ...timing, sleep } } },
      { drain: drain.signal },
    );
  }

  const failuresOf = (set: string) => scene.told.filter((report) => report.set === set && report.outcome === "failure");

  it("is told, once and not each minute, when the state can't be written", async () => {
    plan("dump");
    utimesSync(join(folder, (writeFileSync(join(folder, "a.log"), "x"), "a.log")), 1, 1);
    const { sql } = scene.runner.context.state.database;
    await assert.rejects(
      live(20, () => sql.exec("PRAGMA query_only = ON")),
      /can't be used/, // nor can the agent's own lock be given back
    );
    sql.exec("PRAGMA query_only = OFF");
    for (const set of ["dump", "logs"]) {
      assert.deepEqual(
        failuresOf(set).map(({ code }) => code),
        ["config-invalid"],
        set,
      );
    }
  });

  it("is made up for, when another process had hung on to the state", async () => {
    plan("dump");
    const { sql } = scene.runner.context.state.database;
    const [file] = sql.prepare("PRAGMA database_list").all();
    sql.exec("PRAGMA busy_timeout = 0");
    const other = new DatabaseSync(String(file?.file), { timeout: 0 });
    await assert.rejects(
      live(3, () => other.exec("BEGIN IMMEDIATE")),
      /another process has held the uploader's state/,
    );
    other.close();
    assert.deepEqual(
      failuresOf("dump").map(({ code }) => code),
      ["locked"],
    );
    assert.notEqual(scene.runner.sets.readPlan("dump"), null, "it is still to be made");
  });
});
