/** `release` and `discard`, asked of a running daemon. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { STATEMENT_SUFFIX } from "../../../shared/names.ts";
import { startWorld, type World } from "../../support/world.ts";
import { newKey, put, putBeside, putInline, readLedger, sign, stateOf } from "./craft.ts";
import { startDaemon } from "./daemon.ts";

const BYTES = Buffer.from("the bytes of a backup");

/** An object whose bytes are not those that its host signed. */
async function putForged(world: World): Promise<string> {
  const key = newKey("web1");
  await putInline(world, key, BYTES, sign(world, "web1", stateOf("web1", key, BYTES, { sha256: "0".repeat(64) })));
  return key;
}

async function entryOf(world: World, key: string) {
  const entries = (await readLedger(world)).flatMap((segment) => segment.entries);
  return entries.findLast(({ source }) => source?.key === key);
}

test("release lets a held object in whatever is said against it; what it was held for is recorded", async () => {
  await using world = await startWorld({ poll: "50ms", hostOptions: "quota: { objectSize: 1kB }" });
  const forged = await putForged(world);
  const large = await world.putSigned("web1", randomBytes(1001));
  const strange = "stranger/some/object@with an at";
  await put(world, strange, BYTES);
  const daemon = startDaemon(world);
  await daemon.logged("object-held", ({ key }) => key === forged);

  const ran = await world.run("mover", ["release", forged, large.key, strange]);
  assert.equal(ran.exit, 0, ran.stdout + ran.stderr);
  assert.match(ran.stdout, new RegExp(`^admitted \\(held: digest-mismatch\\) ${forged}@`, "m"));
  assert.match(ran.stdout, new RegExp(`^admitted \\(held: object-too-large\\) ${large.key}@`, "m"));
  assert.match(ran.stdout, /^admitted \(held: host-unknown\) stranger\/some\/object@with an at@/m);
  for (const released of [forged, large.key, strange]) {
    await daemon.logged("object-archived", ({ key }) => key === released);
  }
  const shown = async (key: string): Promise<unknown> => {
    const entry = await entryOf(world, key);
    return [entry?.disposition, entry?.statement === null, entry?.findings.map(({ code }) => code)];
  };
  assert.deepEqual(await shown(forged), ["released-by-operator", true, ["digest-mismatch"]]);
  assert.deepEqual(await shown(large.key), ["released-by-operator", false, []]);
  assert.deepEqual(await shown(strange), ["released-by-operator", true, []]);
  assert.deepEqual(await world.listDropZone(), []);
  assert.equal((await world.listVault()).length, 3);
  daemon.process.kill("SIGTERM");
  assert.equal((await daemon.ended).exit, 0);
});

test("discard removes exactly that version for good, and is recorded before", async () => {
  await using world = await startWorld({ poll: "50ms" });
  const forged = await putForged(world);
  const other = await putForged(world);
  const key = newKey("web1");
  await putBeside(world, key, BYTES, ["junk"]);
  const lone = newKey("web1") + STATEMENT_SUFFIX;
  await put(world, lone, Buffer.from("junk"));
  const daemon = startDaemon(world);
  for (const held of [forged, other, key]) await daemon.logged("object-held", (line) => line.key === held);

  const ran = await world.run("mover", ["--json", "discard", forged, key, lone]);
  assert.equal(ran.exit, 0, ran.stdout + ran.stderr);
  const results = ran.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>); // one each
  assert.deepEqual(
    results.map(({ asked, outcome, reason, message }) => [asked, outcome, reason, message]),
    [
      [forged, "discarded", "digest-mismatch", null],
      [key, "discarded", "statement-invalid", null],
      [lone, "discarded", "statement-invalid", null],
    ],
  );
  const left = (await world.listDropZone()).map((version) => version.key);
  assert.deepEqual(left.toSorted(), [other, key + STATEMENT_SUFFIX].toSorted(), "what is held besides stays");
  const entry = await entryOf(world, forged);
  assert.deepEqual(
    [entry?.disposition, entry?.vault, entry?.findings.map(({ code }) => code)],
    ["discarded-by-operator", null, ["digest-mismatch"]],
  );
  assert.notEqual(entry?.statement, null, "its number is accounted for");
  assert.deepEqual(await world.listVault(), []);
  daemon.process.kill("SIGTERM");
  assert.equal((await daemon.ended).exit, 0);
});

test("what is asked in vain: no daemon, no such object, not held, more than one version", async () => {
  await using world = await startWorld({ poll: "50ms", hostOptions: "quota: { objectSize: 10B }" });
  const never = await world.run("mover", ["release", "web1/x"]);
  assert.equal(never.exit, 2);
  assert.match(never.stderr, /^airlock-mover: there is no status yet/);

  const key = newKey("web1");
  await put(world, key, BYTES);
  await put(world, key, BYTES);
  const junk = newKey("web1");
  await put(world, junk, BYTES, { Metadata: { airlock: "junk" } });
  const daemon = startDaemon(world);
  await daemon.logged("started");
  await daemon.logged("alert", ({ kind }) => kind === "held");
  const ran = await world.run("mover", ["--json", "discard", "web1/nothing", key, junk]);
  assert.equal(ran.exit, 6, ran.stdout);
  const results = ran.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>); // one each
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ["refused", "refused", "discarded"],
  );
  assert.equal(results[0]?.message, "there is no such object in the drop-zone");
  assert.match(String(results[1]?.message), new RegExp(`^2 versions of it are held: name one, such as ${key}@`));
  const version = (await world.listDropZone()).find((one) => one.key === key);
  const exact = await world.run("mover", ["discard", `${key}@${version?.versionId}`]);
  assert.equal(exact.exit, 0, exact.stdout);
  assert.deepEqual(
    (await world.listDropZone()).map(({ versionId }) => versionId !== version?.versionId),
    [true],
  );
  const none = await world.run("mover", ["release", "web1/nothing"]);
  assert.equal(none.exit, 2, none.stdout);
  daemon.process.kill("SIGTERM");
  assert.equal((await daemon.ended).exit, 0);
  const late = await world.run("mover", ["discard", key]);
  assert.equal(late.exit, 2);
  assert.match(
    late.stderr,
    /^airlock-mover: the daemon is not running, and it alone can do this \(.*\/state\)\n {2}start it/,
  );
  assert.deepEqual(await readdir(join(world.dir, "state/requests")), []);
});
