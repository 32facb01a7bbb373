/**
 * Each remote write of a move, failed in each way, having taken effect or not: what became of it is not known to the
 * mover, which has to find out. Within this process, with time-outs of a second.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { FaultTime } from "../../s3-server/faults.ts";
import type { FaultKind } from "../../s3-server/server.ts";
import { befall, recordWrites, type RemoteWrite } from "../../support/mover-writes.ts";
import { runMoverHere } from "../../support/run-here.ts";
import { assertWhole, countUploads, prepare, runSome, type Kind } from "./whole.ts";

const FAILURES: Readonly<Record<string, (when: FaultTime) => FaultKind>> = {
  "answered by 500": (when) => ({ kind: "error", when, status: 500, code: "InternalError" }),
  reset: (when) => ({ kind: "reset", when }),
  hanging: (when) => ({ kind: "hang", when }),
};

interface Mode {
  readonly versioned: boolean;
  readonly kind: Kind;
  /** PUT, segment and delete; or begin, two parts, complete, segment and two deletes. */
  readonly count: number;
  /** What is failed; the default is every write. */
  readonly only?: RegExp;
}

const MODES: readonly Mode[] = [
  { versioned: true, kind: "small", count: 3 },
  { versioned: true, kind: "large", count: 7 },
  // only the deletes are other ones without versions
  { versioned: false, kind: "small", count: 3, only: /^Delete/ },
];

for (const { versioned, kind, count, only = /^/ } of MODES) {
  describe(`every remote write of a ${kind} object's move, failed once, ${versioned ? "versioned" : "unversioned"} drop-zone`, () => {
    let writes: readonly RemoteWrite[] = [];

    before(async () => {
      const prepared = await prepare(versioned, [kind]);
      await using world = prepared.world;
      writes = recordWrites(world);
      const ran = await runMoverHere(world);
      assert.equal(ran.exit, 0, String(ran.error));
      await assertWhole(prepared);
      assert.equal(writes.length, count, JSON.stringify(writes));
    });

    test("the run ends with everything moved, once, in a ledger that verifies", { concurrency: 6 }, async (t) => {
      const failed = writes.filter(({ operation }) => only.test(operation));
      const cases = failed.flatMap((write) =>
        (["before", "after"] as const).flatMap((when) =>
          Object.entries(FAILURES).map(([how, fault]) => ({ write, when, how, fault: fault(when) })),
        ),
      );
      await runSome(cases, 6, ({ write, when, how, fault }) => {
        const effect = when === "after" ? "having taken effect" : "not taken";
        return t.test(`${write.operation} ${write.nth} in ${write.bucket}, ${effect}, ${how}`, async () => {
          const prepared = await prepare(versioned, [kind]);
          await using world = prepared.world;
          const failure = befall(world, write, fault);
          const ran = await runMoverHere(world);
          assert.equal(ran.exit, 0, String(ran.error));
          assert.equal(failure.fired, 1);
          await assertWhole(prepared);
          // one that was begun without our hearing of its id cannot be ended by it
          const isUnknown = write.operation === "CreateMultipartUpload" && when === "after";
          assert.equal(await countUploads(world), isUnknown ? 1 : 0, "uploads left in the vault");
        });
      });
    });
  });
}

for (const bucket of ["acme-dropzone", "acme-vault"]) {
  test(`${bucket} answers 503 to everything for a while: the daemon goes on, and so does everything when it ends`, async () => {
    const prepared = await prepare(true);
    await using world = prepared.world;
    const drain = new AbortController();
    let archived = 0;
    const ran = await runMoverHere(world, {
      once: false,
      drain: drain.signal,
      onEvent: ({ event }) => {
        const fault = { kind: "error", when: "before", status: 503, code: "SlowDown" } as const;
        if (event === "started") world.server.faults.add({ bucket, times: 10, fault });
        if (event === "object-archived" && ++archived === 2) drain.abort();
      },
    });
    assert.equal(ran.exit, 0, String(ran.error));
    await assertWhole(prepared);
  });
}

test("an uncertain segment whose reading back fails as well: asked again until it is known, and written once", async () => {
  const prepared = await prepare(true, ["small"]);
  await using world = prepared.world;
  const key = /^_airlock\/ledger\/mover-a\/000000000001/;
  world.server.faults.add({ operation: "PutObject", key, times: 1, fault: { kind: "reset", when: "after" } });
  const fault = { kind: "error", when: "before", status: 500, code: "InternalError" } as const;
  const unread = world.server.faults.add({ operation: "GetObject", key, times: 9, fault });
  const ran = await runMoverHere(world);
  assert.equal(ran.exit, 0, String(ran.error));
  assert.equal(unread.fired, 9);
  await assertWhole(prepared);
});

test("an upload that came to nothing and cannot be ended is told, and delays nothing", async () => {
  const prepared = await prepare(true, ["large"]);
  await using world = prepared.world;
  const isHosts = /^archive\//;
  const refused = { kind: "error", when: "before", status: 403, code: "AccessDenied" } as const;
  world.server.faults.add({ operation: "AbortMultipartUpload", key: isHosts, fault: refused });
  world.server.faults.add({ operation: "GetObject", key: /file\.bin$/, times: 1, fault: { kind: "flip", atByte: 0 } });
  const ran = await runMoverHere(world);
  assert.equal(ran.exit, 0, String(ran.error));
  const told = ran.events.filter(({ event }) => event === "object-held" || event === "upload-left");
  assert.deepEqual(told.map(({ event, code }) => `${event} ${code}`).toSorted(), [
    "object-held digest-mismatch",
    "upload-left access-denied",
  ]);
  world.server.faults.clear();
  assert.equal((await runMoverHere(world)).exit, 0);
  await assertWhole(prepared);
});
