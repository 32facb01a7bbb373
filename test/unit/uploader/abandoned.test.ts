import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { publish } from "../../../uploader/publish.ts";
import { createMemoryStore } from "./memory-store.ts";
import { assertSequenceWhole, bytesOf, error, openScene, readStore, sourceOf, type SpoolScene } from "./spool-scene.ts";

describe("a process that goes on after a transfer failed", () => {
  let scene: SpoolScene;
  beforeEach(() => {
    scene = openScene();
  });
  afterEach(() => scene[Symbol.dispose]());

  for (const when of ["before", "after"] as const) {
    it(`accounts for its number with the next one (the last request failed ${when} it took effect)`, async () => {
      const store = createMemoryStore([{ operation: "put", when, error: error("outcome-unknown") }]);
      using process = scene.open(store);
      const retry = { attempts: 1, baseMs: 1, capMs: 1 };
      await assert.rejects(publish(sourceOf(bytesOf(10)), { ...process.context, retry }));
      assert.equal(process.state.countUnpublished(), 1);
      await publish(sourceOf(bytesOf(20)), process.context);
      assert.equal(process.state.countUnpublished(), 0);
      const { objects, alone } = readStore(store);
      assert.deepEqual([objects.length, alone.length], when === "before" ? [1, 1] : [2, 0]);
      if (when === "before") assertSequenceWhole(store);
    });
  }
});
