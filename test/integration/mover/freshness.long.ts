/** A host that stops is named, once, with when its last backup came; nothing but a real backup makes it fresh. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { later, runMoverHere, type LoggedEvent, type RanHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld, type World } from "../../support/world.ts";
import { newKey, put, putInline, readLedger, sign, stateOf } from "./craft.ts";

const HOUR = 3_600_000;
const EXPECT = "signatures: optional, expect: { files: { every: 2h, minSize: 100B } }";

async function run(world: World, aheadMs = 0): Promise<RanHere> {
  const ran = await runMoverHere(world, { timing: later(aheadMs) });
  assert.equal(ran.exit, 0, String(ran.error));
  return ran;
}

function alertsIn(ran: RanHere): LoggedEvent["fields"][] {
  return ran.events.flatMap(({ event, fields }) => (event === "alert" ? [fields] : []));
}

const kindsIn = (ran: RanHere): unknown[] => alertsIn(ran).map(({ kind }) => kind);

test("a set that does not come in time is told once, and once more when it comes again", async () => {
  let aheadMs = 0;
  await using world = await startWorld({ hostOptions: EXPECT, clock: () => Date.now() + aheadMs });
  await world.putSigned("web1", randomBytes(100));
  const cameAt = new Date((await world.listDropZone())[0]?.lastModified ?? 0).toISOString();
  assert.deepEqual(kindsIn(await run(world)), []);
  assert.deepEqual(kindsIn(await run(world, 1.9 * HOUR)), []);
  const [overdue, ...others] = alertsIn(await run(world, 2.1 * HOUR));
  assert.deepEqual(others, []);
  assert.deepEqual([overdue?.kind, overdue?.host, overdue?.set], ["overdue", "web1", "files"]);
  assert.equal(overdue?.detail, `the last backup came at ${cameAt}`);
  assert.deepEqual(kindsIn(await run(world, 3 * HOUR)), []);

  const status = await world.run("mover", ["status"]);
  assert.match(status.stdout, /^HOST +SET +EVERY +LAST BACKUP +STATE$/m);
  assert.match(status.stdout, new RegExp(`^web1 +files +2h +${cameAt} +OVERDUE$`, "m"));

  aheadMs = 4 * HOUR;
  await put(world, newKey("web1"), randomBytes(1000)); // unsigned
  const small = newKey("web1");
  await putInline(world, small, Buffer.alloc(99), sign(world, "web1", stateOf("web1", small, Buffer.alloc(99))));
  aheadMs = 0; // the store's clock is what objects bear, and nobody's requests are refused for it
  assert.ok(!kindsIn(await run(world, 4 * HOUR)).includes("recovered"), "neither unsigned nor too small counts");
  const key = newKey("web1");
  const bytes = randomBytes(100);
  aheadMs = 4 * HOUR;
  await putInline(world, key, bytes, sign(world, "web1", stateOf("web1", key, bytes)));
  aheadMs = 0;
  assert.ok(kindsIn(await run(world, 4 * HOUR)).includes("recovered"));
  assert.deepEqual(kindsIn(await run(world, 5 * HOUR)), []);
});

test("a replay of yesterday's backup does not make a host look fresh", async () => {
  let aheadMs = 0;
  await using world = await startWorld({ hostOptions: EXPECT, clock: () => Date.now() + aheadMs });
  const { key } = await world.putSigned("web1", randomBytes(1000));
  const { Body, Metadata = {} } = await world.dropZoneOwner.send(new GetObjectCommand({ Bucket: DROP_ZONE, Key: key }));
  const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
  await run(world);
  aheadMs = 1.9 * HOUR;
  await put(world, key, bytes, { Metadata });
  aheadMs = 0;
  assert.deepEqual(kindsIn(await run(world, 1.9 * HOUR)), []);
  assert.deepEqual(kindsIn(await run(world, 2.1 * HOUR)), ["overdue"]);
});

test("a set that never came is told as well, counted from when it was first expected, over restarts", async () => {
  await using world = await startWorld({ hostOptions: EXPECT });
  for (const hours of [0, 0.7, 1.4]) assert.deepEqual(kindsIn(await run(world, hours * HOUR)), []);
  const [overdue] = alertsIn(await run(world, 2.1 * HOUR));
  assert.deepEqual([overdue?.kind, overdue?.detail], ["overdue", "no backup ever came"]);
});

test("a backup unlike those before it, in size or in that it is not compressed, is archived and told", async () => {
  await using world = await startWorld();
  const store = async (length: number, encoding: ("zstd" | "age")[]): Promise<unknown[]> => {
    const key = newKey("web1");
    const bytes = randomBytes(length);
    const epoch = "AAAAAAAAAAAAAAAAAAAAAA";
    const changes = { encoding, epoch, seq: ++seq, prev: seq === 1 ? null : "0".repeat(64) };
    await putInline(world, key, bytes, sign(world, "web1", stateOf("web1", key, bytes, changes)));
    return alertsIn(await run(world)).flatMap(({ kind }) => (String(kind).endsWith("anomaly") ? kind : []));
  };
  let seq = 0;
  for (let count = 0; count < 4; count++) assert.deepEqual(await store(1000, ["zstd", "age"]), []);
  assert.deepEqual(await store(500, ["zstd", "age"]), []);
  assert.deepEqual(await store(499, ["zstd", "age"]), ["size-anomaly"]);
  assert.deepEqual(await store(4000, ["zstd", "age"]), []);
  assert.deepEqual(await store(4001, ["zstd", "age"]), ["size-anomaly"]);
  assert.deepEqual(await store(1000, ["age"]), ["compression-anomaly"]);
  assert.deepEqual(await world.listDropZone(), []);
  assert.equal((await readLedger(world)).flatMap(({ entries }) => entries).length, 9);
});
