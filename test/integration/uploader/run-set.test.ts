import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readDropZone } from "./drop-zone.ts";
import { eventsOf, startHost, startReceiver, waitForEvent } from "./sets.ts";

const dump = (script: string): string => JSON.stringify(["sh", "-c", script]);

describe("airlock-uploader run-set", { concurrency: 2 }, () => {
  it("stores what the command writes, tells of it, and says nothing where nobody looks", async () => {
    await using receiver = await startReceiver();
    const { origin } = receiver;
    await using world = await startHost(
      `  shop: { command: ${dump("echo a dump; echo fine >&2")}, name: shop.dump, notify: { success: "${origin}/ok", failure: "${origin}/fail", webhook: "${origin}/hook" } }`,
    );
    const ran = await world.run("uploader", ["run-set", "shop"]);
    assert.deepEqual([ran.exit, ran.stdout, ran.stderr], [0, "", ""]);
    const { objects } = await readDropZone(world);
    assert.deepEqual(
      objects.map(({ key, body }) => [key.split("/").at(-1), body.toString()]),
      [["shop.dump", "a dump\n"]],
    );
    assert.deepEqual(receiver.told.map(({ path }) => path).toSorted(), ["/hook", "/ok"]);
    const [hook, ping] = ["/hook", "/ok"].map((path) => receiver.told.find((one) => one.path === path)?.body ?? "");
    const value = JSON.parse(hook ?? "") as Record<string, unknown>;
    assert.deepEqual(
      [value.host, value.set, value.outcome, value.code, value.bytes, value.key, value.seq],
      ["web1", "shop", "success", null, 7, objects[0]?.key, 1],
    );
    assert.match(ping ?? "", /program-stderr program=sh line=fine\n[^]*run-done/);
  });

  it("prints one line of JSON", async () => {
    await using world = await startHost(`  shop: { command: ${dump("echo a dump")} }`);
    const ran = await world.run("uploader", ["--json", "run-set", "shop"]);
    assert.equal(ran.exit, 0, ran.stderr);
    assert.equal(ran.stdout.trimEnd().split("\n").length, 1);
    const value = JSON.parse(ran.stdout) as Record<string, unknown>;
    const [object] = (await readDropZone(world)).objects;
    assert.deepEqual(
      [value.set, value.key, value.bytes, value.seq, value.drained, value.waiting],
      ["shop", object?.key, 7, 1, 0, 0],
    );
  });

  it("stores nothing of a command that dies half-way, tells of the failure, and ends with 1", async () => {
    await using receiver = await startReceiver();
    await using world = await startHost(
      `  shop: { command: ${dump("head -c 20000000 /dev/zero; echo 'connection lost' >&2; kill -KILL $$")}, notify: { failure: "${receiver.origin}/fail", webhook: "${receiver.origin}/hook", success: "${receiver.origin}/ok" } }`,
    );
    const ran = await world.run("uploader", ["run-set", "shop"]);
    assert.equal(ran.exit, 1, ran.stderr);
    assert.match(ran.stderr, /connection lost/, "cron's mail has what the command said");
    assert.match(ran.stderr, /was ended by SIGKILL; nothing was stored/);
    assert.deepEqual(await world.listDropZone(), []);
    assert.deepEqual(receiver.told.map(({ path }) => path).toSorted(), ["/fail", "/hook"]);
    const hook = JSON.parse(receiver.told.find(({ path }) => path === "/hook")?.body ?? "") as Record<string, unknown>;
    assert.deepEqual([hook.outcome, hook.code, hook.key], ["failure", "command-failed", null]);
    assert.match(receiver.told.find(({ path }) => path === "/fail")?.body ?? "", /connection lost/);
    const status = await world.run("uploader", ["status"]);
    assert.match(status.stdout, /shop: command-failed: the command was ended by SIGKILL/);
    assert.deepEqual(await readdir(join(world.dir, "web1.spool", "waiting")), []);
  });

  it("ends a command, and all that it started, at its time limit", async () => {
    await using world = await startHost(`  shop: { command: ${dump("sleep 600 & echo $! >&2; wait")}, timeLimit: 1s }`);
    const ran = await world.run("uploader", ["run-set", "shop"]);
    assert.equal(ran.exit, 1, ran.stderr);
    assert.match(ran.stderr, /not done within 1s/);
    const said = eventsOf(ran.stderr).find(({ event }) => event === "program-stderr");
    // gone, or waiting for its new parent to take note of its end
    const stat = await readFile(`/proc/${said?.line}/stat`, "utf8").catch(() => "gone (sleep) Z");
    assert.match(stat, /\) Z/);
    assert.deepEqual(await world.listDropZone(), []);
  });

  it("runs commands in order, and paths through tar", async () => {
    await using world = await startHost(
      `  two: { commands: [${dump("echo prepared")}, ${dump("echo stored")}] }\n  tree: { paths: [DIR], exclude: ["*.tmp"] }`.replace(
        "DIR",
        join(import.meta.dirname),
      ),
    );
    for (const set of ["two", "tree"]) assert.equal((await world.run("uploader", ["run-set", set])).exit, 0);
    const { objects } = await readDropZone(world);
    assert.equal(objects.find(({ statement }) => statement.set === "two")?.body.toString(), "stored\n");
    const tar = objects.find(({ statement }) => statement.set === "tree");
    assert.match(execFileSync("tar", ["-t"], { input: tar?.body, encoding: "utf8" }), /run-set\.test\.ts/);
  });

  it(
    "keeps the backup in the spool in an outage, ends with 3, and sends it next time",
    { timeout: 400_000 },
    async () => {
      await using world = await startHost(`  shop: { command: ${dump("echo a dump; date +%N")} }`);
      const config = world.uploaderConfig("web1");
      world.server.faults.add({
        operation: "PutObject",
        times: 1,
        fault: { kind: "error", when: "before", status: 400, code: "InvalidRequest" },
      });
      const failed = await world.run("uploader", ["--config", config, "--json", "run-set", "shop"]);
      assert.equal(failed.exit, 3, failed.stderr);
      assert.match(failed.stdout, /the backup is made, and waits in the spool/);
      const waiting = JSON.parse((await world.run("uploader", ["--json", "status"])).stdout) as Status;
      assert.equal(waiting.spool.objects, 1);
      assert.ok(waiting.sets.find(({ set }) => set === "shop")?.failure !== null);
      const ran = await world.run("uploader", ["--json", "run-set", "shop"]);
      assert.equal(ran.exit, 0, ran.stderr);
      const value = JSON.parse(ran.stdout) as { drained: number; waiting: number };
      assert.deepEqual([value.drained, value.waiting], [1, 0]);
      assert.equal((await readDropZone(world)).objects.length, 2);
      assert.equal(eventsOf(ran.stderr).filter(({ event }) => event === "run-done").length, 2);
    },
  );

  it("takes what has settled in a watched folder, and deletes that", async () => {
    await using world = await startHost(`  logs: { watch: "WATCHED", after: delete, settle: 200ms }`);
    const folder = join(world.dir, "watched");
    await mkdir(folder);
    const config = world.uploaderConfig("web1");
    execFileSync("sed", ["-i", `s|WATCHED|${folder}|`, config]);
    const none = await world.run("uploader", ["--json", "run-set", "logs"]);
    assert.deepEqual([none.exit, (JSON.parse(none.stdout) as { objects: unknown }).objects], [0, []]);
    for (const name of ["a", "b"]) {
      await writeFile(join(folder, name), name);
      await utimes(join(folder, name), 1, 1);
    }
    await writeFile(join(folder, ".hidden"), "x");
    const ran = await world.run("uploader", ["--json", "run-set", "logs"]);
    assert.equal(ran.exit, 0, ran.stderr);
    const { objects } = JSON.parse(ran.stdout) as { objects: { key: string }[] };
    assert.equal(objects.length, 2);
    assert.deepEqual(await readdir(folder), [".hidden"]);
    assert.deepEqual((await readDropZone(world)).objects.map(({ body }) => body.toString()).toSorted(), ["a", "b"]);
  });

  it("never runs a set twice at once, and says who is at it", async () => {
    await using world = await startHost(`  slow: { command: ${dump("echo x; sleep 60")} }`);
    const first = world.start("uploader", ["--json", "run-set", "slow"]);
    await waitForEvent(first, ({ event }) => event === "run-begun");
    const second = await world.run("uploader", ["run-set", "slow"]);
    assert.equal(second.exit, 2, second.stderr);
    assert.match(second.stderr, new RegExp(`process ${first.process.pid} has been running this set since`));
    first.process.kill("SIGTERM");
    assert.equal((await first.ended).exit, 1);
    assert.deepEqual(await world.listDropZone(), []);
  });

  it("names the sets that there are", async () => {
    await using world = await startHost(`  shop: { command: ${dump("echo x")} }`);
    const ran = await world.run("uploader", ["run-set", "shp"]);
    assert.equal(ran.exit, 2);
    assert.match(ran.stderr, /there is no such set \(shp\)\n {2}there are shop/);
  });
});

interface Status {
  readonly spool: { readonly objects: number };
  readonly sets: readonly { readonly set: string; readonly failure: unknown }[];
}
