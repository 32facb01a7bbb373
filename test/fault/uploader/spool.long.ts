/**
 * A program that keeps objects in its spool and publishes them is killed: at each point at which something has become
 * lasting on its disk, before and after each of its remote writes, and at random. Each next one finishes what is there.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FaultRule, OperationName } from "../../s3-server/server.ts";
import { startWorld, type World } from "../../support/world.ts";
import { playRounds, type Kind, type Rounds } from "./spool-rounds.ts";

const MIB = 1024 ** 2;
const SMALL: Kind = { name: "small", sizeBytes: 1000 };
/** Control characters take six bytes each in JSON: the statement is too large for metadata. */
const BESIDE: Kind = { name: "\u0001".repeat(200), sizeBytes: 1000 };
const LARGE: Kind = { name: "large", sizeBytes: 16 * MIB + 1 };

interface Recorded {
  readonly storedAt: number;
  readonly points: number;
  readonly durationMs: number;
  readonly writes: readonly Omit<FaultRule, "fault">[];
}

/** What a round does that nobody disturbs. */
async function record(world: World, rounds: Rounds, kind: Kind): Promise<Recorded> {
  const writes: { operation: OperationName; key: RegExp; nth: number }[] = [];
  const stop = world.server.onRequest(({ operation, key = "", principal }) => {
    if (!principal.endsWith("user/web1")) return;
    assert.ok(operation !== "Unknown");
    const pattern = key.endsWith(".airlock.json") ? /\.airlock\.json$/ : /(?<!\.airlock\.json)$/;
    const former = writes.filter((write) => write.operation === operation && write.key.source === pattern.source);
    writes.push({ operation, key: pattern, nth: former.length + 1 });
  });
  const label = `a round with ${kind.name} that nobody killed`;
  const {
    points: [storedAt = 0, points = 0],
    durationMs,
  } = await rounds.run({ kind, label });
  stop();
  assert.ok(storedAt > 0 && points > storedAt);
  return { storedAt, points, durationMs, writes };
}

async function killAtWrites(rounds: Rounds, kind: Kind, writes: Recorded["writes"]): Promise<void> {
  for (const rule of writes) {
    for (const when of ["before", "after"] as const) {
      await rounds.run({ kind, label: `a kill ${when} ${String(rule.operation)} ${rule.nth}`, write: { rule, when } });
    }
  }
  const rule = writes.at(-1);
  assert.ok(rule !== undefined);
  const label = "a kill after the last write, and a mover";
  await rounds.run({ kind, label, write: { rule, when: "after" }, isTaken: true });
}

describe("a program with a spool, killed", { concurrency: 2 }, () => {
  for (const { name, kind, isWhole } of [
    { name: "a small object", kind: SMALL, isWhole: true },
    // until it is stored, its size makes no difference
    { name: "an object of three parts", kind: LARGE, isWhole: false },
  ]) {
    it(`${name}: whatever is lasting on its disk by then, the next one ends with it published once`, async () => {
      await using world = await startWorld();
      const rounds = await playRounds(world);
      const { storedAt, points } = await record(world, rounds, kind);
      for (let killAt = isWhole ? 1 : storedAt; killAt <= points; killAt++) {
        await rounds.run({ kind, label: `a kill at point ${killAt}`, killAt });
      }
      await rounds.finish(SMALL);
    });
  }

  for (const [name, kind, count] of [
    ["a small object", SMALL, 1],
    ["a small object with its statement beside it", BESIDE, 2],
    ["an object of three parts", LARGE, 6],
  ] as const) {
    it(`${name}: before and after each remote write, and with a mover that is quick`, async () => {
      await using world = await startWorld();
      const rounds = await playRounds(world);
      const { writes } = await record(world, rounds, kind);
      assert.equal(writes.length, count);
      await killAtWrites(rounds, kind, writes);
      await rounds.finish(SMALL);
    });
  }

  it("at random, several times in a row", async () => {
    await using world = await startWorld();
    const rounds = await playRounds(world);
    const { durationMs } = await record(world, rounds, LARGE);
    for (let times = 1; times <= 24; times++) {
      const ms = Math.random() * durationMs;
      const event = times % 5 === 0 ? "recovered" : "up";
      const kind = times % 3 === 0 ? LARGE : SMALL;
      await rounds.run({ kind, label: `a kill ${Math.round(ms)} ms after "${event}"`, killAfter: { event, ms } });
    }
    await rounds.finish(SMALL);
  });
});
