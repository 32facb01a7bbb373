import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { before, describe, test } from "node:test";
import { vaultNameOf } from "../../../shared/names.ts";
import { befall, recordWrites, type RemoteWrite } from "../../support/mover-writes.ts";
import { DROP_ZONE, startWorld, type World } from "../../support/world.ts";

const MiB = 1024 * 1024;

/** A drop-zone with one object that crosses in one PUT and one that crosses in parts, its statement beside it. */
async function startWithObjects(versioned: boolean): Promise<{ world: World; digests: Map<string, string> }> {
  const world = await startWorld({ versioned, concurrency: 1, poll: "50ms" });
  const stated = new Map<string, string>();
  for (const [bytes, partBytes] of [[randomBytes(10_000)], [randomBytes(9 * MiB), 5 * MiB]] as const) {
    const { key, sha256 } = await world.putSigned("web1", bytes, partBytes === undefined ? {} : { partBytes });
    stated.set(key, sha256);
  }
  const digests = new Map<string, string>();
  for (const source of await world.listDropZone()) {
    const sha256 = stated.get(source.key);
    if (sha256 !== undefined) digests.set(vaultNameOf({ bucket: DROP_ZONE, ...source }), sha256);
  }
  return { world, digests };
}

/** What has to hold once the mover has run undisturbed to its end, whatever happened before. */
async function assertWhole(world: World, digests: ReadonlyMap<string, string>): Promise<void> {
  const ran = await world.run("mover", ["run", "--once"]);
  assert.equal(ran.exit, 0, ran.stderr);
  assert.deepEqual(await world.listDropZone(), [], "the drop-zone is empty");
  const archived = await world.listVault();
  assert.deepEqual(
    archived.map(({ key }) => key).sort(),
    [...digests.keys()].sort(),
    "each source once, under its one name",
  );
  for (const { key } of archived) {
    const digest = createHash("sha256")
      .update(await world.readVault(key))
      .digest("hex");
    assert.equal(digest, digests.get(key), `${key} has the stated digest`);
  }
  const verified = await world.run("operator", ["verify", "--read"]);
  assert.equal(verified.exit, 0, verified.stdout + verified.stderr);
}

for (const versioned of [true, false]) {
  describe(`kill -9 of the mover, ${versioned ? "versioned" : "unversioned"} drop-zone`, () => {
    let writes: readonly RemoteWrite[] = [];

    before(async () => {
      const { world } = await startWithObjects(versioned);
      await using _world = world;
      writes = recordWrites(world);
      const ran = await world.run("mover", ["run", "--once"]);
      assert.equal(ran.exit, 0, ran.stderr);
      // one PUT, an upload of two parts, at least one segment and three deletes in two batches
      assert.ok(writes.length >= 8, JSON.stringify(writes));
    });

    test("before and after each remote write takes effect: nothing is lost, and nothing is archived twice", async (t) => {
      for (const write of writes) {
        for (const effect of ["before", "after"] as const) {
          await t.test(`${effect} ${write.operation} ${write.nth} in ${write.bucket}`, async () => {
            const { world, digests } = await startWithObjects(versioned);
            await using _world = world;
            const running = world.start("mover", ["run", "--once"]);
            const kill = befall(world, write, {
              kind: "hook",
              when: effect,
              run: async () => {
                running.process.kill("SIGKILL");
                await running.ended;
              },
            });
            // the store may have had the request and lost it: that it never happens is the other half of not knowing
            if (effect === "before") befall(world, write, { kind: "reset", when: "before" });
            assert.equal((await running.ended).signal, "SIGKILL");
            assert.equal(kill.fired, 1);
            world.server.faults.clear();
            await assertWhole(world, digests);
          });
        }
      }
    });
  });
}
