/** Objects in an archive class: a copy has to be asked for before anything can be read. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { PutObjectCommand, S3Client, type StorageClass } from "@aws-sdk/client-s3";
import type { ObjectOptions } from "../../unit/operator/fixture.ts";
import { startRestoreBench } from "./restore-bench.ts";

const HOUR_MS = 3_600_000;
let passedMs = 0;
const bench = await startRestoreBench({ clock: () => Date.now() + passedMs, restoreTakesMs: 4 * HOUR_MS });
const { vault, web, mover, target, store, restore } = bench;
const owner = new S3Client({
  endpoint: vault.endpoint,
  region: vault.region,
  forcePathStyle: true,
  credentials: vault.owner,
});
after(async () => {
  owner.destroy();
  await bench[Symbol.asyncDispose]();
});

async function storeCold(options: ObjectOptions, storageClass: StorageClass = "GLACIER"): Promise<string> {
  const object = web.next(options);
  mover.append([object.entry]);
  await vault.putLedger(mover);
  const at = { Bucket: vault.bucket, Key: object.vaultName };
  await owner.send(new PutObjectCommand({ ...at, Body: object.bytes, StorageClass: storageClass }));
  return object.vaultName;
}

test("what lies in an archive class is said, with the very command that asks for a copy", async () => {
  const name = await storeCold({ set: "cold", bytes: Buffer.from("ice") });
  const to = await target();
  const ran = await restore("cold", to);
  assert.equal(ran.exit, 3, ran.stderr);
  assert.match(
    ran.stderr,
    /lies in the class GLACIER \(3 B\): a copy that can be read has to be asked for, and comes within 5 hours/,
  );
  assert.ok(ran.stderr.includes("--thaw 3"), ran.stderr);
  assert.ok(
    ran.stderr.includes(`aws s3api restore-object --bucket acme-vault --key '${name}' --restore-request '{"Days":3,`),
  );
  assert.deepEqual(await readdir(to), []);
});

test("the command that is printed is one that the program it names takes as it is", async () => {
  const name = await storeCold({ set: "printed", bytes: Buffer.from("ice") });
  const { stderr } = await restore("printed", await target());
  const command = /run: (aws s3api .*'\{.*\}')/.exec(stderr)?.[1] ?? "";
  // a shell splits it as the person's would
  const bin = join(vault.folder, "bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "aws"), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
  const args = execFileSync("sh", ["-c", command], { env: { PATH: `${bin}:/usr/bin:/bin` }, encoding: "utf8" })
    .trimEnd()
    .split("\n");
  assert.deepEqual(args.slice(0, 7), [
    "s3api",
    "restore-object",
    "--bucket",
    "acme-vault",
    "--key",
    name,
    "--restore-request",
  ]);
  assert.deepEqual(JSON.parse(args[7] ?? ""), { Days: 3, GlacierJobParameters: { Tier: "Standard" } });
});

test("the operator's own key may not ask, and is told who has to", async () => {
  await storeCold({ set: "denied", bytes: Buffer.from("ice") });
  const ran = await restore("denied", await target(), "--thaw", "2");
  assert.equal(ran.exit, 4, ran.stderr);
  assert.match(ran.stderr, /this key may not ask for a copy/);
  assert.match(ran.stderr, /s3:RestoreObject.*aws s3api restore-object .*"Days":2/);
});

test("a key that may asks, says when to come back, and restores then; asking twice does nothing", async () => {
  vault.setOperator(true);
  await storeCold({ set: "asked", bytes: Buffer.from("ice") });
  const to = await target();
  for (const args of [["--thaw", "2"], ["--thaw", "2"], []]) {
    const ran = await restore("asked", to, ...args);
    assert.equal(ran.exit, 3, ran.stderr);
    assert.match(ran.stderr, /a copy was asked for and comes within 5 hours/);
  }
  passedMs += 5 * HOUR_MS;
  const ran = await restore("asked", to);
  assert.equal(ran.exit, 0, ran.stderr);
  assert.deepEqual(await readdir(to), ["shop.dump"]);
});

test("--wait waits for the copy, and an interruption ends the wait", async () => {
  vault.setOperator(true);
  await storeCold({ set: "awaited", bytes: Buffer.from("ice") });
  const to = await target();
  const child = vault.start(["restore", "web1/awaited", "--to", to, "--thaw", "1", "--wait"]);
  let said = "";
  for await (const piece of child.stderr) {
    said += String(piece);
    if (said.includes("waiting")) break;
  }
  assert.match(said, /web1\/awaited can be read in 5 hours; waiting/);
  child.kill("SIGTERM");
  await once(child, "close");
  assert.equal(child.exitCode, 1);
  passedMs += 5 * HOUR_MS;
  const ran = await restore("awaited", to, "--wait");
  assert.equal(ran.exit, 0, ran.stderr);
});

test("of a host what can be read is restored, and what lies in an archive class is asked for", async () => {
  vault.setOperator(true);
  await store({ set: "warm", bytes: Buffer.from("fire") });
  await storeCold({ set: "deep", bytes: Buffer.from("ice") }, "DEEP_ARCHIVE");
  const to = await target();
  const first = await vault.run(["restore", "web1", "--to", to, "--thaw", "2", "--tier", "bulk"]);
  assert.equal(first.exit, 6, first.stderr);
  assert.match(first.stdout.toString(), /deep: FAILED, archive-class: .*comes within 48 hours/);
  assert.ok((await readdir(to)).includes("warm"));
  passedMs += 5 * HOUR_MS;
  const second = await vault.run(["restore", "web1", "--to", to]);
  assert.equal(second.exit, 0, second.stdout.toString());
  assert.match(second.stdout.toString(), /warm: .*there already/);
  const wrong = await storeCold({ set: "wrong", bytes: Buffer.from("x") }, "DEEP_ARCHIVE");
  const ran = await restore("wrong", to, "--thaw", "1", "--tier", "expedited");
  assert.equal(ran.exit, 2, wrong);
  assert.match(ran.stderr, /DEEP_ARCHIVE has no tier expedited/);
  assert.equal((await restore("wrong", to, "--thaw", "0")).exit, 2);
});
