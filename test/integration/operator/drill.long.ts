import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { readDrillResults, type DrillResult } from "../../../operator/drill-result.ts";
import { startRestoreBench } from "./restore-bench.ts";
import type { Ran } from "./vault-server.ts";

const bench = await startRestoreBench();
after(() => bench[Symbol.asyncDispose]());
const { vault, identityFile, target, store, encode } = bench;

const source = await target();
await writeFile(join(source, "a"), "one");
await writeFile(join(source, "b"), "two");
const archive = execFileSync("tar", ["-c", "-C", source, "a", "b"]);
await store({
  set: "etc",
  name: "etc.tar.age",
  encoding: ["tar", "age"],
  bytes: await encode(archive, ["tar", "age"]),
});
await store({
  set: "shop",
  name: "shop.dump.zst",
  encoding: ["zstd"],
  bytes: await encode(Buffer.from("dump of the shop"), ["zstd"]),
});
await store({ set: "logs", name: "a.log", bytes: Buffer.from("log") });

const scratch = await target();
let folders = 0;
async function drill(...args: string[]): Promise<{ readonly ran: Ran; readonly results: readonly DrillResult[] }> {
  folders += 1;
  const results = join(vault.folder, `results-${folders}`);
  const ran = await vault.run([
    "drill",
    "--identity",
    identityFile,
    "--scratch",
    scratch,
    "--results",
    results,
    ...args,
  ]);
  assert.deepEqual(await readdir(scratch), [], "the scratch folder is still there");
  return { ran, results: await readDrillResults(results, 10) };
}

test("a sample is restored, recorded and removed, and nothing is said where all is well", async () => {
  const { ran, results } = await drill("--sample", "2");
  assert.equal(ran.exit, 0, ran.stderr);
  assert.equal(ran.stdout.toString() + ran.stderr, "");
  const [result] = results;
  assert.equal(result?.outcome, "passed");
  assert.equal(result?.setsInVault, 3);
  assert.equal(result?.named, null);
  const names = result?.objects.map(({ set }) => set) ?? [];
  assert.equal(new Set(names).size, 2);
  assert.ok(names.every((name) => ["etc", "shop", "logs"].includes(name)));
  assert.ok(
    result?.objects.every(({ restoredBytes, files, error }) => restoredBytes > 0 && files > 0 && error === null),
  );
});

test("a named set is restored and a command looks at it, in its folder, without a shell", async () => {
  const { ran, results } = await drill(
    "web1/shop",
    "--json",
    "--run",
    "--",
    "grep",
    "-c",
    "of the $HOME\\|of the shop",
    "shop.dump",
  );
  assert.equal(ran.exit, 0, ran.stderr);
  const value = JSON.parse(ran.stdout.toString()) as DrillResult & { readonly file: string };
  assert.equal(value.objects.length, 1);
  assert.equal(value.objects[0]?.restoredBytes, 16);
  assert.equal(value.objects[0]?.command?.exit, 0);
  assert.deepEqual(value.run, ["grep", "-c", "of the $HOME\\|of the shop", "shop.dump"]);
  const { file, ...written } = value;
  assert.deepEqual(results, [written]);
  assert.deepEqual(JSON.parse(await readFile(file, "utf8")), written);
});

test("of a host every set is looked at, and a command knows which", async () => {
  const { ran, results } = await drill(
    "web1",
    "--run",
    "--",
    "sh",
    "-c",
    'test "$AIRLOCK_HOST" = web1 && test "$AIRLOCK_SET" != logs',
  );
  assert.equal(ran.exit, 1);
  assert.match(ran.stderr, /drill failed: 3 of 3 sets/);
  assert.match(ran.stderr, /web1\/logs of .*: FAILED, command-failed: the command exited with 1/);
  assert.deepEqual(
    results[0]?.objects.map(({ set, outcome }) => `${set} ${outcome}`),
    ["etc passed", "logs failed", "shop passed"],
  );
});

test("a command that takes too long is ended, with what it started", async () => {
  const { ran, results } = await drill(
    "web1/logs",
    "--run-limit",
    "200ms",
    "--run",
    "--",
    "sh",
    "-c",
    "sleep 600 & sleep 600",
  );
  assert.equal(ran.exit, 1);
  assert.deepEqual(results[0]?.objects[0]?.error?.code, "time-limit");
  assert.equal(results[0]?.objects[0]?.command?.exit, null);
});

test("what can't be restored fails the drill with its own exit code, and is recorded", async () => {
  const object = await store({ set: "rotten", bytes: Buffer.from("good") }, Buffer.from("evil"));
  const { ran, results } = await drill("web1/rotten");
  assert.equal(ran.exit, 5);
  assert.match(ran.stderr, /web1\/rotten of .*: FAILED, object-corrupt: its bytes have the digest/);
  assert.equal(results[0]?.outcome, "failed");
  assert.equal(results[0]?.objects[0]?.key, object.entry.source?.key);
});

test("nothing to draw is a result, too; a faulty command line is none", async () => {
  const none = await drill("--largest", "1B");
  assert.equal(none.ran.exit, 2);
  assert.equal(none.results[0]?.error?.code, "entry-missing");
  for (const args of [["--sample", "0"], ["--run"], ["--", "true"], ["--run-limit", "soon"]]) {
    const faulty = await drill(...args);
    assert.equal(faulty.ran.exit, 2, faulty.ran.stderr);
    assert.deepEqual(faulty.results, []);
  }
});

test("a drill that is ended removes its folder; what one left that was killed is removed by the next", async () => {
  const started = vault.start([
    "drill",
    "web1/logs",
    "--identity",
    identityFile,
    "--scratch",
    scratch,
    "--run",
    "--",
    "sh",
    "-c",
    "touch began; sleep 600",
  ]);
  const restored = async (): Promise<boolean> =>
    (await readdir(scratch, { recursive: true })).some((name) => name.endsWith("/began"));
  while (!(await restored())) await new Promise((resolve) => setTimeout(resolve, 20));
  started.kill("SIGTERM");
  await once(started, "close");
  assert.equal(started.exitCode, 1);
  assert.deepEqual(await readdir(scratch), []);

  const left = join(scratch, "airlock-drill-killed");
  await mkdir(join(left, "restored"), { recursive: true });
  await writeFile(join(left, "lock"), "");
  await utimes(join(left, "lock"), new Date(0), new Date(0));
  const { ran } = await drill("web1/logs");
  assert.equal(ran.exit, 0, ran.stderr);
});
