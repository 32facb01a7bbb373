/** Each remote write is tested failed-and-nothing-happened and failed-though-it-happened. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { silentLog } from "../../../shared/log.ts";
import { realTiming } from "../../../shared/retry.ts";
import { openDropZoneWriter } from "../../../shared/s3/drop-zone-writer.ts";
import { readUploaderConfig } from "../../../uploader/config.ts";
import { ownerOf } from "../../../uploader/process-owner.ts";
import { publish } from "../../../uploader/publish.ts";
import type { Published, UploadSource } from "../../../uploader/publish-context.ts";
import { openState } from "../../../uploader/state.ts";
import type { FaultKind, FaultRule } from "../../s3-server/server.ts";
import { startWorld, type World } from "../../support/world.ts";
import { assertSequenceWhole, readDropZone } from "../../integration/uploader/drop-zone.ts";

const STATEMENT = /\.airlock\.json$/;
const OBJECT = /(?<!\.airlock\.json)$/;
const LONG_NAME = "\u0001".repeat(200);

interface Write {
  readonly name: string;
  readonly rule: Omit<FaultRule, "fault">;
  readonly sizeBytes: number;
  readonly objectName: string;
}

const SMALL = { sizeBytes: 1000, objectName: "small" };
const LARGE = { sizeBytes: 20_000_000, objectName: "large" };
const WRITES: readonly Write[] = [
  { name: "the only PUT", rule: { operation: "PutObject" }, ...SMALL },
  {
    name: "a small object's statement",
    rule: { operation: "PutObject", key: STATEMENT },
    ...SMALL,
    objectName: LONG_NAME,
  },
  {
    name: "a small object after its statement",
    rule: { operation: "PutObject", key: OBJECT },
    ...SMALL,
    objectName: LONG_NAME,
  },
  { name: "CreateMultipartUpload", rule: { operation: "CreateMultipartUpload" }, ...LARGE },
  { name: "UploadPart", rule: { operation: "UploadPart", nth: 2 }, ...LARGE },
  { name: "a large object's statement", rule: { operation: "PutObject", key: STATEMENT }, ...LARGE },
  { name: "CompleteMultipartUpload", rule: { operation: "CompleteMultipartUpload" }, ...LARGE },
];

const internal = { kind: "error", status: 500, code: "InternalError" } as const;
const FAULTS: readonly (readonly [name: string, fault: FaultKind])[] = [
  ["500, and nothing happened", { ...internal, when: "before" }],
  ["500, though it happened", { ...internal, when: "after" }],
  ["a reset, and nothing happened", { kind: "reset", when: "before" }],
  ["a reset, though it happened", { kind: "reset", when: "after" }],
];

async function assertOneObject(world: World, key: string): Promise<void> {
  const content = await readDropZone(world);
  assert.deepEqual(
    content.objects.map((object) => object.key),
    [key],
  );
  assert.equal(content.objects[0]?.statement.seq, 1);
  assert.equal(content.alone.length, 0);
  assertSequenceWhole(content);
}

describe("airlock-uploader put, when a write's outcome is uncertain", { concurrency: 2 }, () => {
  for (const { name, rule, sizeBytes, objectName } of WRITES) {
    for (const [faultName, fault] of FAULTS) {
      it(`${name}: ${faultName}: exit 0 and one object`, async () => {
        await using world = await startWorld();
        const path = join(world.dir, "source");
        await writeFile(path, randomBytes(sizeBytes));
        const armed = world.server.faults.add({ ...rule, times: 1, fault });
        const ran = await world.run("uploader", ["--json", "put", "--set", "files", "--name", objectName, path]);
        assert.equal(ran.exit, 0, ran.stderr);
        assert.equal(armed.fired, 1);
        assert.match(ran.stderr, /"event":"upload-retry"/);
        assert.doesNotMatch(ran.stderr, /"event":"name-taken"/);
        await assertOneObject(world, (JSON.parse(ran.stdout) as { key: string }).key);
      });
    }

    it(`${name}: no answer, though it happened: one object`, async () => {
      await using world = await startWorld();
      const armed = world.server.faults.add({ ...rule, times: 1, fault: { kind: "hang", when: "after" } });
      const published = await publishImpatiently(world, randomBytes(sizeBytes), objectName);
      assert.equal(armed.fired, 1);
      await assertOneObject(world, published.key);
    });
  }

  it("an outage that lasts ends with nothing claimed, and the next run accounts for the number", async () => {
    await using world = await startWorld();
    const path = join(world.dir, "source");
    await writeFile(path, "content");
    await world.server.goDown();
    const running = world.start("uploader", ["put", "--set", "files", path]);
    // It would go on for minutes: an operator gives up before.
    await untilRetry(running.process.stderr);
    running.process.kill("SIGTERM");
    const ran = await running.ended;
    assert.equal(ran.exit, 1);
    assert.equal(ran.stdout, "");
    await world.server.comeUp();
    const again = await world.run("uploader", ["--json", "put", "--set", "files", path]);
    assert.equal(again.exit, 0, again.stderr);
    const content = await readDropZone(world);
    assert.equal(content.objects.length, 1);
    assert.deepEqual(
      content.alone.map(({ seq }) => seq),
      [1],
    );
    assertSequenceWhole(content);
  });
});

async function untilRetry(stderr: NodeJS.ReadableStream | null): Promise<void> {
  assert.ok(stderr !== null);
  let text = "";
  await new Promise<void>((resolve, reject) => {
    stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('"event":"upload-retry"')) resolve();
    });
    stderr.on("end", () => reject(new Error(`it ended without a retry: ${text}`)));
  });
}

/** Publishing as `put` does it, with a store connection that waits for 300 ms instead of a minute. */
async function publishImpatiently(world: World, bytes: Uint8Array, name: string): Promise<Published> {
  const config = await readUploaderConfig(world.uploaderConfig("web1"));
  const signingKey = world.hostKeys.get("web1");
  assert.ok(signingKey !== undefined);
  const { host, spool: spoolFolder, dropZone } = config;
  await mkdir(spoolFolder, { recursive: true });
  await using writer = await openDropZoneWriter(dropZone, { timeouts: { idleMs: 300 } });
  using state = openState({ spoolFolder, bucket: dropZone.bucket, host, owner: ownerOf(process.pid) });
  const source: UploadSource = {
    set: "files",
    name,
    encoding: [],
    startedAt: new Date(),
    expectedBytes: null,
    isRepeatable: false,
    open: async function* () {
      yield bytes;
    },
  };
  const { signal } = new AbortController();
  const onBytes = (): void => undefined;
  return await publish(source, {
    host,
    signingKey,
    writer,
    state,
    spoolFolder,
    log: silentLog,
    timing: realTiming,
    signal,
    onBytes,
  });
}
