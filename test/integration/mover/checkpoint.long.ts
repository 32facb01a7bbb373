/** A start behind a checkpoint, with the real program and the store's policies. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { runMoverHere, verifyHere, type RanHere } from "../../support/run-here.ts";
import { startWorld, VAULT, type World } from "../../support/world.ts";
import { readLedger } from "./craft.ts";

const EVERY = 4;

async function run(world: World): Promise<RanHere> {
  const ran = await runMoverHere(world, { checkpointEvery: EVERY });
  assert.equal(ran.exit, 0, String(ran.error));
  return ran;
}

/** How many segments the mover reads, and after which it lists, from here on. */
function watch(world: World): { read: number; listedAfter: (string | undefined)[] } {
  const seen: { read: number; listedAfter: (string | undefined)[] } = { read: 0, listedAfter: [] };
  world.server.onRequest(({ operation, bucket, key }) => {
    if (bucket === VAULT && operation === "GetObject" && key?.startsWith("_airlock/ledger/") === true) seen.read++;
  });
  const note = ({ query }: { readonly query: ReadonlyMap<string, string> }): void => {
    if (query.get("prefix")?.startsWith("_airlock/ledger/mover-a/") === true)
      seen.listedAfter.push(query.get("start-after"));
  };
  world.server.faults.add({
    operation: "ListObjectsV2",
    bucket: VAULT,
    fault: { kind: "hook", when: "before", run: note },
  });
  return seen;
}

test("start-up reads what follows the newest checkpoint; a forged one is refused, and everything read", async () => {
  await using world = await startWorld({ hostOptions: "quota: { objectsPerDay: 10 }" });
  for (let count = 0; count < 9; count++) {
    await world.putSigned("web1", randomBytes(100));
    await run(world); // a segment each
  }
  assert.equal((await readLedger(world)).length, 9);
  const checkpoints = (await world.listVault("_airlock/checkpoint/")).map(({ key }) => key);
  assert.deepEqual(checkpoints, [
    "_airlock/checkpoint/mover-a/000000000004.json",
    "_airlock/checkpoint/mover-a/000000000008.json",
  ]);

  const seen = watch(world);
  await world.putSigned("web1", randomBytes(100));
  await run(world);
  assert.deepEqual(seen.listedAfter, ["_airlock/ledger/mover-a/000000000008.jsonl"]);
  assert.equal(seen.read, 2);
  const verified = await verifyHere(world);
  assert.equal(verified.exit, 0, JSON.stringify(verified.printed));

  const forged = (await world.readVault(checkpoints[1] ?? "")).toString().replace('"objects":8', '"objects":0');
  await world.vaultOwner.send(
    new PutObjectCommand({ Bucket: VAULT, Key: checkpoints[1], Body: forged, ChecksumAlgorithm: "CRC32" }),
  );
  await world.putSigned("web1", randomBytes(100));
  const refused = await run(world);
  assert.ok(refused.events.some(({ event, code }) => event === "checkpoint-refused" && code === "ledger-corrupt"));
  assert.equal((refused.printed[0] as { held: number }).held, 1, "the day's quota is used up all the same"); // what --once prints
  assert.equal((await verifyHere(world)).exit, 5, "whoever can write a second version of a checkpoint is found out");
});
