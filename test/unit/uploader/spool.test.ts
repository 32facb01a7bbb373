import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { isAirlockError } from "../../../shared/errors.ts";
import { publishWaiting } from "../../../uploader/publish-waiting.ts";
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
  type SpoolScene,
} from "./spool-scene.ts";

describe("a spool", () => {
  let scene: SpoolScene;
  let store: MemoryStore;
  beforeEach(() => {
    scene = openScene();
    store = createMemoryStore();
  });
  afterEach(() => scene[Symbol.dispose]());

  for (const size of [0, 1, MIB, 9 * MIB + 1]) {
    it(`keeps ${size} bytes as they are, for their owner alone, over a restart`, async () => {
      const bytes = bytesOf(size);
      {
        using former = scene.open(store, { owner: DEAD });
        await former.store(sourceOf(bytes), "a note");
      }
      using process = scene.open(store);
      const object = process.spool.claimNext();
      assert.ok(object !== null);
      assert.deepEqual(
        { ...object, id: "" },
        {
          kind: "waiting",
          id: "",
          set: "etc",
          name: "etc.tar",
          encoding: ["tar"],
          startedAt: new Date(AT),
          sizeBytes: size,
          sha256: createHash("sha256").update(bytes).digest("hex"),
          spooledAt: new Date(AT),
          note: "a note",
        },
      );
      const file = join(scene.folder, "waiting", object.id);
      assert.ok(readFileSync(file).equals(bytes));
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.equal(scene.passedBytes, 0, "the way to the disk is no transfer");
    });
  }

  it("gives an object to one process at a time, oldest first, and takes nothing from one that runs", async () => {
    using here = scene.open(store);
    using there = scene.open(store, { owner: OTHER });
    const first = await here.store(sourceOf(bytesOf(1)));
    const second = await here.store(sourceOf(bytesOf(2)));
    assert.equal(there.spool.claimNext(), null, "claimed by who stored them");
    assert.equal(there.spool.claim(first.id), null);
    here.spool.unclaim(second);
    here.spool.unclaim(first);
    assert.equal(here.spool.claimNext()?.id, first.id);
    assert.equal(here.spool.claim(first.id), null, "this process has it already");
    assert.equal(there.spool.claimNext(new Set([second.id])), null);
    assert.equal(there.spool.claimNext()?.id, second.id);
    there.spool.unclaim(first);
    assert.equal(there.spool.claimNext(), null, "only who has a claim can give it back");
  });

  it("tells who waits for it that an object can be claimed", async () => {
    using process = scene.open(store);
    const object = await process.store(sourceOf(bytesOf(1)));
    const { unclaimed } = process.spool;
    assert.equal(unclaimed.aborted, false);
    process.spool.unclaim(object);
    assert.ok(unclaimed.aborted);
    assert.equal(process.spool.unclaimed.aborted, false);
  });

  it("gives a claim back as soon as the state can be written again", async () => {
    using here = scene.open(store);
    using there = scene.open(store, { owner: OTHER });
    const object = await here.store(sourceOf(bytesOf(1)));
    here.state.database.sql.exec("PRAGMA query_only = ON");
    here.spool.unclaim(object);
    assert.ok(scene.events.includes("spool-held"));
    here.state.database.sql.exec("PRAGMA query_only = OFF");
    assert.equal(there.spool.claimNext(), null);
    assert.equal(here.spool.claimNext()?.id, object.id, "and not when this process ends");
    assert.equal(there.spool.claimNext(), null, "it is given back once");
  });

  it("says how much waits, and since when", async () => {
    using process = scene.open(store, { limitBytes: 7 * MIB });
    assert.deepEqual(process.spool.usage(), { objects: 0, bytes: 0, oldestAt: null, limitBytes: 7 * MIB });
    await process.store(sourceOf(bytesOf(1000)));
    await process.store(sourceOf(bytesOf(3 * MIB)));
    const bytes = 3 * MIB + 1000;
    assert.deepEqual(process.spool.usage(), { objects: 2, bytes, oldestAt: new Date(AT), limitBytes: 7 * MIB });
  });

  it("sends a source that outgrows the room straight through, saying so, and drops nothing that waits", async () => {
    using process = scene.open(store, { limitBytes: 20 * MIB });
    const waiting = await process.store(sourceOf(bytesOf(3 * MIB)));
    const bytes = bytesOf(30 * MIB + 7);
    const stored = await process.spool.store(sourceOf(bytes), null, process.context);
    assert.ok(stored.kind === "published");
    assert.ok(store.objects.get(stored.published.key)?.body.equals(bytes));
    assert.ok(scene.events.includes("spool-bypassed") && scene.events.includes("upload-done"));
    assert.equal(scene.passedBytes, bytes.length, "each byte counts once against the bandwidth");
    assert.deepEqual(scene.listFiles(), [waiting.id]);
    assert.equal(process.spool.usage().bytes, 3 * MIB);
    await publishWaiting(waiting, process.spool, process.context);
    assertSpoolEmpty(scene, process);
    assertSequenceWhole(store);
  });

  it("holds on to nothing of a source that went straight through and failed", async () => {
    store = createMemoryStore([{ operation: "begin", when: "before", times: 99, error: error("access-denied") }]);
    using process = scene.open(store, { limitBytes: 2 * MIB });
    const storing = process.spool.store(sourceOf(bytesOf(9 * MIB)), null, process.context);
    await assert.rejects(storing, (thrown) => isAirlockError(thrown, "access-denied"));
    assertSpoolEmpty(scene, process);
  });

  it("refuses what comes when what waits fills it, and keeps what waits", async () => {
    using process = scene.open(store, { limitBytes: 3 * MIB });
    const waiting = await process.store(sourceOf(bytesOf(3 * MIB)));
    let isRead = false;
    const source = sourceOf(bytesOf(1), {
      open: async function* () {
        isRead = true;
        yield bytesOf(1);
      },
    });
    await assert.rejects(process.spool.store(source, null, process.context), (thrown) => {
      return isAirlockError(thrown, "spool-full") && /spoolLimit/.test(thrown.remedy ?? "");
    });
    assert.equal(isRead, false);
    assert.equal(store.requests.length, 0);
    await publishWaiting(waiting, process.spool, process.context);
    assert.equal((await process.store(source)).sizeBytes, 1, "there is room again");
  });

  it("fails nobody for the room that others are writing to", async () => {
    using process = scene.open(store, { limitBytes: 2 * MIB });
    const { promise: gate, resolve: goOn } = Promise.withResolvers<void>();
    const { promise: isFull, resolve: full } = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield bytesOf(2 * MIB);
      full();
      await gate;
    }
    const storing = process.store(sourceOf(Buffer.alloc(0), { open: slow }));
    await isFull;
    const small = await process.spool.store(sourceOf(bytesOf(10)), null, process.context);
    assert.equal(small.kind, "published");
    goOn();
    assert.equal((await storing).sizeBytes, 2 * MIB);
  });

  it("keeps nothing of a source that fails", async () => {
    using process = scene.open(store);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytesOf(3 * MIB);
      throw error("command-failed");
    }
    await assert.rejects(process.store(sourceOf(Buffer.alloc(0), { open: broken })), (thrown) =>
      isAirlockError(thrown, "command-failed"),
    );
    assertSpoolEmpty(scene, process);
    assert.equal(process.state.readHead(), null);
  });

  for (const code of ["ENOSPC", "EDQUOT", "EFBIG"]) {
    for (const step of ["append", "sync"] as const) {
      it(`says disk-full on ${code} in ${step}, gives the room back and keeps what waits`, async () => {
        using former = scene.open(store);
        const waiting = await former.store(sourceOf(bytesOf(1000)));
        using process = scene.open(store, {
          files: (real) => ({
            ...real,
            create: async (id) => ({
              ...(await real.create(id)),
              [step]: () => Promise.reject(Object.assign(new Error(code), { code })),
            }),
          }),
        });
        await assert.rejects(process.store(sourceOf(bytesOf(MIB))), (thrown) => {
          return isAirlockError(thrown, "disk-full") && /free some space/.test(thrown.remedy ?? "");
        });
        assert.deepEqual(scene.listFiles(), [waiting.id]);
        assert.equal(process.spool.usage().bytes, 1000);
      });
    }
  }

  it("clears away what processes that ended left behind, and nothing that waits or is being written", async () => {
    {
      using former = scene.open(store, { owner: DEAD });
      await former.store(sourceOf(bytesOf(10)));
      // what a process that is killed has done by then
      former.spool.progress.insert("half-written", sourceOf(bytesOf(1)), null);
      writeFileSync(join(scene.folder, "waiting", "half-written"), "half");
      former.spool.progress.reserve("half-written", 4, MIB);
      former.spool.progress.insert("no-file", sourceOf(bytesOf(1)), null);
    }
    writeFileSync(join(scene.folder, "waiting", "no-row"), "");
    using process = scene.open(store);
    const { promise: gate, resolve: goOn } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield bytesOf(2 * MIB);
      begin();
      await gate;
    }
    const storing = process.store(sourceOf(Buffer.alloc(0), { open: slow }));
    await begun;
    assert.equal(scene.listFiles().length, 4);
    await process.spool.removeLeftovers();
    assert.equal(scene.listFiles().length, 2);
    goOn();
    await storing;
    assert.equal(process.spool.usage().objects, 2);
    assert.equal(process.spool.usage().bytes, 2 * MIB + 10);
    for (let object = process.spool.claimNext(); object !== null; object = process.spool.claimNext()) {
      await publishWaiting(object, process.spool, process.context);
    }
    assert.equal(readStore(store).objects.length, 1);
  });

  it("takes over a state that was written before there was a spool", async () => {
    {
      using process = scene.open(store);
      process.state.startEpoch();
      const { sql } = process.state.database;
      sql.exec("DROP TABLE waiting; DROP TABLE waiting_part; PRAGMA user_version = 1");
    }
    using process = scene.open(store);
    await process.store(sourceOf(bytesOf(10)));
    assert.equal(process.state.readHead()?.seq, 0);
    using file = new DatabaseSync(join(scene.folder, "state.db"));
    assert.equal(file.prepare("PRAGMA user_version").get()?.user_version, 2);
  });
});
