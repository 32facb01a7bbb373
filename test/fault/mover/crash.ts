/** `kill -9` of the mover around each of its remote writes, then the mover again as it runs every day. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { befall, recordWrites, type RemoteWrite } from "../../support/mover-writes.ts";
import { runMoverHere } from "../../support/run-here.ts";
import { assertWhole, prepare, runSome, type Kind } from "./whole.ts";

export interface Mode {
  readonly versioned: boolean;
  readonly kind: Kind;
  /** PUT, segment and delete; or begin, two parts, complete, segment and two deletes. */
  readonly count: number;
  /** What is killed around; the default is every write. */
  readonly only?: RegExp;
}

export function crashAround({ versioned, kind, count, only = /^/ }: Mode): void {
  describe(`kill -9 of the mover, ${kind} object, ${versioned ? "versioned" : "unversioned"} drop-zone`, () => {
    let writes: readonly RemoteWrite[] = [];

    before(async () => {
      const { world } = await prepare(versioned, [kind]);
      await using _world = world;
      writes = recordWrites(world);
      const ran = await world.run("mover", ["run", "--once"]);
      assert.equal(ran.exit, 0, ran.stderr);
      assert.equal(writes.length, count, JSON.stringify(writes));
    });

    test(
      "before and after each remote write takes effect: nothing is lost, and nothing is archived twice",
      { concurrency: 2 },
      async (t) => {
        const cases = writes
          .filter(({ operation }) => only.test(operation))
          .flatMap((write) => (["before", "after"] as const).map((effect) => ({ write, effect })));
        await runSome(cases, 2, ({ write, effect }) =>
          t.test(`${effect} ${write.operation} ${write.nth} in ${write.bucket}`, async () => {
            const prepared = await prepare(versioned, [kind]);
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
