import assert from "node:assert/strict";
import { test } from "node:test";
import { AirlockError } from "../../../shared/errors.ts";
import { realTiming, type Timing } from "../../../shared/retry.ts";
import type { DeleteOutcome, DropZoneSource, StoredVersion } from "../../../shared/stores.ts";
import { Releaser } from "../../../mover/release.ts";

const signal = AbortSignal.timeout(30_000);
const hurried: Timing = { ...realTiming, sleep: () => Promise.resolve() };

function versionOf(key: string, versionId: string | null): StoredVersion {
  return { key, versionId, etag: '"x"', sizeBytes: 1, lastModified: new Date(0), storageClass: "STANDARD" };
}

/** A drop-zone that can only delete. */
function dropZoneThat(deleteVersions: DropZoneSource["deleteVersions"]): DropZoneSource {
  const never = (): never => assert.fail("only deletes are expected");
  return { bucket: "b", versioned: true, listPage: never, openVersion: never, readTags: never, deleteVersions };
}

const gone = (version: StoredVersion): DeleteOutcome => ({ version, outcome: "gone" });

test("each version gets its own outcome, in whatever order a store reports them", async () => {
  const versions = [versionOf("a", "1"), versionOf("a", "2"), versionOf("b", "1"), versionOf("c", "1")];
  const refused = versions[1];
  const dropZone = dropZoneThat(async (batch) =>
    batch
      .map((version): DeleteOutcome => {
        if (version !== refused) return gone(version);
        return { version, outcome: "failed", error: new AirlockError("access-denied", "no") };
      })
      .toReversed(),
  );
  const releaser = new Releaser(dropZone, hurried);
  const outcomes = await Promise.allSettled(versions.map((version) => releaser.release([version], signal)));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "fulfilled"],
  );
});

test("what is asked while a batch is in flight goes out together in the next", async () => {
  const sizes: number[] = [];
  const first = Promise.withResolvers<void>();
  const dropZone = dropZoneThat(async (batch) => {
    sizes.push(batch.length);
    if (sizes.length === 1) await first.promise;
    return batch.map(gone);
  });
  const releaser = new Releaser(dropZone, hurried);
  const asked = [releaser.release([versionOf("a", "1")], signal)];
  await new Promise((resolve) => setImmediate(resolve));
  for (let n = 0; n < 5; n++) asked.push(releaser.release([versionOf("b", `${n}`)], signal));
  await new Promise((resolve) => setImmediate(resolve));
  first.resolve();
  await Promise.all(asked);
  assert.deepEqual(sizes, [1, 5]);
});

test("an unknown outcome is asked again; a definite refusal is not", async () => {
  const asked = new Map<string, number>();
  const dropZone = dropZoneThat(async (batch) =>
    batch.map((version): DeleteOutcome => {
      const times = (asked.get(version.key) ?? 0) + 1;
      asked.set(version.key, times);
      if (version.key === "denied")
        return { version, outcome: "failed", error: new AirlockError("access-denied", "no") };
      if (times === 3) return gone(version);
      return { version, outcome: "failed", error: new AirlockError("store-unavailable", "no answer") };
    }),
  );
  const releaser = new Releaser(dropZone, hurried);
  await releaser.release([versionOf("uncertain", "1")], signal);
  await assert.rejects(releaser.release([versionOf("denied", "1")], signal), { code: "access-denied" });
  assert.deepEqual(
    [...asked],
    [
      ["uncertain", 3],
      ["denied", 1],
    ],
  );
});

test("a version that a store says nothing about is not taken for gone", async () => {
  const releaser = new Releaser(
    dropZoneThat(async () => []),
    hurried,
  );
  await assert.rejects(releaser.release([versionOf("a", "1")], signal), /did not say what became of it/);
});
