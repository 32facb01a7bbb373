import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { keysOf } from "../../unit/operator/fixture.ts";
import { startRestoreBench } from "./restore-bench.ts";

const bench = await startRestoreBench();
after(() => bench[Symbol.asyncDispose]());
const { vault, web, mover, identityFile, target, store, encode } = bench;
await vault.configure(keysOf(["mover-a", mover.key]), keysOf(["web1", web.key]), {
  restoreOrder: { web1: ["postgres", "base"] },
});

const source = await target();
await writeFile(join(source, "a"), "one");
const archive = execFileSync("tar", ["-c", "-C", source, "a"]);
const large = randomBytes(20 * 1024 * 1024);
await store({ set: "base", name: "base.bin", bytes: Buffer.from("old") });
const base = await store({ set: "base", name: "base.bin", bytes: large });
await store({
  set: "etc",
  name: "etc.tar.age",
  encoding: ["tar", "age"],
  bytes: await encode(archive, ["tar", "age"]),
});
await store({ set: "logs", name: "a.log.zst", encoding: ["zstd"], bytes: await encode(Buffer.from("log"), ["zstd"]) });
await store({ set: "postgres", name: "shop.dump", bytes: Buffer.from("dump") });
await store({ set: "check", bytes: Buffer.from("no backup") });

interface HostValue {
  readonly sets: readonly { readonly set: string; readonly outcome: string }[];
}
const restoreHost = (to: string, ...args: string[]) =>
  vault.run(["restore", "web1", "--to", to, "--identity", identityFile, ...args]);

test("a host's sets are restored in the configured order, each into a folder of its name, and the reserved set is none", async () => {
  const to = await target();
  const ran = await restoreHost(to, "--json");
  assert.equal(ran.exit, 0, ran.stderr);
  const { sets } = JSON.parse(ran.stdout.toString()) as HostValue;
  assert.deepEqual(
    sets.map(({ set, outcome }) => `${set} ${outcome}`),
    ["postgres restored", "base restored", "etc restored", "logs restored"],
  );
  assert.deepEqual((await readdir(to, { recursive: true })).toSorted(), [
    "base",
    "base/base.bin",
    "etc",
    "etc/a",
    "logs",
    "logs/a.log",
    "postgres",
    "postgres/shop.dump",
  ]);
  assert.ok(large.equals(await readFile(join(to, "base/base.bin"))));
});

test("one set that fails keeps no other back: exit 6, and the next attempt restores what is missing only", async () => {
  const to = await target();
  await writeFile(join(to, "etc"), "in the way");
  const first = await restoreHost(to);
  assert.equal(first.exit, 6, first.stderr);
  const text = first.stdout.toString();
  assert.match(text, /^restored 3 of 4 sets of web1 to /);
  assert.match(text, /etc: FAILED, target-exists/);
  assert.equal(await readFile(join(to, "etc"), "utf8"), "in the way");
  execFileSync("rm", [join(to, "etc")]);

  let readBytes = 0;
  const end = vault.server.onRequest(({ operation, key, responseBytes }) => {
    if (operation === "GetObject" && key === base.vaultName) readBytes += responseBytes;
  });
  const second = await restoreHost(to);
  end();
  assert.equal(second.exit, 0, second.stderr);
  assert.match(second.stdout.toString(), /base: as of .* there already/);
  assert.equal(readBytes, 0);
  assert.deepEqual((await readdir(to)).toSorted(), ["base", "etc", "logs", "postgres"]);
});

test("an interrupted restore of a host goes on where it stopped", async () => {
  const to = await target();
  const reached = vault.server.faults
    .add({ operation: "GetObject", key: /logs/, fault: { kind: "hang", when: "before" } })
    .nextFiring();
  const child = vault.start(["restore", "web1", "--to", to, "--identity", identityFile]);
  await reached;
  child.kill("SIGTERM");
  await once(child, "close");
  vault.server.faults.clear();
  const ran = await restoreHost(to);
  assert.equal(ran.exit, 0, ran.stderr);
  assert.deepEqual((await readdir(to)).toSorted(), ["base", "etc", "logs", "postgres"]);
});

test("what is about one set is refused for a host, and a host that nothing is known of is said", async () => {
  for (const args of [["--list"], ["--only", "a"]]) assert.equal((await restoreHost(await target(), ...args)).exit, 2);
  assert.equal((await restoreHost("-")).exit, 2);
  const none = await vault.run(["restore", "db9"]);
  assert.equal(none.exit, 2);
  assert.match(none.stderr, /records no set of db9/);
});
