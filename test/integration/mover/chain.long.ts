/**
 * What whoever holds the drop-zone's account can do to a host's uploads while they wait, done for real: each leaves a
 * finding in the ledger and an alert in the log, and none of them holds an honest object.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { test } from "node:test";
import { DeleteObjectCommand, GetObjectCommand } from "@aws-sdk/client-s3";
import type { Entry } from "../../../shared/ledger.ts";
import { STATEMENT_SUFFIX } from "../../../shared/names.ts";
import { formatStatement, STATEMENT_METADATA, statementDigest, type Statement } from "../../../shared/statement.ts";
import { later, runMoverHere, verifyHere, type RanHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld, type World, type WorldOptions } from "../../support/world.ts";
import { inline, newKey, put, putBeside, putInline, readLedger, sign, stateOf } from "./craft.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

async function startWatched(options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(options);
  await appendFile(world.moverConfig, "alerts: { missingAfter: 1h }\n");
  return world;
}

async function remove(world: World, key: string): Promise<void> {
  const versions = (await world.listDropZone()).filter((version) => version.key === key);
  for (const { versionId } of versions) {
    await world.dropZoneOwner.send(
      new DeleteObjectCommand({ Bucket: DROP_ZONE, Key: key, ...(versionId === null ? {} : { VersionId: versionId }) }),
    );
  }
}

/** Takes the object away; putting it back makes it the same bytes with the same statement, as a new version. */
async function hide(world: World, key: string): Promise<() => Promise<void>> {
  const { Body, Metadata = {} } = await world.dropZoneOwner.send(new GetObjectCommand({ Bucket: DROP_ZONE, Key: key }));
  const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
  await remove(world, key);
  return () => put(world, key, bytes, { Metadata });
}

async function run(world: World, aheadMs = 0): Promise<RanHere> {
  const ran = await runMoverHere(world, { timing: later(aheadMs) });
  assert.equal(ran.exit, 0, String(ran.error));
  return ran;
}

function alertsIn(ran: RanHere): string[] {
  return ran.events.flatMap(({ event, fields }) => (event === "alert" ? String(fields.kind) : []));
}

async function entriesOf(world: World): Promise<readonly Entry[]> {
  return (await readLedger(world)).flatMap(({ entries }) => entries);
}

/** Each finding as `code seq`, in the ledger's order. */
async function findingsOf(world: World): Promise<string[]> {
  return (await entriesOf(world)).flatMap(({ findings }) => findings.map(({ code, seq }) => `${code} ${seq}`));
}

const bytesOf = (length = 1000): Buffer => randomBytes(length);

test("removed: the hole is reported when it is older than missingAfter, once, and over restarts", async () => {
  await using world = await startWatched();
  await world.putSigned("web1", bytesOf());
  const second = await world.putSigned("web1", bytesOf());
  const third = await world.putSigned("web1", bytesOf());
  await remove(world, second.key);
  assert.deepEqual(alertsIn(await run(world)), [], "a moment later it could still be on its way");
  assert.deepEqual(alertsIn(await run(world, 0.9 * HOUR)), []);
  assert.deepEqual(alertsIn(await run(world, 2 * HOUR)), ["missing"]);
  assert.deepEqual(alertsIn(await run(world, 3 * HOUR)), [], "it is told once");
  assert.deepEqual(await findingsOf(world), ["missing 2"]);
  const finding = (await entriesOf(world)).at(-1);
  assert.deepEqual(
    [finding?.disposition, finding?.source, finding?.findings[0]?.host, finding?.findings[0]?.epoch],
    ["finding", null, "web1", third.epoch],
  );
});

test("replaced: the forger's bytes are held and alerted, and so is the number that did not come", async () => {
  await using world = await startWatched();
  const first = await world.putSigned("web1", bytesOf());
  await world.putSigned("web1", bytesOf());
  const { Metadata = {} } = await world.dropZoneOwner.send(new GetObjectCommand({ Bucket: DROP_ZONE, Key: first.key }));
  await remove(world, first.key);
  await put(world, first.key, bytesOf(), { Metadata });
  assert.deepEqual(alertsIn(await run(world)), ["held"]);
  assert.deepEqual(alertsIn(await run(world, 2 * HOUR)), ["missing"]);
  assert.equal((await world.listVault()).length, 1);
  assert.deepEqual(await findingsOf(world), ["missing 1"]);
});

test("reordered: what comes after a higher number, and was put after it, is archived and told", async () => {
  let aheadMs = 0;
  await using world = await startWatched({ clock: () => Date.now() + aheadMs });
  const first = await world.putSigned("web1", bytesOf());
  await world.putSigned("web1", bytesOf());
  const putBack = await hide(world, first.key);
  assert.deepEqual(alertsIn(await run(world)), []);
  aheadMs = 5 * 60_000; // what objects bear; a store whose clock is wrong is corrected for
  await putBack();
  aheadMs = 0;
  assert.deepEqual(alertsIn(await run(world, 5 * 60_000)), ["reordered"]);
  assert.deepEqual(await findingsOf(world), ["reordered 1"]);
  assert.deepEqual(await world.listDropZone(), []);
  assert.equal((await world.listVault()).length, 2);
  assert.deepEqual(alertsIn(await run(world, 3 * HOUR)), [], "the hole is none any more");
});

test("uploads side by side that come in another order within seconds are no finding", async () => {
  await using world = await startWatched();
  const first = await world.putSigned("web1", bytesOf());
  await world.putSigned("web1", bytesOf());
  const putBack = await hide(world, first.key);
  await run(world);
  await putBack();
  assert.deepEqual(alertsIn(await run(world)), []);
  assert.deepEqual(await findingsOf(world), []);
});

test("replayed: the same statement again is a duplicate, released without an alarm", async () => {
  await using world = await startWatched();
  const first = await world.putSigned("web1", bytesOf());
  const putBack = await hide(world, first.key);
  await putBack();
  await run(world);
  await putBack();
  const ran = await run(world);
  assert.deepEqual(alertsIn(ran), []);
  assert.deepEqual(
    (await entriesOf(world)).map(({ disposition, findings }) => [disposition, findings]),
    [
      ["archived", []],
      ["duplicate", []],
    ],
  );
  assert.deepEqual(await world.listDropZone(), []);
  assert.equal((await verifyHere(world)).exit, 0);
});

test("stored once more just as the first leaves, its statement with it: told by what was recorded, other bytes held", async () => {
  await using world = await startWatched();
  const bytes = bytesOf(6 * 2 ** 20);
  const { key } = await world.putSigned("web1", bytes, { partBytes: 5 * 2 ** 20 });
  await run(world);
  await put(world, key, bytes, {});
  await run(world);
  assert.deepEqual(
    (await entriesOf(world)).map(({ disposition }) => disposition),
    ["archived", "duplicate"],
  );
  assert.deepEqual(await world.listDropZone(), []);
  await put(world, key, bytesOf(bytes.length), {});
  const ran = await runMoverHere(world);
  assert.deepEqual(
    ran.events.filter(({ event }) => event === "object-held").map(({ code }) => code),
    ["digest-mismatch"],
  );
  assert.equal((await entriesOf(world)).length, 2);
});

/** A statement of this epoch and number for new bytes. */
async function putNumber(world: World, epoch: string, seq: number, prev: Statement | null): Promise<Statement> {
  const key = newKey("web1");
  const bytes = bytesOf();
  const statement = stateOf("web1", key, bytes, { epoch, seq, prev: prev === null ? null : statementDigest(prev) });
  await putInline(world, key, bytes, sign(world, "web1", statement));
  return statement;
}

test("forked: two statements of one number, and one that follows another than the recorded one", async () => {
  await using world = await startWatched();
  const epoch = randomBytes(16).toString("base64url");
  const first = await putNumber(world, epoch, 1, null);
  await run(world);
  const other = await putNumber(world, epoch, 1, null);
  assert.deepEqual(alertsIn(await run(world)), ["forked"]);
  await putNumber(world, epoch, 2, other);
  assert.deepEqual(alertsIn(await run(world)), ["forked"]);
  await putNumber(world, epoch, 2, first);
  assert.deepEqual(alertsIn(await run(world)), ["forked"], "a second statement 2");
  assert.deepEqual(await findingsOf(world), ["forked 1", "forked 2", "forked 2"]);
  assert.deepEqual(await world.listDropZone(), [], "and all are archived");
  assert.equal((await world.listVault()).length, 4);
});

test("new-epoch: told for a second epoch, not for a host's first", async () => {
  await using world = await startWatched();
  await putNumber(world, randomBytes(16).toString("base64url"), 1, null);
  assert.deepEqual(alertsIn(await run(world)), []);
  await putNumber(world, randomBytes(16).toString("base64url"), 1, null);
  assert.deepEqual(alertsIn(await run(world)), ["new-epoch"]);
  assert.deepEqual(await findingsOf(world), ["new-epoch 1"]);
});

test("object-missing: a statement alone is held, stands for its number, and goes after 30 days, each recorded", async () => {
  await using world = await startWatched();
  const epoch = randomBytes(16).toString("base64url");
  const key = newKey("web1");
  const statement = stateOf("web1", key, bytesOf(), { epoch });
  await put(world, key + STATEMENT_SUFFIX, Buffer.from(formatStatement(sign(world, "web1", statement))));
  await putNumber(world, epoch, 2, statement);
  const heldIn = (ran: RanHere): unknown => (ran.printed[0] as { held: number }).held; // what --once prints
  assert.equal(heldIn(await run(world)), 1);
  assert.deepEqual(alertsIn(await run(world, 2 * HOUR)), ["object-missing"]);
  assert.deepEqual(alertsIn(await run(world, 3 * HOUR)), [], "told once, and no hole");
  assert.deepEqual(await findingsOf(world), ["object-missing 1"]);
  assert.equal((await world.listDropZone()).length, 1);
  assert.equal(heldIn(await run(world, 31 * DAY)), 0);
  assert.deepEqual(await world.listDropZone(), []);
  assert.deepEqual(await findingsOf(world), ["object-missing 1", "statement-removed 1"]);
  const removed = (await entriesOf(world)).at(-1);
  assert.deepEqual([removed?.source?.key, removed?.statement], [key + STATEMENT_SUFFIX, statement]);
  assert.equal((await verifyHere(world)).exit, 0);
});

test("object-missing, and then it comes after all: archived as what it is, no duplicate", async () => {
  await using world = await startWatched();
  const key = newKey("web1");
  const bytes = bytesOf();
  const signed = sign(world, "web1", stateOf("web1", key, bytes));
  await put(world, key + STATEMENT_SUFFIX, Buffer.from(formatStatement(signed)));
  await run(world, 2 * HOUR);
  await put(world, key, bytes);
  await run(world, 3 * HOUR);
  assert.deepEqual(
    (await entriesOf(world)).map(({ disposition }) => disposition),
    ["finding", "archived"],
  );
  assert.deepEqual(await world.listDropZone(), []);
});

test("junk in a statement's place is counted among the holds, with or without its object", async () => {
  await using world = await startWatched();
  await put(world, newKey("web1") + STATEMENT_SUFFIX, Buffer.from("junk"));
  await put(world, newKey("stranger") + STATEMENT_SUFFIX, Buffer.from("junk"));
  const key = newKey("web1");
  const forged = sign(world, "web1", stateOf("web1", newKey("web1"), bytesOf()));
  await put(world, key + STATEMENT_SUFFIX, Buffer.from(formatStatement(forged)));
  await run(world, HOUR / 2);
  const { holds } = (await readLedger(world)).at(-1) ?? {};
  assert.deepEqual(holds, { "*": { "host-unknown": 1 }, web1: { "statement-invalid": 2 } });
});

test("forty forged versions laid on an honest statement do not hide it", async () => {
  await using world = await startWatched();
  const key = newKey("web1");
  const bytes = bytesOf();
  const honest = sign(world, "web1", stateOf("web1", key, bytes));
  await putBeside(world, key, bytes, [honest, ...Array.from({ length: 40 }, () => "junk")]);
  const ran = await run(world);
  const [entry] = await entriesOf(world);
  assert.deepEqual([entry?.disposition, entry?.statement], ["archived", honest.statement], JSON.stringify(ran.events));
});

test("a replay of what was recorded longer ago than is remembered is told, and gives no credit", async () => {
  await using world = await startWatched({ concurrency: 32 });
  const first = await world.putSigned("web1", bytesOf(10));
  const putBack = await hide(world, first.key);
  await putBack();
  await run(world); // of objects that wait at once, any may be recorded first
  for (let count = 0; count < 320; count++) await world.putSigned("web1", bytesOf(10));
  await run(world);
  await putBack();
  assert.deepEqual(alertsIn(await run(world)), ["replayed"]);
  assert.deepEqual(await world.listDropZone(), []);
});

test("metadata says whose it is: an object of another host's is no number of this one's", async () => {
  await using world = await startWatched({ hosts: ["web1", "web2"] });
  const key = newKey("web1");
  const signed = sign(world, "web2", stateOf("web2", key, bytesOf(), { seq: 7, prev: "0".repeat(64) }));
  await put(world, key, bytesOf(), { Metadata: { [STATEMENT_METADATA]: inline(signed) } });
  assert.deepEqual(alertsIn(await run(world)), ["held"]);
  assert.deepEqual(alertsIn(await run(world, 2 * HOUR)), [], "told once, over restarts");
  assert.deepEqual(await findingsOf(world), []);
});
