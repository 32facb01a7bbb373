import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isAirlockError } from "../../../shared/errors.ts";
import type { RunMade } from "../../../uploader/run-set.ts";
import type { WatchSet } from "../../../uploader/set-config.ts";
import { takeRound } from "../../../uploader/take-settled.ts";
import { watchFolder, type WatchedFolder } from "../../../uploader/watch-folder.ts";
import { openRunnerScene, type RunnerScene } from "./runner-scene.ts";
import { DEAD } from "./spool-scene.ts";

const SETTLE_MS = 10_000;

describe("a watched folder", () => {
  let folder: string;
  let scene: RunnerScene;
  let watched: WatchedFolder;
  let after: "take" | "keep";
  const signal = new AbortController().signal;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "airlock-watch-"));
    scene = openRunnerScene(
      `  take: { watch: "${folder}", after: delete }\n  keep: { watch: "${folder}", after: keep }`,
    );
    use("take");
  });
  afterEach(() => {
    scene[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  function use(set: "take" | "keep"): void {
    after = set;
    watched = watchFolder(set, configOf(), scene.runner);
  }
  function configOf(): WatchSet {
    const config = scene.runner.config.sets.get(after);
    assert.ok(config?.kind === "watch");
    return config;
  }
  /** A file last written at the scene's time. */
  function put(name: string, content: string, atMs = scene.nowMs): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    utimesSync(path, atMs / 1000, atMs / 1000);
    return path;
  }
  /** One look; the names of the objects that came of it. */
  async function look(runner = scene.runner, folderWatched = watched): Promise<string[]> {
    const names: string[] = [];
    const onMade = ({ stored }: RunMade): void => {
      assert.ok(stored.kind === "waiting");
      names.push(stored.name);
      runner.spool.unclaim(stored);
    };
    await takeRound(after, configOf(), folderWatched, runner, { signal, onMade });
    return names.toSorted();
  }
  async function lookTwice(): Promise<string[]> {
    const first = await look();
    scene.nowMs += SETTLE_MS;
    return [...first, ...(await look())];
  }

  it("gives up a file once it has been the same for long enough, and not before", async () => {
    const path = put("a.log", "one");
    assert.deepEqual(await look(), []);
    scene.nowMs += SETTLE_MS - 1;
    assert.deepEqual(await look(), []);
    appendFileSync(path, "two");
    scene.nowMs += 1;
    assert.deepEqual(await look(), [], "it has just been written");
    utimesSync(path, scene.nowMs / 1000, scene.nowMs / 1000);
    assert.deepEqual(await lookTwice(), ["a.log"]);
    assert.deepEqual(await lookTwice(), [], "once");
    assert.equal(await scene.send(), 1);
    assert.deepEqual(
      [...scene.store.objects.values()].map(({ body }) => body.toString()),
      ["onetwo"],
    );
  });

  it("does not believe a time alone: a file that is old when it is first seen waits as well", async () => {
    put("a.log", "x", scene.nowMs - 1_000_000);
    assert.deepEqual(await look(), []);
    scene.nowMs += SETTLE_MS;
    assert.deepEqual(await look(), ["a.log"]);
  });

  it("takes a file that claims to be from the future: whoever's clock was wrong has no backup otherwise", async () => {
    put("a.log", "x", scene.nowMs + 365 * 86_400_000);
    assert.deepEqual(await look(), []);
    scene.nowMs += SETTLE_MS;
    assert.deepEqual(await look(), ["a.log"]);
  });

  it("watches a file anew, and no longer, when the clock is set back a day meanwhile", async () => {
    put("a.log", "x");
    assert.deepEqual(await look(), []);
    scene.nowMs -= 86_400_000;
    assert.deepEqual(await look(), [], "nobody knows how long that was");
    scene.nowMs += SETTLE_MS;
    assert.deepEqual(await look(), ["a.log"]);
  });

  it("takes regular files directly in it only", async () => {
    put("a.log", "x");
    put(".hidden", "x");
    mkdirSync(join(folder, "deeper"));
    put("deeper/b.log", "x");
    symlinkSync(join(folder, "a.log"), join(folder, "link"));
    symlinkSync("/etc/passwd", join(folder, "passwd"));
    execFileSync("mkfifo", [join(folder, "pipe")]);
    assert.deepEqual(await lookTwice(), ["a.log"]);
  });

  it("takes names that are no text", async () => {
    execFileSync("bash", ["-c", "printf x > $'na\\xffme'; touch -d @1 $'na\\xffme'"], { cwd: folder });
    assert.deepEqual(await lookTwice(), ["na\ufffdme"]);
    await scene.send();
    assert.deepEqual(readdirSync(folder), []);
  });

  it("deletes a file after the store has it, and no sooner", async () => {
    put("a.log", "x");
    await lookTwice();
    assert.deepEqual(readdirSync(folder), ["a.log"]);
    await scene.send();
    assert.deepEqual(readdirSync(folder), []);
    assert.deepEqual(
      scene.told.map(({ set, outcome }) => [set, outcome]),
      [["take", "success"]],
    );
  });

  it("does not delete what came in its place, and takes that anew", async () => {
    const path = put("a.log", "old");
    await lookTwice();
    put(".new", "new");
    renameSync(join(folder, ".new"), path);
    await scene.send();
    assert.deepEqual(readdirSync(folder), ["a.log"]);
    assert.deepEqual(await lookTwice(), ["a.log"]);
    await scene.send();
    assert.deepEqual(readdirSync(folder), []);
    assert.deepEqual(
      [...scene.store.objects.values()].map(({ body }) => body.toString()),
      ["old", "new"],
    );
  });

  it("does not delete what was written to after it was read", async () => {
    const path = put("a.log", "old");
    await lookTwice();
    appendFileSync(path, "and more");
    utimesSync(path, scene.nowMs / 1000, scene.nowMs / 1000);
    await scene.send();
    assert.deepEqual(await lookTwice(), ["a.log"]);
    await scene.send();
    assert.deepEqual(readdirSync(folder), []);
  });

  it("keeps a file and takes it once, also after a restart, and anew when it is another", async () => {
    use("keep");
    const path = put("a.log", "x");
    assert.deepEqual(await lookTwice(), ["a.log"]);
    use("keep");
    assert.deepEqual(await lookTwice(), [], "it waits");
    await scene.send();
    use("keep");
    assert.deepEqual(await lookTwice(), [], "it is stored");
    put(".new", "another");
    renameSync(join(folder, ".new"), path);
    assert.deepEqual(await lookTwice(), ["a.log"]);
    await scene.send();
    assert.deepEqual(readdirSync(folder), ["a.log"]);
  });

  it("forgets kept files that are gone, and only those", async () => {
    use("keep");
    const [gone, stays] = [put("gone", "x"), put("stays", "y")];
    await lookTwice();
    await scene.send();
    rmSync(gone);
    await watched.forgetGone(signal);
    assert.deepEqual(scene.runner.sets.listKept("keep", "", 10), ["stays"]);
    assert.ok(stays.endsWith("stays"));
    assert.deepEqual(await lookTwice(), []);
  });

  it("takes again what a process was reading that has ended, and not what waits from it", async () => {
    use("keep");
    put("a.log", "x");
    put("b.log", "y");
    const former = scene.as(DEAD);
    const config = configOf();
    const theirs = watchFolder("keep", config, former);
    await takeRound("keep", config, theirs, former, { signal, onMade: () => undefined });
    scene.nowMs += SETTLE_MS;
    let made = 0;
    const stopped = takeRound("keep", config, theirs, former, {
      signal,
      onMade: () => {
        made++;
        throw new Error("the power fails");
      },
    });
    await assert.rejects(stopped, /the power fails/);
    assert.equal(made, 1);
    scene.runner.sets.dropAbandoned();
    assert.equal((await lookTwice()).length, 1, "the other one");
    assert.equal(await scene.send(), 2);
  });

  it("puts off what changes while it is read", async () => {
    const path = put("a.log", "x".repeat(300_000));
    await look();
    scene.nowMs += SETTLE_MS;
    const config = configOf();
    const changing = { ...config };
    let hasChanged = false;
    const made: RunMade[] = [];
    await takeRound("take", changing, watched, scene.runner, {
      signal,
      observe: (source) => ({
        ...source,
        async *open(reading) {
          for await (const chunk of source.open(reading)) {
            if (!hasChanged) appendFileSync(path, "y");
            hasChanged = true;
            yield chunk;
          }
        },
      }),
      onMade: (one) => void made.push(one),
    });
    assert.ok(hasChanged);
    assert.deepEqual(made, []);
    assert.deepEqual(scene.told, [], "no failure: it has its turn");
    assert.equal(scene.runner.spool.usage().objects, 0);
    utimesSync(path, scene.nowMs / 1000, scene.nowMs / 1000);
    assert.deepEqual(await lookTwice(), ["a.log"]);
  });

  it("says that a folder which is not there can't be read", async () => {
    rmSync(folder, { recursive: true });
    await assert.rejects(look(), (error) => isAirlockError(error, "source-unreadable") && error.subject === folder);
    mkdirSync(folder);
  });

  it("has its turn after those under observation when very many files lie there", async () => {
    for (let number = 0; number < 12_000; number++) put(`${number}`, "", scene.nowMs - SETTLE_MS);
    let taken = 0;
    let isPartial = false;
    const count = async (): Promise<void> => void taken++;
    for (let rounds = 0; rounds < 3; rounds++) {
      ({ isPartial } = await watched.look(count, signal));
      scene.nowMs += SETTLE_MS;
      if (rounds === 0) assert.ok(isPartial);
    }
    assert.ok(taken >= 12_000, `${taken}`);
  });
});
