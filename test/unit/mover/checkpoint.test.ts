/** Checkpoints: what start-up need not read, and why it believes one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Books } from "../../../mover/books.ts";
import { formatCheckpoint, parseCheckpoint } from "../../../mover/checkpoint.ts";
import { LedgerWriter } from "../../../mover/ledger-writer.ts";
import { AirlockError, isAirlockError } from "../../../shared/errors.ts";
import { generateSigningKey, type SigningKey } from "../../../shared/keys.ts";
import { silentLog, type Event, type Log } from "../../../shared/log.ts";
import { realTiming } from "../../../shared/retry.ts";
import type { CheckpointStore, LedgerStore } from "../../../shared/stores.ts";
import { chainOf, entryOf, policy, START_MS } from "./book-entries.ts";

const key = generateSigningKey();
const never = new AbortController().signal;

function notFound(): never {
  throw new AirlockError("not-found", "it is not there");
}

/** Both halves of what a mover has in `_airlock/`. */
class MemoryVault implements LedgerStore, CheckpointStore {
  readonly segments = new Map<number, Uint8Array>();
  readonly checkpoints = new Map<number, Uint8Array>();
  readonly read: number[] = [];
  readonly listedAfter: number[] = [];
  isFull = false;

  async *listSegments(after: number): AsyncGenerator<number> {
    this.listedAfter.push(after);
    for (const number of this.segments.keys()) if (number > after) yield await Promise.resolve(number);
  }

  async readSegment(segment: number): Promise<Uint8Array> {
    this.read.push(segment);
    return this.segments.get(segment) ?? notFound();
  }

  async createSegment(segment: number, bytes: Uint8Array): Promise<void> {
    this.segments.set(segment, bytes);
  }

  async listCheckpoints(): Promise<readonly number[]> {
    return [...this.checkpoints.keys()];
  }

  async readCheckpoint(segment: number): Promise<Uint8Array> {
    return this.checkpoints.get(segment) ?? notFound();
  }

  async createCheckpoint(segment: number, bytes: Uint8Array): Promise<void> {
    if (this.isFull) throw new AirlockError("store-unavailable", "injected");
    this.checkpoints.set(segment, bytes);
  }
}

const hosts = new Map([["web1", policy({ expect: new Map([["files", { everyMs: 1000, minSizeBytes: 1 }]]) })]]);

function open(vault: MemoryVault, log: Log = silentLog, signingKey: SigningKey = key): Promise<LedgerWriter> {
  return LedgerWriter.open({
    mover: "m",
    key: signingKey,
    store: vault,
    checkpoints: vault,
    checkpointEvery: 5,
    books: new Books(hosts),
    timing: realTiming,
    log,
    signal: never,
  });
}

/** A ledger of as many segments, an entry each, every third number missing. */
async function fill(vault: MemoryVault, segments: number): Promise<LedgerWriter> {
  const writer = await open(vault);
  const statements = chainOf(2 * segments).filter(({ seq }) => seq % 3 !== 0);
  for (const [index, statement] of statements.slice(0, segments).entries()) {
    await writer.append(entryOf(statement, START_MS + index * 1000));
  }
  await writer.settled();
  return writer;
}

function logging(): { log: Log; events: Event[] } {
  const events: Event[] = [];
  return { events, log: { ...silentLog, failure: (event) => void events.push(event) } };
}

test("start-up reads what follows the newest checkpoint, and knows what it would from all of it", async () => {
  const vault = new MemoryVault();
  const before = await fill(vault, 23);
  assert.deepEqual([...vault.checkpoints.keys()], [5, 10, 15, 20]);
  vault.read.length = 0;
  vault.listedAfter.length = 0;
  const after = await open(vault);
  assert.deepEqual(vault.listedAfter, [20]);
  assert.deepEqual(vault.read, [20, 21, 22, 23], "and the one that it sums up, to see that it is that one");
  assert.deepEqual(after.head, before.head);
  assert.deepEqual(after.books.toState(), before.books.toState());
  vault.checkpoints.clear();
  assert.deepEqual((await open(vault)).books.toState(), before.books.toState());
});

test("a checkpoint that is forged, damaged, another's or of another ledger is refused, and the one before it taken", async () => {
  const vault = new MemoryVault();
  const whole = await fill(vault, 23);
  const honest = vault.checkpoints.get(20) ?? assert.fail();
  const stolen = vault.checkpoints.get(15) ?? assert.fail();
  const { head, books } = parseCheckpoint(honest, "m", 20, key.public);
  const text = Buffer.from(honest).toString();
  const lies = new Map<string, Uint8Array>([
    ["signed by another key", formatCheckpoint({ head, books }, "m", new Date(), generateSigningKey())],
    ["of another mover", formatCheckpoint({ head, books }, "n", new Date(), key)],
    ["of another segment", stolen],
    ["of another ledger", formatCheckpoint({ head: { ...head, digest: "0".repeat(64) }, books }, "m", new Date(), key)],
    ["altered", Buffer.from(text.replace('"overflowed":false', '"overflowed":true'))],
    ["cut off", honest.subarray(0, 100)],
    ["more than it may have", Buffer.from(text.replace('"v":1', '"v":1,"admin":true'))],
  ]);
  for (const [what, lie] of lies) {
    assert.notDeepEqual(lie, honest, what);
    vault.checkpoints.set(20, lie);
    vault.read.length = 0;
    const { log, events } = logging();
    const opened = await open(vault, log);
    assert.deepEqual(events, ["checkpoint-refused"], what);
    assert.ok(!vault.read.includes(14) && vault.read.includes(16), what);
    assert.deepEqual(opened.books.toState(), whole.books.toState(), what);
  }
});

test("a new signing key believes no checkpoint of the old one, and reads it all", async () => {
  const vault = new MemoryVault();
  const whole = await fill(vault, 7);
  const { log, events } = logging();
  const opened = await open(vault, log, generateSigningKey());
  assert.deepEqual(events, ["checkpoint-refused"]);
  assert.deepEqual([opened.head, opened.books.toState()], [whole.head, whole.books.toState()]);
});

test("a checkpoint that can't be written stops nothing; a store that does not answer stops the start", async () => {
  const vault = new MemoryVault();
  vault.isFull = true;
  const whole = await fill(vault, 11);
  assert.equal(vault.checkpoints.size, 0);
  assert.deepEqual((await open(vault)).head, whole.head);
  vault.listCheckpoints = () => Promise.reject(new AirlockError("store-unavailable", "injected"));
  await assert.rejects(open(vault), (error) => isAirlockError(error, "store-unavailable"));
});

test("a hole among the segments behind a checkpoint is not continued over", async () => {
  const vault = new MemoryVault();
  await fill(vault, 8);
  vault.segments.delete(6);
  await assert.rejects(open(vault), (error) => isAirlockError(error, "ledger-corrupt"));
});
