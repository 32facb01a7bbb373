/** One host floods the drop-zone, with junk or with names alone: the mover comes to an end, and others do not wait. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { later, runMoverHere } from "../../support/run-here.ts";
import { startWorld } from "../../support/world.ts";
import { newKey, put, readLedger } from "./craft.ts";

async function putMany(count: number, one: () => Promise<void>): Promise<void> {
  const numbers = Array.from({ length: count }, (_, index) => index).values();
  const work = async (): Promise<void> => {
    for (const _ of numbers) await one();
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

test("more junk than is remembered is tried once each, counted, and keeps nobody's object from crossing", async () => {
  await using world = await startWorld({ hosts: ["web1", "web2"], concurrency: 32 });
  const count = 1100;
  await putMany(count, () => put(world, newKey("web1"), Buffer.from("x"), { Metadata: { airlock: "junk" } }));
  for (const host of ["web1", "web2"]) await world.putSigned(host, randomBytes(100));
  let opened = 0;
  world.server.onRequest(({ operation, key }) => {
    if (operation === "GetObject" && key?.startsWith("web1/") === true) opened++;
  });
  const ran = await runMoverHere(world);
  assert.equal(ran.exit, 0, String(ran.error));
  assert.deepEqual(ran.printed, [{ objects: 2, bytes: 200, held: count, failed: 0 }]);
  assert.equal(opened, count + 1, "each is opened once");
  const segments = await readLedger(world);
  assert.deepEqual(segments.at(-1)?.holds, { web1: { "statement-invalid": count } });
  assert.ok(segments.length <= 4, `${segments.length} segments`);
  const alerts = ran.events.filter(({ event }) => event === "alert");
  assert.equal(alerts.length, 1);
});

test("a flood of tiny objects: another host's go in turn with them, not behind them", async () => {
  await using world = await startWorld({ hosts: ["aaa", "web1"], concurrency: 4 });
  for (let count = 0; count < 200; count++) await world.putSigned("aaa", Buffer.from("tiny"));
  for (let count = 0; count < 5; count++) await world.putSigned("web1", Buffer.from("a backup"));
  assert.equal((await runMoverHere(world, { timing: later(0) })).exit, 0);
  const hosts = (await readLedger(world)).flatMap(({ entries }) => entries.map(({ statement }) => statement?.host));
  assert.equal(hosts.length, 205);
  assert.ok(hosts.lastIndexOf("web1") < 20, `web1's last was number ${hosts.lastIndexOf("web1")}`);
});

test("a store that says SlowDown to whatever is more than it can do at once is soon asked for no more than that", async () => {
  await using world = await startWorld({ concurrency: 32 });
  const count = 300;
  await putMany(count, async () => void (await world.putSigned("web1", randomBytes(100))));
  let atOnce = 0;
  const operation = "PutObject";
  const { faults } = world.server;
  const serve = async (): Promise<void> => {
    if (++atOnce > 6)
      faults.add({ operation, times: 1, fault: { kind: "error", when: "before", status: 503, code: "SlowDown" } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    atOnce--;
  };
  faults.add({ operation, fault: { kind: "hook", when: "before", run: serve } });
  let refused = 0;
  world.server.onRequest(({ status }) => {
    if (status === 503) refused++;
  });
  const ran = await runMoverHere(world, { timing: later(0) });
  assert.equal(ran.exit, 0, String(ran.error));
  assert.ok(refused < count / 2, `${refused} were refused`);
});
