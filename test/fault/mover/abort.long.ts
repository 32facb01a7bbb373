/**
 * The one write of the mover that an undisturbed move does not need: ending an upload whose bytes turned out not to be
 * those that were signed. Failed in every way, it costs an upload that is left in the vault, and nothing else.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FaultTime } from "../../s3-server/faults.ts";
import type { FaultKind } from "../../s3-server/server.ts";
import { runMoverHere } from "../../support/run-here.ts";
import { DROP_ZONE, VAULT, type World } from "../../support/world.ts";
import { assertWhole, countUploads, prepare, runSome } from "./whole.ts";

const FAILURES: Readonly<Record<string, (when: FaultTime) => FaultKind>> = {
  "answered by 500": (when) => ({ kind: "error", when, status: 500, code: "InternalError" }),
  reset: (when) => ({ kind: "reset", when }),
  hanging: (when) => ({ kind: "hang", when }),
};
/** Not the start-up probe's own. */
const ARCHIVED = /^archive\//;

/** The first reading of the object has a byte altered, and later ones have not. */
function alterOnce(world: World): void {
  const fault: FaultKind = { kind: "flip", atByte: 0 };
  world.server.faults.add({ operation: "GetObject", bucket: DROP_ZONE, key: /file\.bin$/, times: 1, fault });
}

function failAbort(world: World, fault: FaultKind): { readonly fired: number } {
  return world.server.faults.add({ operation: "AbortMultipartUpload", bucket: VAULT, key: ARCHIVED, fault });
}

describe("ending an altered large object's upload fails, versioned drop-zone", { concurrency: 4 }, () => {
  const cases = (["before", "after"] as const).flatMap((when) =>
    Object.entries(FAILURES).map(([how, fault]) => ({ when, how, fault: fault(when) })),
  );
  test("the object is held, and crosses when its bytes are right again", { concurrency: 4 }, async (t) => {
    await runSome(cases, 4, ({ when, how, fault }) => {
      const effect = when === "after" ? "having taken effect" : "not taken";
      return t.test(`AbortMultipartUpload 1 in ${VAULT}, ${effect}, ${how}`, async () => {
        const prepared = await prepare(true, ["large"]);
        await using world = prepared.world;
        alterOnce(world);
        const failure = failAbort(world, fault);
        const ran = await runMoverHere(world);
        assert.equal(ran.exit, 0, String(ran.error));
        assert.ok(failure.fired > 0);
        world.server.faults.clear();
        assert.equal(await countUploads(world), when === "after" ? 0 : 1, "uploads left in the vault");
        assert.equal((await runMoverHere(world)).exit, 0);
        await assertWhole(prepared);
      });
    });
  });
});

describe("kill -9 of the mover as it ends an altered large object's upload, large object, versioned drop-zone", () => {
  test("the object crosses when its bytes are right again", { concurrency: 2 }, async (t) => {
    await runSome(["before", "after"] as const, 2, (effect) =>
      t.test(`${effect} AbortMultipartUpload 1 in ${VAULT}`, async () => {
        const prepared = await prepare(true, ["large"]);
        await using world = prepared.world;
        alterOnce(world);
        const running = world.start("mover", ["run", "--once"]);
        const kill = failAbort(world, {
          kind: "hook",
          when: effect,
          run: async () => {
            running.process.kill("SIGKILL");
            await running.ended;
          },
        });
        if (effect === "before") failAbort(world, { kind: "reset", when: "before" });
        assert.equal((await running.ended).signal, "SIGKILL");
        assert.equal(kill.fired, 1);
        world.server.faults.clear();
        assert.equal((await runMoverHere(world)).exit, 0);
        await assertWhole(prepared);
      }),
    );
  });
});
