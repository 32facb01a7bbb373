import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { isAirlockError, type AirlockError } from "../../../shared/errors.ts";
import type { Timing } from "../../../shared/retry.ts";
import type { DropZoneWriter } from "../../../shared/stores.ts";
import { drainSpool, type Drained, type DrainOptions } from "../../../uploader/drain.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";
import {
  AT,
  DEAD,
  MIB,
  OTHER,
  assertSequenceWhole,
  assertSpoolEmpty,
  bytesOf,
  error,
  openScene,
  readStore,
  sourceOf,
  type Process,
  type SpoolScene,
} from "./spool-scene.ts";

/** Time that passes only while somebody sleeps, and then at once. */
function createClock(): Timing & { readonly sleeps: readonly number[] } {
  let now = AT;
  const sleeps: number[] = [];
  return {
    now: () => now,
    random: () => 0.5,
    sleeps,
    async sleep(durationMs, signal) {
      sleeps.push(durationMs);
      const due = now + durationMs;
      await setImmediate();
      if (signal.aborted) throw error("interrupted");
      now = Math.max(now, due);
    },
  };
}

describe("drainSpool", () => {
  let scene: SpoolScene;
  let store: MemoryStore;
  let published: string[];
  let failed: (readonly [name: string, code: string])[];
  beforeEach(() => {
    scene = openScene();
    store = createMemoryStore();
    published = [];
    failed = [];
  });
  afterEach(() => scene[Symbol.dispose]());

  async function fill(process: Process, names: readonly string[], size = 1000): Promise<void> {
    for (const [index, name] of names.entries()) {
      process.spool.unclaim(await process.store(sourceOf(bytesOf(size, index), { name })));
    }
  }

  function drain(process: Process, options: Partial<DrainOptions> = {}): Promise<Drained> {
    return drainSpool({
      spool: process.spool,
      context: process.context,
      concurrency: 1,
      onPublished: ({ name }) => void published.push(name),
      onFailed: ({ name }, { code }: AirlockError) => void failed.push([name, code]),
      until: "empty",
      ...options,
    });
  }

  it("publishes all that waits, oldest first, and ends when nothing does", async () => {
    {
      using former = scene.open(store, { owner: DEAD });
      await former.store(sourceOf(bytesOf(10), { name: "of a process that ended" }));
    }
    using process = scene.open(store, { timing: createClock() });
    await fill(process, ["b", "a", "c"]);
    assert.deepEqual(await drain(process), { published: 4, failed: 0 });
    assert.deepEqual(published, ["of a process that ended", "b", "a", "c"]);
    assertSpoolEmpty(scene, process);
    assertSequenceWhole(store);
  });

  it("leaves alone what a running process has claimed", async () => {
    using there = scene.open(store, { owner: OTHER });
    await there.store(sourceOf(bytesOf(10)));
    using process = scene.open(store, { timing: createClock() });
    assert.deepEqual(await drain(process), { published: 0, failed: 0 });
    assert.equal(process.spool.usage().objects, 1);
  });

  it("shares the work with another process: each object once, with a number of its own", async () => {
    using here = scene.open(store, { timing: createClock() });
    using there = scene.open(store, { owner: OTHER, timing: createClock() });
    await fill(here, ["a", "b", "c", "d", "e", "f", "g", "h"]);
    const ends = await Promise.all([drain(here, { concurrency: 2 }), drain(there, { concurrency: 2 })]);
    assert.equal(ends[0].published + ends[1].published, 8);
    assert.equal(readStore(store).objects.length, 8);
    assertSequenceWhole(store);
    assertSpoolEmpty(scene, here);
  });

  it("waits an outage out, ever longer up to a cap, and then publishes everything", async () => {
    const outage = { when: "before", times: 60, error: error("store-unavailable") } as const;
    store = createMemoryStore([{ operation: "put", ...outage }]);
    const timing = createClock();
    using process = scene.open(store, { timing });
    await fill(process, ["a", "b", "c"]);
    assert.deepEqual(await drain(process, { concurrency: 2 }), { published: 3, failed: 0 });
    assert.equal(readStore(store).objects.length, 3);
    assertSequenceWhole(store);
    assertSpoolEmpty(scene, process);
    assert.deepEqual(failed, [], "an outage is no failure");
    const longest = Math.max(...timing.sleeps);
    assert.ok(longest > 10_000 && longest <= 60_000, `${longest}`);
    assert.ok(timing.now() - AT > 60_000, `60 requests in ${timing.now() - AT} ms`);
  });

  it("reports what time alone does not mend, keeps it, and holds up nothing else", async () => {
    const denying: DropZoneWriter = {
      ...store,
      createObject: (key, ...rest) =>
        key.endsWith("/denied") ? Promise.reject(error("access-denied")) : store.createObject(key, ...rest),
    };
    using process = scene.open(denying, { timing: createClock() });
    await fill(process, ["denied", "b", "c"]);
    assert.deepEqual(await drain(process), { published: 2, failed: 1 });
    assert.deepEqual(failed, [["denied", "access-denied"]]);
    assert.deepEqual(published, ["b", "c"]);
    assert.equal(process.spool.usage().objects, 1);
    using later = scene.open(store, { timing: createClock() });
    assert.deepEqual(await drain(later), { published: 1, failed: 0 });
    assertSequenceWhole(store);
    assertSpoolEmpty(scene, later);
  });

  it("tries it again rarely as long as it runs, and publishes it when somebody has mended it", async () => {
    const end = new AbortController();
    store = createMemoryStore([{ operation: "put", when: "before", times: 2, error: error("access-denied") }]);
    const timing = createClock();
    using process = scene.open(store, { timing });
    await fill(process, ["a"]);
    const onPublished = (): void => end.abort();
    assert.deepEqual(await drain(process, { until: end.signal, onPublished }), { published: 1, failed: 0 });
    assert.deepEqual(
      failed.map(([, code]) => code),
      ["access-denied", "access-denied"],
    );
    assert.ok(timing.now() - AT >= 2 * 450_000, `${timing.now() - AT}`);
    assertSpoolEmpty(scene, process);
  });

  it("sees at once what is given to it while it runs", async () => {
    const end = new AbortController();
    const sleeping = Promise.withResolvers<void>();
    const timing: Timing = {
      now: () => AT,
      random: () => 0.5,
      sleep: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(error("interrupted")), { once: true });
          sleeping.resolve();
        }),
    };
    using process = scene.open(store, { timing });
    const draining = drain(process, { until: end.signal, onPublished: () => end.abort() });
    await sleeping.promise;
    await fill(process, ["a"]);
    assert.deepEqual(await draining, { published: 1, failed: 0 });
  });

  for (const how of ["until", "context"] as const) {
    it(`ends at once by the signal of ${how} while a part is sent; the object can be claimed, its parts are kept`, async () => {
      const end = new AbortController();
      const hanging: DropZoneWriter = {
        ...store,
        uploadPart: async (upload, number, body, signal) => {
          if (number === 1) return store.uploadPart(upload, number, body, signal);
          return new Promise((_, reject) => {
            signal.addEventListener("abort", () => reject(error("interrupted")), { once: true });
            void setImmediate().then(() => end.abort());
          });
        },
      };
      const signals = how === "context" ? { signal: end.signal } : {};
      using process = scene.open(hanging, { timing: createClock(), ...signals });
      await fill(process, ["large"], 20 * MIB);
      const until = how === "until" ? end.signal : new AbortController().signal;
      const draining = drain(process, { until });
      if (how === "until") assert.deepEqual(await draining, { published: 0, failed: 0 });
      else await assert.rejects(draining, (thrown) => isAirlockError(thrown, "interrupted"));
      assert.deepEqual(failed, []);
      using later = scene.open(store, { timing: createClock() });
      assert.deepEqual(await drain(later), { published: 1, failed: 0 });
      assert.equal(store.requests.filter(({ operation }) => operation === "begin").length, 1);
      assert.equal(store.requests.filter(({ operation }) => operation === "part").length, 3);
    });
  }

  it("ends with the error of who is told of an object, every transfer ended", async () => {
    using process = scene.open(store, { timing: createClock() });
    await fill(process, ["a", "b"]);
    const onPublished = (): void => {
      throw error("config-invalid");
    };
    await assert.rejects(drain(process, { onPublished }), (thrown) => isAirlockError(thrown, "config-invalid"));
    assert.equal(process.spool.usage().objects, 1);
  });

  it("waits while the state can't be written, and drops nothing", async () => {
    const timing = createClock();
    using process = scene.open(store, { timing });
    await fill(process, ["a", "b"]);
    let failures = 3;
    const { spool } = process;
    const failOnce = (): void => {
      if (failures-- > 0) throw error("disk-full");
    };
    const failing: Process["spool"] = {
      ...spool,
      unclaimed: spool.unclaimed,
      claimNext: (except) => {
        failOnce();
        return spool.claimNext(except);
      },
      openBody: (object) => {
        failOnce();
        return spool.openBody(object);
      },
    };
    assert.deepEqual(await drain(process, { spool: failing }), { published: 2, failed: 0 });
    assertSpoolEmpty(scene, process);
  });
});
