/** Objects that take long: however many one host has under way, what others send crosses meanwhile. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { startWorld, VAULT } from "../../support/world.ts";
import { startDaemon } from "./daemon.ts";

const MiB = 1024 * 1024;
/** Of two objects with two parts each: a third does not fit beside what small ones are left. */
const PARTS_THAT_FIT = 4;

/** As many of a host's large objects as `count`, none of which gets anywhere until the gate opens. */
async function crossBeside(count: number, concurrency: number): Promise<void> {
  await using world = await startWorld({ hosts: ["large", "web1"], memory: "64MiB", concurrency });
  const gate = Promise.withResolvers<void>();
  const full = Promise.withResolvers<void>();
  let parts = 0;
  const hang = (): Promise<void> => {
    if (++parts === PARTS_THAT_FIT) full.resolve();
    return gate.promise;
  };
  world.server.faults.add({
    operation: "UploadPart",
    bucket: VAULT,
    key: /^archive\/large\//,
    fault: { kind: "hook", when: "before", run: hang },
  });
  const bytes = randomBytes(9 * MiB);
  const large: string[] = [];
  for (let index = 0; index < count; index++) large.push((await world.putSigned("large", bytes)).key);
  const daemon = startDaemon(world);
  try {
    await full.promise;
    const { key } = await world.putSigned("web1", randomBytes(1000));
    const line = await daemon.logged("object-archived", (one) => one.host === "web1");
    assert.equal(line.key, key);
  } finally {
    gate.resolve();
  }
  for (const key of large) await daemon.logged("object-archived", (one) => one.key === key);
  daemon.process.kill("SIGTERM");
  assert.equal((await daemon.ended).exit, 0);
}

test("a small object of another host's crosses while large ones have all the memory that they may have", async () => {
  await crossBeside(6, 16);
});

test("and while large ones have all the moves side by side that they may have", async () => {
  await crossBeside(8, 4);
});
