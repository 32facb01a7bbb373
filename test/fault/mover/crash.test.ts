import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { befall, recordWrites, type RemoteWrite } from "../../support/mover-writes.ts";
import { runMoverHere } from "../../support/run-here.ts";
import { assertWhole, prepare, runSome } from "./whole.ts";

for (const versioned of [true, false]) {
  describe(`kill -9 of the mover, ${versioned ? "versioned" : "unversioned"} drop-zone`, () => {
    let writes: readonly RemoteWrite[] = [];

    before(async () => {
      const { world } = await prepare(versioned);
      await using _world = world;
      writes = recordWrites(world);
      const ran = await world.run("mover", ["run", "--once"]);
      assert.equal(ran.exit, 0, ran.stderr);
      // one PUT, an upload of two parts, at least one segment and three deletes in two batches
      assert.ok(writes.length >= 8, JSON.stringify(writes));
    });

    test(
      "before and after each remote write takes effect: nothing is lost, and nothing is archived twice",
      { concurrency: 2 },
      async (t) => {
        const cases = writes.flatMap((write) => (["before", "after"] as const).map((effect) => ({ write, effect })));
        await runSome(cases, 2, ({ write, effect }) =>
          t.test(`${effect} ${write.operation} ${write.nth} in ${write.bucket}`, async () => {
            const prepared = await prepare(versioned);
            await using world = prepared.world;
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
            // what runs next needs no help: it is the normal path, undisturbed
            const ran = await runMoverHere(world, { connecting: {} });
            assert.equal(ran.exit, 0, String(ran.error));
            await assertWhole(prepared);
          }),
        );
      },
    );
  });
}
