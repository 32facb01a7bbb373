/** Quotas with the real program: what is beyond waits, oldest first, over restarts, and goes on the next day. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { later, runMoverHere, type RanHere } from "../../support/run-here.ts";
import { startWorld, type World } from "../../support/world.ts";
import { newKey, putInline, readLedger, sign, stateOf } from "./craft.ts";

const DAY = 86_400_000;
/** From now to a minute after the next midnight, UTC. */
const tomorrow = (): number => DAY - (Date.now() % DAY) + 60_000;

async function run(world: World, aheadMs = 0): Promise<{ ran: RanHere; held: number }> {
  const ran = await runMoverHere(world, { timing: later(aheadMs) });
  assert.equal(ran.exit, 0, String(ran.error));
  return { ran, held: (ran.printed[0] as { held: number }).held }; // what --once prints
}

async function holdsOf(world: World): Promise<unknown> {
  return (await readLedger(world)).findLast(({ holds }) => holds !== null)?.holds;
}

async function archivedKeys(world: World): Promise<string[]> {
  return (await readLedger(world)).flatMap(({ entries }) => entries.flatMap(({ source }) => source?.key ?? []));
}

/** Whose keys sort in the opposite order of their age. */
async function putAged(world: World, count: number, length: number, advance: () => void): Promise<string[]> {
  const keys = Array.from({ length: count }, () => newKey("web1"))
    .toSorted()
    .toReversed();
  for (const [index, key] of keys.entries()) {
    const bytes = randomBytes(length);
    await putInline(
      world,
      key,
      bytes,
      sign(world, "web1", stateOf("web1", key, bytes, { seq: index + 1, prev: index === 0 ? null : "0".repeat(64) })),
    );
    advance();
  }
  return keys;
}

for (const [what, quota, reason] of [
  ["objectsPerDay", "objectsPerDay: 2", "quota-objects"],
  ["bytesPerDay", "bytesPerDay: 2500B", "quota-bytes"],
  ["a set's objectsPerDay", "sets: { files: { objectsPerDay: 2 } }", "quota-objects"],
] as const) {
  test(`${what}: the oldest go first, a restart does not begin the day anew, and the rest goes on the next days`, async () => {
    let aheadMs = 0;
    await using world = await startWorld({
      hosts: ["web1", "web2"],
      hostOptions: `quota: { ${quota} }`,
      clock: () => Date.now() + aheadMs,
    });
    const keys = await putAged(world, 5, 1000, () => (aheadMs += 2000));
    await world.putSigned("web2", randomBytes(1000));
    aheadMs = 0;
    const first = await run(world);
    assert.equal(first.held, 3);
    assert.deepEqual(await holdsOf(world), { web1: { [reason]: 3 } });
    const isWeb1 = (key: string): boolean => key.startsWith("web1/");
    assert.deepEqual((await archivedKeys(world)).filter(isWeb1).toSorted(), keys.slice(0, 2).toSorted());
    const segments = (await readLedger(world)).length;
    assert.equal((await run(world)).held, 3, "the same day, anew");
    assert.equal((await readLedger(world)).length, segments, "what is held is what the ledger says already");
    assert.equal((await run(world, tomorrow())).held, 1);
    assert.deepEqual((await archivedKeys(world)).filter(isWeb1).toSorted(), keys.slice(0, 4).toSorted());
    assert.equal((await run(world, tomorrow() + DAY)).held, 0);
    assert.deepEqual(await world.listDropZone(), []);
  });
}

test("objectSize: what is larger is held, whatever the day, and keeps nobody waiting", async () => {
  await using world = await startWorld({ hostOptions: "quota: { objectSize: 5kB, objectsPerDay: 10 }" });
  const large = await world.putSigned("web1", randomBytes(5001));
  await world.putSigned("web1", randomBytes(5000));
  assert.equal((await run(world)).held, 1);
  assert.deepEqual(await holdsOf(world), { web1: { "object-too-large": 1 } });
  assert.equal((await run(world, tomorrow())).held, 1);
  assert.deepEqual(
    (await world.listDropZone()).map(({ key }) => key),
    [large.key],
  );
});

test("an object larger than a day's bytes is a day's first one, and not held for ever", async () => {
  await using world = await startWorld({ hostOptions: "quota: { bytesPerDay: 500B }" });
  await world.putSigned("web1", randomBytes(400));
  assert.equal((await run(world)).held, 0);
  await world.putSigned("web1", randomBytes(1000));
  assert.equal((await run(world)).held, 1);
  assert.equal((await run(world, tomorrow())).held, 0);
});
