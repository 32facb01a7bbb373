/**
 * The program is killed at each boundary of its steps: when a remote write is about to take effect, and when it has.
 * Then it is run again. The same path that runs every day has to be the one that recovers.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ownerOf } from "../../../uploader/process-owner.ts";
import { openState } from "../../../uploader/state.ts";
import type { FaultRule } from "../../s3-server/server.ts";
import { DROP_ZONE, startWorld, type World } from "../../support/world.ts";
import { assertSequenceWhole, readDropZone } from "../../integration/uploader/drop-zone.ts";

const STATEMENT = /\.airlock\.json$/;
const OBJECT = /(?<!\.airlock\.json)$/;

interface Upload {
  readonly name: string;
  readonly args: (world: World) => Promise<readonly string[]>;
  /** Its writes in order; the last one makes the object visible. */
  readonly writes: readonly (readonly [name: string, rule: Omit<FaultRule, "fault">])[];
}

async function fileOf(world: World, sizeBytes: number): Promise<string> {
  const path = join(world.dir, "source");
  await writeFile(path, Buffer.alloc(sizeBytes, "0123456789abcdef"));
  return path;
}

const put = { operation: "PutObject" } as const;
const UPLOADS: readonly Upload[] = [
  {
    name: "a small object",
    args: async (world) => ["--set", "small", await fileOf(world, 1000)],
    writes: [["the object", { ...put, key: OBJECT }]],
  },
  {
    name: "a small object with a long name",
    // control characters take six bytes each in JSON: the statement is too large for metadata
    args: async (world) => ["--set", "small", "--name", "\u0001".repeat(200), await fileOf(world, 1000)],
    writes: [
      ["the statement", { ...put, key: STATEMENT }],
      ["the object", { ...put, key: OBJECT }],
    ],
  },
  {
    name: "a large object",
    args: () => Promise.resolve(["--set", "large", "--", "head", "-c", "20000000", "/dev/urandom"]),
    writes: [
      ["the beginning", { operation: "CreateMultipartUpload" }],
      ["part 1", { operation: "UploadPart", nth: 1 }],
      ["part 2", { operation: "UploadPart", nth: 2 }],
      ["part 3", { operation: "UploadPart", nth: 3 }],
      ["the statement", { ...put, key: STATEMENT }],
      ["the completion", { operation: "CompleteMultipartUpload" }],
    ],
  },
];

describe("airlock-uploader put, killed", { concurrency: 2 }, () => {
  for (const { name, args, writes } of UPLOADS) {
    for (const [index, [write, rule]] of writes.entries()) {
      for (const when of ["before", "after"] as const) {
        it(`${name}: ${when} ${write} takes effect`, async () => {
          await using world = await startWorld();
          const given = await args(world);
          const fault = world.server.faults.add({
            ...rule,
            times: 1,
            fault: {
              kind: "hook",
              when,
              run: async () => {
                running.process.kill("SIGKILL");
                await running.ended;
              },
            },
          });
          // A request that has arrived takes effect though its sender is gone, unless it is lost on the way.
          if (when === "before") world.server.faults.add({ ...rule, times: 1, fault: { kind: "reset", when } });
          const running = world.start("uploader", ["--json", "put", ...given]);
          const killed = await running.ended;
          assert.equal(killed.signal, "SIGKILL", killed.stderr);
          assert.equal(fault.fired, 1);
          world.server.faults.clear();

          // Reading it fails when anything can be seen that is partial, or without its statement.
          const isVisible = index === writes.length - 1 && when === "after";
          const between = await readDropZone(world);
          assert.equal(between.objects.length, isVisible ? 1 : 0);

          const again = await world.run("uploader", ["--json", "put", ...given]);
          assert.equal(again.exit, 0, again.stderr);
          const after = await readDropZone(world);
          const { key } = JSON.parse(again.stdout) as { key: string };
          assert.ok(
            after.objects.some((object) => object.key === key),
            "what exited 0 is there",
          );
          assert.equal(after.objects.length, isVisible ? 2 : 1);
          assertSequenceWhole(after);

          using state = openState({
            spoolFolder: join(world.dir, "web1.spool"),
            bucket: DROP_ZONE,
            host: "web1",
            owner: ownerOf(process.pid),
          });
          assert.equal(state.countUnpublished(), 0);
        });
      }
    }
  }
});
