import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { AirlockError, isAirlockError, type Code } from "../../../shared/errors.ts";
import { generateSigningKey } from "../../../shared/keys.ts";
import { silentLog, type Event } from "../../../shared/log.ts";
import {
  parseInlineStatement,
  parseStatement,
  statementDigest,
  verifyStatement,
  type SignedStatement,
} from "../../../shared/statement.ts";
import { ownerOf } from "../../../uploader/process-owner.ts";
import { publish } from "../../../uploader/publish.ts";
import type { PublishContext, UploadSource } from "../../../uploader/publish-context.ts";
import { openState, type UploaderState } from "../../../uploader/state.ts";
import { createMemoryStore, type MemoryStore, type Mishap } from "./memory-store.ts";

const MIB = 1024 ** 2;
const AT = Date.parse("2026-11-21T02:15:00.000Z");
const key = generateSigningKey();

function error(code: Code): AirlockError {
  return new AirlockError(code, code);
}

/** Bytes that differ everywhere, so that a part out of its place is noticed. */
function bytesOf(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let offset = 0; offset + 4 <= size; offset += 4) bytes.writeUInt32LE((offset * 2_654_435_761) % 2 ** 32, offset);
  return bytes;
}

function sourceOf(bytes: Uint8Array, options: Partial<UploadSource> = {}): UploadSource {
  return {
    set: "etc",
    name: "etc.tar",
    encoding: ["tar"],
    startedAt: new Date(AT),
    expectedBytes: null,
    isRepeatable: false,
    open: async function* () {
      for (let start = 0; start < bytes.length; start += 100_000) yield bytes.subarray(start, start + 100_000);
    },
    ...options,
  };
}

describe("publish", () => {
  let spoolFolder: string;
  let state: UploaderState;
  let store: MemoryStore;
  let events: Event[];
  beforeEach(() => {
    spoolFolder = mkdtempSync(join(tmpdir(), "airlock-publish-"));
    openAs(ownerOf(process.pid));
    store = createMemoryStore();
    events = [];
  });
  afterEach(() => {
    state[Symbol.dispose]();
    rmSync(spoolFolder, { recursive: true });
  });

  function openAs(owner: string): void {
    state = openState({ spoolFolder, bucket: "acme-dropzone", host: "web1", owner });
  }

  function context(): PublishContext {
    const record = (event: Event): void => void events.push(event);
    return {
      host: "web1",
      signingKey: key,
      writer: store,
      state,
      spoolFolder,
      log: { ...silentLog, info: record, warn: record, error: record, failure: record },
      timing: { now: () => AT, random: () => 0, sleep: () => Promise.resolve() },
      signal: new AbortController().signal,
      onBytes: () => undefined,
    };
  }

  /** All statements in the store, verified against their objects; a statement alone is one without an object. */
  function statementsInStore(): { withObject: SignedStatement[]; alone: SignedStatement[] } {
    const withObject: SignedStatement[] = [];
    const alone: SignedStatement[] = [];
    for (const [name, { body, metadata }] of store.objects) {
      if (name.endsWith(".airlock.json")) {
        if (!store.objects.has(name.slice(0, -".airlock.json".length))) alone.push(parseStatement(body, name));
        continue;
      }
      const inline = metadata.get("airlock");
      const beside = store.objects.get(`${name}.airlock.json`);
      const signed =
        inline === undefined
          ? parseStatement(beside?.body ?? Buffer.alloc(0), name)
          : parseInlineStatement(inline, name);
      verifyStatement(signed, { bucket: store.bucket, key: name, sizeBytes: body.length }, [key.public], new Date(AT));
      assert.equal(signed.statement.sha256, createHash("sha256").update(body).digest("hex"));
      withObject.push(signed);
    }
    return { withObject, alone };
  }

  /** Numbers 1 to n, each in exactly one statement, each chained to the one before. */
  function assertWhole(statements: readonly SignedStatement[]): void {
    const bySeq = statements.map(({ statement }) => statement).toSorted((one, other) => one.seq - other.seq);
    for (const [index, statement] of bySeq.entries()) {
      const former = bySeq[index - 1];
      assert.equal(statement.seq, index + 1, "no hole and no number twice");
      assert.equal(statement.prev, former === undefined ? null : statementDigest(former));
    }
  }

  const sizes = [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 33 * MIB + 5];
  for (const size of sizes) {
    it(`stores ${size} bytes as they are, with a statement that verifies`, async () => {
      const bytes = bytesOf(size);
      const published = await publish(sourceOf(bytes), context());
      assert.ok(store.objects.get(published.key)?.body.equals(bytes));
      assert.equal(published.sizeBytes, size);
      const { withObject, alone } = statementsInStore();
      assert.equal(withObject.length, 1);
      assert.equal(alone.length, 0);
      assert.equal(
        store.requests.some(({ operation }) => operation === "begin"),
        size > 8 * MIB,
      );
      assert.equal(state.countUnpublished(), 0);
      assert.equal(state.listSuccesses()[0]?.seq, 1);
    });
  }

  it("sends parts at once, though no more than its memory allows", async () => {
    await publish(sourceOf(bytesOf(80 * MIB)), context());
    assert.ok(store.maxPartsAtOnce > 1 && store.maxPartsAtOnce <= 4, `${store.maxPartsAtOnce}`);
  });

  it("puts the statement before the object can be seen, and issues it after the last part", async () => {
    await publish(sourceOf(bytesOf(20 * MIB)), context());
    const order = store.requests.map(({ operation }) => operation);
    assert.deepEqual(order, ["begin", "part", "part", "part", "put-statement", "complete"]);
  });

  it("puts a statement that is too large for metadata beside its object, before it", async () => {
    await publish(sourceOf(bytesOf(10), { name: "\u0001".repeat(200) }), context());
    assert.deepEqual(
      store.requests.map(({ operation }) => operation),
      ["put-statement", "put"],
    );
    assert.equal(statementsInStore().withObject.length, 1);
  });

  it("buffers parts that are too large for memory in the spool, and leaves nothing there", async () => {
    const bytes = bytesOf(70 * MIB);
    // as large as if 300 GB were expected: parts of 32 MiB and more
    const published = await publish(sourceOf(bytes, { expectedBytes: 300e9 }), context());
    assert.ok(store.objects.get(published.key)?.body.equals(bytes));
    assert.equal(store.requests.filter(({ operation }) => operation === "part").length, 3);
    const { readdirSync } = await import("node:fs");
    assert.deepEqual(
      readdirSync(spoolFolder).filter((name) => !name.startsWith("state.db")),
      [],
    );
  });

  it("issues no number for a source that fails, and publishes nothing of it", async () => {
    for (const size of [1000, 20 * MIB]) {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield bytesOf(size);
        throw error("command-failed");
      }
      await assert.rejects(publish(sourceOf(Buffer.alloc(0), { open: broken }), context()), (thrown) =>
        isAirlockError(thrown, "command-failed"),
      );
      assert.equal(store.objects.size, 0);
      assert.equal(state.readHead(), null);
    }
  });

  describe("when outcomes are uncertain", () => {
    const uncertain = ["put", "put-statement", "begin", "part", "complete"] as const;
    for (const operation of uncertain) {
      for (const when of ["before", "after"] as const) {
        for (const code of ["outcome-unknown", "store-unavailable", "slow-down"] as const) {
          // The contract of `shared/stores.ts`: these two say that nothing happened, or that nothing was sent.
          if (when === "after" && code === "store-unavailable") continue;
          it(`${operation}: ${code} ${when} the effect, twice: one object, one number`, async () => {
            store = createMemoryStore([{ operation, when, times: 2, error: error(code) }]);
            const isLarge = operation !== "put";
            await publish(sourceOf(bytesOf(isLarge ? 20 * MIB : 1000)), context());
            const { withObject, alone } = statementsInStore();
            assert.equal(withObject.length, 1);
            assert.equal(alone.length, 0);
            assert.equal(withObject[0]?.statement.seq, 1);
            const repeated = store.requests.filter(
              (request) => request.operation === operation && operation !== "part",
            );
            assert.equal(
              new Set(repeated.map(({ key: name, digest }) => name + digest)).size,
              repeated.length === 0 ? 0 : 1,
              "identical requests",
            );
            assert.ok(!events.includes("name-taken"));
            assert.equal(state.countUnpublished(), 0);
          });
        }
      }
    }
  });

  describe("when the name is taken on a first attempt", () => {
    for (const [operation, size] of [
      ["put", 1000],
      ["put-statement", 20 * MIB],
      ["complete", 20 * MIB],
    ] as const) {
      it(`${operation}: takes a new name and a new number, and accounts for the old one`, async () => {
        store = createMemoryStore([{ operation, when: "before", error: error("already-exists") }]);
        await publish(sourceOf(bytesOf(size), { isRepeatable: true }), context());
        const { withObject, alone } = statementsInStore();
        assert.equal(withObject.length, 1);
        assert.equal(withObject[0]?.statement.seq, 2);
        assert.ok(events.includes("name-taken"));
        // where the statement's own name is taken, whatever lies there stands for the number
        if (operation !== "put-statement") assertWhole([...withObject, ...alone]);
        const keys = new Set(
          store.requests.filter((request) => request.operation === operation).map(({ key: name }) => name),
        );
        assert.equal(keys.size, 2);
        assert.equal(state.countUnpublished(), 0);
      });
    }

    it("does not go on for ever", async () => {
      store = createMemoryStore([{ operation: "put", when: "before", times: 99, error: error("already-exists") }]);
      await assert.rejects(publish(sourceOf(bytesOf(10)), context()), (thrown) =>
        isAirlockError(thrown, "already-exists"),
      );
      assert.equal(store.requests.filter(({ operation }) => operation === "put").length, 3);
    });

    it("fails where a stream can't be sent again", async () => {
      store = createMemoryStore([{ operation: "complete", when: "before", error: error("already-exists") }]);
      await assert.rejects(publish(sourceOf(bytesOf(20 * MIB)), context()), (thrown) =>
        isAirlockError(thrown, "already-exists"),
      );
      assert.equal(statementsInStore().withObject.length, 0);
    });
  });

  describe("when the store loses the upload", () => {
    const lost: Mishap = { operation: "complete", when: "before", error: error("upload-missing") };

    it("sends a file again under the same name, with the identical statement put before", async () => {
      store = createMemoryStore([lost]);
      await publish(sourceOf(bytesOf(20 * MIB), { isRepeatable: true }), context());
      const order = store.requests.map(({ operation }) => operation).filter((operation) => operation !== "part");
      assert.deepEqual(order, ["begin", "put-statement", "complete", "put-statement", "begin", "complete"]);
      const statements = store.requests.filter(({ operation }) => operation === "put-statement");
      assert.equal(new Set(statements.map(({ key: name, digest }) => name + digest)).size, 1);
      assert.equal(statementsInStore().withObject[0]?.statement.seq, 1);
    });

    const completed: Mishap = { operation: "complete", when: "after", error: error("outcome-unknown") };

    it("takes a name that is there by then as its own", async () => {
      store = createMemoryStore([completed], "exists");
      await publish(sourceOf(bytesOf(20 * MIB)), context());
      assert.equal(statementsInStore().withObject.length, 1);
      assert.ok(!events.includes("name-taken"));
    });

    it("finds out by sending a file again whether it was complete", async () => {
      store = createMemoryStore([completed], "missing");
      await publish(sourceOf(bytesOf(20 * MIB), { isRepeatable: true }), context());
      assert.equal(statementsInStore().withObject.length, 1);
      assert.ok(!events.includes("name-taken"));
    });

    it("does not claim success for a stream when it can't be found out", async () => {
      store = createMemoryStore([completed], "missing");
      await assert.rejects(publish(sourceOf(bytesOf(20 * MIB)), context()), (thrown) =>
        isAirlockError(thrown, "upload-missing"),
      );
    });

    it("fails for a stream, saying so", async () => {
      store = createMemoryStore([lost]);
      await assert.rejects(publish(sourceOf(bytesOf(20 * MIB)), context()), (thrown) => {
        return isAirlockError(thrown, "upload-missing") && /run it again/.test(thrown.remedy ?? "");
      });
      assert.equal(statementsInStore().withObject.length, 0);
    });

    it("does not publish a file that changed in between", async () => {
      store = createMemoryStore([lost]);
      let opened = 0;
      const open = (): AsyncIterable<Uint8Array> =>
        sourceOf(bytesOf(20 * MIB + opened++ * 4)).open(new AbortController().signal);
      await assert.rejects(publish(sourceOf(Buffer.alloc(0), { isRepeatable: true, open }), context()), (thrown) =>
        isAirlockError(thrown, "source-changed"),
      );
      assert.equal(statementsInStore().withObject.length, 0);
    });

    it("gives up on a store that loses it each time", async () => {
      store = createMemoryStore([{ ...lost, times: 99 }]);
      await assert.rejects(publish(sourceOf(bytesOf(9 * MIB), { isRepeatable: true }), context()), (thrown) =>
        isAirlockError(thrown, "upload-missing"),
      );
      assert.equal(store.requests.filter(({ operation }) => operation === "complete").length, 3);
    });

    it("fails when parts can't be sent because of it", async () => {
      store = createMemoryStore([
        { operation: "part", nth: 2, when: "before", times: 99, error: error("upload-missing") },
      ]);
      await assert.rejects(publish(sourceOf(bytesOf(40 * MIB)), context()), (thrown) =>
        isAirlockError(thrown, "upload-missing"),
      );
      assert.equal(state.readHead(), null);
    });
  });

  it("stops reading a source whose parts the store refuses", async () => {
    store = createMemoryStore([{ operation: "part", when: "before", times: 99, error: error("access-denied") }]);
    let read = 0;
    let closed = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          read += MIB;
          yield Buffer.alloc(MIB);
        }
      } finally {
        closed = true;
      }
    }
    await assert.rejects(publish(sourceOf(Buffer.alloc(0), { open: endless }), context()), (thrown) =>
      isAirlockError(thrown, "access-denied"),
    );
    assert.ok(closed);
    assert.ok(read <= 64 * MIB, `${read} bytes`);
  });

  it("gives up while its source says nothing, once a part has failed for good", async () => {
    store = createMemoryStore([{ operation: "part", when: "before", times: 99, error: error("access-denied") }]);
    async function* stalling(signal: AbortSignal): AsyncGenerator<Uint8Array> {
      yield bytesOf(17 * MIB);
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("ended"))));
    }
    const publishing = publish(sourceOf(Buffer.alloc(0), { open: stalling }), context());
    await assert.rejects(publishing, (thrown) => isAirlockError(thrown, "access-denied"));
  });

  describe("numbers of processes that ended", () => {
    async function failOnce(code: Code): Promise<void> {
      state[Symbol.dispose]();
      openAs(ownerOf(2 ** 22 - 1));
      store = createMemoryStore([{ operation: "put", when: "before", times: 99, error: error(code) }]);
      await assert.rejects(publish(sourceOf(bytesOf(10)), context()));
      state[Symbol.dispose]();
      openAs(ownerOf(process.pid));
    }

    it("are accounted for before the next one is used", async () => {
      await failOnce("store-unavailable");
      store = createMemoryStore();
      await publish(sourceOf(bytesOf(10)), context());
      assert.deepEqual(
        store.requests.map(({ operation }) => operation),
        ["put-statement", "put"],
      );
      const { withObject, alone } = statementsInStore();
      assertWhole([...withObject, ...alone]);
      assert.deepEqual([withObject.length, alone.length], [1, 1]);
      assert.equal(state.countUnpublished(), 0);
    });

    it("wait for the next time where that fails, and hold up nothing", async () => {
      await failOnce("store-unavailable");
      store = createMemoryStore([{ operation: "put-statement", when: "before", error: error("store-unavailable") }]);
      await publish(sourceOf(bytesOf(10)), context());
      assert.equal(state.countUnpublished(), 1);
      await publish(sourceOf(bytesOf(10)), context());
      const { withObject, alone } = statementsInStore();
      assertWhole([...withObject, ...alone]);
    });
  });
});
