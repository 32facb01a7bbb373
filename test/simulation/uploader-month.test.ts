/**
 * A month in the life of a host, with the agent as it is and a clock that is not: all kinds of sets, power cuts at any
 * instant, outages of the store for minutes and for days. `SEED=1 npm run test:simulation` lives one again, as far as
 * the machine's own timing lets it.
 */
import assert from "node:assert/strict";
import { createHash, randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  assertSequenceWhole,
  readDropZone,
  type DropZoneContent,
  type StoredObject,
} from "../integration/uploader/drop-zone.ts";
import { liveMonth, type Month } from "./uploader/month.ts";

const HOUR_MS = 3_600_000;
const DAYS = 30;
/** The clocks change on 29 March, at 01:00 UTC. */
const START_MS = Date.parse("2026-03-10T00:00:00Z");
/** 02:30 in Berlin. On the day that has none it is at the change, 03:00. */
function nightOf(dayMs: number): number {
  const [change, hour] = [Date.parse("2026-03-29T00:00:00Z"), dayMs + HOUR_MS];
  return dayMs < change ? hour + HOUR_MS / 2 : dayMs === change ? hour : hour - HOUR_MS / 2;
}

const seed = Number(process.env.SEED ?? randomInt(2 ** 31));

describe(`a month of the uploader, SEED=${seed}`, () => {
  let month: Month;
  let content: DropZoneContent;
  before(
    async () => {
      // what is on the disk survives a killed process, and a disk in memory does so faster
      if (existsSync("/dev/shm")) process.env.TMPDIR = "/dev/shm";
      month = await liveMonth({ seed, startMs: START_MS, days: DAYS });
      content = await readDropZone(month.world);
      const { kills, outages, spooled } = month;
      console.log(
        `SEED=${seed}: ${content.objects.length} objects, ${spooled.length} spooled, ${kills} kills, ${outages} outages`,
      );
    },
    { timeout: 900_000 },
  );
  after(() => month?.world[Symbol.asyncDispose]());

  const objectsOf = (set: string): StoredObject[] =>
    content.objects
      .filter(({ statement }) => statement.set === set)
      .toSorted((one, other) => one.statement.startedAt.localeCompare(other.statement.startedAt));

  it("was one: there were power cuts and outages, and runs in plenty", () => {
    assert.ok(month.kills >= 5 && month.outages >= 3, `${month.kills} kills, ${month.outages} outages`);
    assert.ok(objectsOf("hourly").length > 200);
    assert.ok(objectsOf("nightly").length > 10);
    assert.ok((month.failed.get("shaky") ?? 0) > 5);
  });

  it("has every completed run in the drop-zone, each once", () => {
    const stored = new Set(content.objects.map(({ statement }) => `${statement.set} ${statement.sha256}`));
    assert.deepEqual(
      month.spooled.filter(({ set, sha256 }) => !stored.has(`${set} ${sha256}`)),
      [],
    );
    // an archive of the same tree is the same; what commands write never is
    for (const set of ["hourly", "shaky"]) {
      const digests = objectsOf(set).map(({ statement }) => statement.sha256);
      assert.equal(new Set(digests).size, digests.length, `${set}: the same bytes under two statements`);
    }
    const keys = content.objects.map(({ key }) => key);
    assert.equal(new Set(keys).size, keys.length, "an object was stored over another");
  });

  it("has an unbroken sequence, each number one statement", () => assertSequenceWhole(content));

  it("ends with an empty spool and nothing unconfirmed", async () => {
    assert.deepEqual(await readdir(join(month.world.dir, "web1.spool", "waiting")), []);
    const { stdout } = await month.world.run("uploader", ["--json", "status"]);
    const status = JSON.parse(stdout) as { spool: { objects: number; bytes: number }; unconfirmed: number };
    assert.deepEqual([status.spool.objects, status.spool.bytes, status.unconfirmed], [0, 0, 0]);
  });

  it("has taken each watched file exactly once, and removed those that were to go", async () => {
    const sorted = (texts: Iterable<string>): string[] =>
      [...texts].map((text) => createHash("sha256").update(text).digest("hex")).toSorted();
    const digestsOf = (set: string): string[] =>
      objectsOf(set)
        .map(({ statement }) => statement.sha256)
        .toSorted();
    assert.deepEqual(digestsOf("take"), sorted(month.files.taken.values()));
    assert.deepEqual(digestsOf("keep"), sorted(month.files.kept.values()));
    assert.deepEqual(await readdir(join(month.world.dir, "take")), []);
    const names = new Set([...month.files.kept.keys()].map((name) => name.split(" ")[0]));
    assert.deepEqual(new Set(await readdir(join(month.world.dir, "keep"))), names);
  });

  for (const [set, due] of [
    ["hourly", Array.from({ length: DAYS * 24 }, (_, hour) => START_MS + hour * HOUR_MS + 7 * 60_000)],
    ["nightly", Array.from({ length: DAYS }, (_, day) => nightOf(START_MS + day * 24 * HOUR_MS))],
  ] as const) {
    it(`ran ${set} once for each time, and once for all that passed while it was not there`, () => {
      const started = objectsOf(set).map(({ statement }) => Date.parse(statement.startedAt));
      for (const [index, slot] of due.entries()) {
        const next = due[index + 1];
        if (next === undefined) return;
        const runs = started.filter((at) => at >= slot && at < next).length;
        const story = (): string =>
          `${month.history
            .filter(({ atMs }) => atMs > slot - HOUR_MS && atMs < next + HOUR_MS)
            .map(({ line }) => line)
            .join("\n")}\n`;
        assert.ok(runs <= 1, `${runs} runs between ${new Date(slot).toISOString()} and the next\n${story()}`);
        // up for so long that the jitter was over
        const wasUp = month.up.some(({ fromMs, toMs }) => Math.min(toMs, next) - Math.max(fromMs, slot) > 20 * 60_000);
        if (wasUp) assert.equal(runs, 1, `no run between ${new Date(slot).toISOString()} and the next\n${story()}`);
      }
    });
  }

  it("has checked its key each week", () => assert.ok(objectsOf("check").length >= 4));
});
