import assert from "node:assert/strict";
import { rmSync, truncateSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { crc32 } from "node:zlib";
import { isAirlockError, type Code } from "../../../shared/errors.ts";
import type { DropZoneWriter } from "../../../shared/stores.ts";
import { settleUnpublished } from "../../../uploader/issue-statement.ts";
import { publishWaiting } from "../../../uploader/publish-waiting.ts";
import { createMemoryStore, type MemoryStore, type Mishap, type Operation } from "./memory-store.ts";
import {
  DEAD,
  MIB,
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

/** Its statement is too large for metadata: it lies beside the object. */
const LONG_NAME = "\u0001".repeat(200);
const SMALL = { size: 1000, name: "small" };
const SMALL_BESIDE = { size: 1000, name: LONG_NAME };
const LARGE = { size: 20 * MIB + 3, name: "large" };

describe("publishWaiting", () => {
  let scene: SpoolScene;
  let store: MemoryStore;
  beforeEach(() => {
    scene = openScene();
    store = createMemoryStore();
  });
  afterEach(() => scene[Symbol.dispose]());

  /** Stores and begins to publish as a process that then ends without a word. */
  async function failAs(
    owner: string,
    writer: DropZoneWriter,
    { size, name }: typeof SMALL,
    code: Code,
  ): Promise<void> {
    using former = scene.open(writer, { owner });
    const object = await former.store(sourceOf(bytesOf(size), { name }));
    const once = { ...former.context, retry: { attempts: 1, baseMs: 0, capMs: 0 } };
    await assert.rejects(publishWaiting(object, former.spool, once), (thrown) => isAirlockError(thrown, code));
  }

  async function publishNext(process: Process): Promise<void> {
    const object = process.spool.claimNext();
    assert.ok(object !== null);
    await publishWaiting(object, process.spool, process.context);
  }

  function assertOneObject(process: Process, size: number): void {
    const { objects, alone } = readStore(store);
    assert.equal(objects.length, 1);
    assert.equal(alone.length, 0);
    assert.equal(objects[0]?.size, size);
    assert.equal(objects[0]?.seq, 1);
    assert.ok(!scene.events.includes("name-taken"));
    assertSpoolEmpty(scene, process);
  }

  for (const size of [0, 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 33 * MIB + 5]) {
    it(`stores ${size} bytes as they are, and the spool is empty`, async () => {
      using process = scene.open(store);
      const bytes = bytesOf(size);
      const object = await process.store(sourceOf(bytes));
      const published = await publishWaiting(object, process.spool, process.context);
      assert.ok(store.objects.get(published.key)?.body.equals(bytes));
      assertOneObject(process, size);
      assert.equal(scene.passedBytes, size);
      assert.equal(process.state.listSuccesses()[0]?.seq, 1);
    });
  }

  const steps: readonly (readonly [typeof SMALL, readonly Operation[]])[] = [
    [SMALL, ["put"]],
    [SMALL_BESIDE, ["put-statement", "put"]],
    [LARGE, ["begin", "part", "put-statement", "complete"]],
  ];
  for (const [what, operations] of steps) {
    for (const operation of operations) {
      for (const when of ["before", "after"] as const) {
        const title = `${what === LARGE ? "large" : "small"}: fails ${when} ${operation}, and goes on in another process`;
        it(`${title}: one object, the identical requests, no part twice`, async () => {
          const mishap: Mishap = {
            operation,
            when,
            error: error("outcome-unknown"),
            nth: operation === "part" ? 3 : 1,
          };
          store = createMemoryStore([mishap]);
          await failAs(DEAD, store, what, "outcome-unknown");
          using process = scene.open(store);
          await publishNext(process);
          assertOneObject(process, what.size);
          for (const creating of ["put", "put-statement"]) {
            const digests = store.requests.filter((request) => request.operation === creating);
            assert.ok(new Set(digests.map(({ key, digest }) => key + digest)).size <= 1);
          }
          const parts = store.requests.filter((request) => request.operation === "part");
          const counts = Map.groupBy(parts, ({ digest }) => digest);
          // only one of the three could not be confirmed
          if (what === LARGE) {
            assert.equal(counts.size, 3);
            assert.ok([...counts.values()].filter(({ length }) => length === 1).length >= 2);
          }
        });
      }
    }
  }

  it("leaves the number of a waiting object to the process that goes on with it", async () => {
    const outage: Mishap = { operation: "put", when: "after", error: error("outcome-unknown") };
    store = createMemoryStore([outage]);
    await failAs(DEAD, store, SMALL, "outcome-unknown");
    using process = scene.open(store);
    assert.equal(process.state.countUnpublished(), 1);
    await settleUnpublished(process.context);
    assert.equal(store.requests.filter(({ operation }) => operation === "put-statement").length, 0);
    assert.equal(process.state.countUnpublished(), 1);
    await publishNext(process);
    assertOneObject(process, SMALL.size);
  });

  it("puts the identical object again where a mover has taken the first one", async () => {
    store = createMemoryStore([{ operation: "put", when: "after", error: error("outcome-unknown") }]);
    await failAs(DEAD, store, SMALL, "outcome-unknown");
    const [key = ""] = store.objects.keys();
    const first = store.objects.get(key);
    store.take(key);
    using process = scene.open(store);
    await publishNext(process);
    assert.deepEqual(store.objects.get(key), first);
    assertOneObject(process, SMALL.size);
  });

  describe("when the store loses the upload", () => {
    const forms: readonly (readonly [string, readonly Mishap[], "same" | "exists" | "missing"])[] = [
      ["before it was complete", [{ operation: "complete", when: "before", error: error("upload-missing") }], "same"],
      ["while parts are sent", [{ operation: "part", nth: 2, when: "before", error: error("upload-missing") }], "same"],
      ["having completed it", [{ operation: "complete", when: "after", error: error("outcome-unknown") }], "missing"],
    ];
    for (const [name, mishaps, repeated] of forms) {
      it(`${name}: sends all of it again under the same name, with the identical statement put before`, async () => {
        store = createMemoryStore(mishaps, repeated);
        using process = scene.open(store);
        const object = await process.store(sourceOf(bytesOf(LARGE.size)));
        await publishWaiting(object, process.spool, process.context);
        assertOneObject(process, LARGE.size);
        const operations = store.requests.map(({ operation }) => operation);
        assert.equal(operations.filter((operation) => operation === "begin").length, 2);
        assert.ok(operations.lastIndexOf("put-statement") > operations.lastIndexOf("begin"));
        const statements = store.requests.filter(({ operation }) => operation === "put-statement");
        assert.equal(new Set(statements.map(({ key, digest }) => key + digest)).size, 1);
      });
    }

    it("again and again: gives up for now, and goes on another time", async () => {
      store = createMemoryStore([{ operation: "complete", when: "before", times: 3, error: error("upload-missing") }]);
      await failAs(DEAD, store, LARGE, "upload-missing");
      using process = scene.open(store);
      await publishNext(process);
      assertOneObject(process, LARGE.size);
    });
  });

  it("begins the upload anew when its completion stays in doubt", async () => {
    store = createMemoryStore([{ operation: "complete", when: "before", times: 19, error: error("outcome-unknown") }]);
    await failAs(DEAD, store, LARGE, "outcome-unknown");
    for (const round of [2, 3]) {
      using process = scene.open(store, { owner: DEAD });
      await assert.rejects(publishNext(process), (thrown) => isAirlockError(thrown, "outcome-unknown"));
      assert.equal(store.requests.filter(({ operation }) => operation === "begin").length, 1, `round ${round}`);
    }
    using process = scene.open(store);
    await publishNext(process);
    assert.equal(store.requests.filter(({ operation }) => operation === "begin").length, 2);
    assertOneObject(process, LARGE.size);
  });

  for (const [operation, what] of [
    ["put", SMALL],
    ["put-statement", SMALL_BESIDE],
    ["put-statement", LARGE],
    ["complete", LARGE],
  ] as const) {
    it(`takes another name and number when ${operation} finds the name taken on a first attempt`, async () => {
      store = createMemoryStore([{ operation, when: "before", error: error("already-exists") }]);
      using process = scene.open(store);
      const object = await process.store(sourceOf(bytesOf(what.size), { name: what.name }));
      await publishWaiting(object, process.spool, process.context);
      assert.deepEqual(
        readStore(store).objects.map(({ seq }) => seq),
        [2],
      );
      assert.ok(scene.events.includes("name-taken"));
      // where the statement's own name is taken, whatever lies there stands for the number
      if (operation !== "put-statement") assertSequenceWhole(store);
      assertSpoolEmpty(scene, process);
    });
  }

  describe("a body that is not what was spooled", () => {
    const harms: readonly (readonly [string, (file: string, size: number) => Promise<void> | void])[] = [
      ["altered", (file, size) => flipByte(file, size - 2)],
      ["shorter", (file, size) => truncateSync(file, size - 1)],
    ];
    for (const what of [SMALL, LARGE]) {
      for (const [harm, apply] of harms) {
        it(`${what.name}, ${harm}: no number, nothing to be seen, spool-damaged, and the file stays`, async () => {
          using process = scene.open(store);
          const object = await process.store(sourceOf(bytesOf(what.size)));
          await apply(join(scene.folder, "waiting", object.id), what.size);
          await assert.rejects(publishWaiting(object, process.spool, process.context), (thrown) =>
            isAirlockError(thrown, "spool-damaged"),
          );
          assert.equal(store.objects.size, 0);
          assert.equal(process.state.readHead(), null);
          assert.deepEqual(scene.listFiles(), [object.id]);
          assert.equal(process.spool.usage().objects, 1);
        });
      }
    }

    it("gone: says so, and no longer waits", async () => {
      using process = scene.open(store);
      const object = await process.store(sourceOf(bytesOf(10)));
      rmSync(join(scene.folder, "waiting", object.id));
      await assert.rejects(publishWaiting(object, process.spool, process.context), (thrown) =>
        isAirlockError(thrown, "spool-damaged"),
      );
      assertSpoolEmpty(scene, process);
    });

    it("sends a part again that was read otherwise than it was written", async () => {
      using process = scene.open(store);
      const object = await process.store(sourceOf(bytesOf(LARGE.size)));
      const file = join(scene.folder, "waiting", object.id);
      let isFirst = true;
      const misreading: DropZoneWriter = {
        ...store,
        async uploadPart(upload, number, body, signal) {
          assert.ok(!(body instanceof Uint8Array));
          const isMisread = number === 2 && isFirst;
          if (isMisread) await flipByte(file, body.offset + 5);
          const part = await store.uploadPart(upload, number, body, signal);
          const bytes = Buffer.alloc(body.length);
          await body.file.read(bytes, 0, body.length, body.offset);
          if (isMisread) {
            isFirst = false;
            await flipByte(file, body.offset + 5);
          }
          const sum = Buffer.alloc(4);
          sum.writeUInt32BE(crc32(bytes));
          return { ...part, checksum: sum.toString("base64") };
        },
      };
      await publishWaiting(object, process.spool, { ...process.context, writer: misreading });
      assert.equal(store.requests.filter(({ operation }) => operation === "part").length, 4);
      assertOneObject(process, LARGE.size);
    });
  });

  it("makes a caller's writes lasting together with the fact, or not at all", async () => {
    using process = scene.open(store);
    const { sql } = process.state.database;
    sql.exec("CREATE TABLE told (id TEXT)");
    const object = await process.store(sourceOf(bytesOf(10)));
    const tell = (): void => void sql.prepare("INSERT INTO told VALUES (?)").run(object.id);
    const count = (): unknown => sql.prepare("SELECT count(*) AS n FROM told").get()?.n;
    const publishing = publishWaiting(object, process.spool, process.context, () => {
      tell();
      throw error("disk-full");
    });
    await assert.rejects(publishing, (thrown) => isAirlockError(thrown, "disk-full"));
    assert.equal(count(), 0);
    assert.equal(process.state.countUnpublished(), 1);
    await publishWaiting(object, process.spool, process.context, tell);
    assert.equal(count(), 1);
    assertOneObject(process, 10);
  });

  it("clears away an object that was confirmed by a process which then ended", async () => {
    {
      using former = scene.open(store, {
        owner: DEAD,
        files: (real) => ({ ...real, remove: () => Promise.reject(new Error("killed")) }),
      });
      const object = await former.store(sourceOf(bytesOf(10)));
      await publishWaiting(object, former.spool, former.context);
      assert.deepEqual(scene.listFiles(), [object.id]);
    }
    using process = scene.open(store);
    assert.equal(process.spool.claimNext(), null, "it is published and does not wait");
    await process.spool.removeLeftovers();
    assertOneObject(process, 10);
  });

  it("ends at once when it is told to, keeping what the store confirmed", async () => {
    const abort = new AbortController();
    const hanging: DropZoneWriter = {
      ...store,
      uploadPart: async (upload, number, body, signal) => {
        if (number === 1) return store.uploadPart(upload, number, body, signal);
        return new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(error("interrupted")), { once: true });
          setImmediate(() => abort.abort());
        });
      },
    };
    {
      using former = scene.open(hanging, { owner: DEAD, signal: abort.signal });
      const object = await former.store(sourceOf(bytesOf(LARGE.size)));
      await assert.rejects(publishWaiting(object, former.spool, { ...former.context, signal: abort.signal }));
    }
    using process = scene.open(store);
    await publishNext(process);
    assert.equal(store.requests.filter(({ operation }) => operation === "part").length, 3);
    assert.equal(store.requests.filter(({ operation }) => operation === "begin").length, 1);
    assertOneObject(process, LARGE.size);
  });
});

async function flipByte(path: string, position: number): Promise<void> {
  await using file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, position);
}
