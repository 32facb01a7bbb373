/** Several movers' ledgers: what a mover knows of hosts that were another's before the number of shares changed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Books } from "../../../mover/books.ts";
import { LedgerWriter } from "../../../mover/ledger-writer.ts";
import { isInShare, type Share } from "../../../mover/share.ts";
import { AirlockError } from "../../../shared/errors.ts";
import { generateSigningKey } from "../../../shared/keys.ts";
import type { NewEntry } from "../../../shared/ledger.ts";
import { silentLog, type Event } from "../../../shared/log.ts";
import { realTiming } from "../../../shared/retry.ts";
import type { Ledgers } from "../../../shared/s3/ledger-store.ts";
import type { CheckpointStore, LedgerStore } from "../../../shared/stores.ts";
import { chainOf, entryOf, policy, START_MS } from "./book-entries.ts";

const key = generateSigningKey();
const never = new AbortController().signal;
const hosts = new Map([["web1", policy({})]]);
const of2 = (index: number): Share => ({ index, of: 2 });
const owner = isInShare("web1", of2(1)) ? of2(1) : of2(2);
const other = owner.index === 1 ? of2(2) : of2(1);

function notFound(): never {
  throw new AirlockError("not-found", "it is not there");
}

class MemoryLedger implements LedgerStore, CheckpointStore {
  readonly segments = new Map<number, Uint8Array>();
  readonly checkpoints = new Map<number, Uint8Array>();
  readonly read: number[] = [];

  async *listSegments(after: number): AsyncGenerator<number> {
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
    this.checkpoints.set(segment, bytes);
  }
}

class MemoryVault implements Ledgers {
  readonly all = new Map<string, MemoryLedger>();

  async listMovers(): Promise<readonly string[]> {
    return [...this.all].flatMap(([mover, { segments }]) => (segments.size > 0 ? mover : []));
  }

  ledgerOf(mover: string): MemoryLedger {
    const ledger = this.all.get(mover) ?? new MemoryLedger();
    this.all.set(mover, ledger);
    return ledger;
  }
}

function open(vault: MemoryVault, mover: string, share: Share, events: Event[] = []): Promise<LedgerWriter> {
  const store = vault.ledgerOf(mover);
  return LedgerWriter.open({
    mover,
    key,
    store,
    checkpoints: store,
    checkpointEvery: 5,
    ledgers: vault,
    share,
    books: new Books(isInShare("web1", share) ? hosts : new Map()),
    timing: realTiming,
    log: { ...silentLog, failure: (event) => void events.push(event) },
    signal: never,
  });
}

async function append(writer: LedgerWriter, entries: readonly NewEntry[]): Promise<void> {
  for (const entry of entries) await writer.append(entry);
  await writer.settled();
}

const statements = chainOf(40);
const entries = statements.map((statement, index) => entryOf(statement, START_MS + index * 1000));
const part = (from: number, to: number): readonly NewEntry[] => entries.slice(from, to);

test("a host that changes its mover, and changes back, has one sequence: the same as with one mover all along", async () => {
  const alone = new MemoryVault();
  await append(await open(alone, "a", { index: 1, of: 1 }), entries);
  const whole = (await open(alone, "a", { index: 1, of: 1 })).books;

  const vault = new MemoryVault();
  await append(await open(vault, "a", { index: 1, of: 1 }), part(0, 12));
  await append(await open(vault, "b", owner), part(12, 25));
  await append(await open(vault, "a", { index: 1, of: 1 }), part(25, 40));
  const reopened = await open(vault, "a", { index: 1, of: 1 });
  assert.deepEqual(reopened.books.toState(), whole.toState());
  const again = await reopened.append(entries[14] ?? assert.fail()); // archived by b
  assert.equal(again.disposition, "duplicate");
  const honest = await open(vault, "b", owner);
  assert.deepEqual(honest.books.chain.toState(), whole.chain.toState());
});

test("what a mover knows of hosts that are no longer its own, it says nothing of", async () => {
  const vault = new MemoryVault();
  // number 2 never came
  await append(await open(vault, "a", { index: 1, of: 1 }), [...part(0, 1), ...part(2, 9)]);
  const [left, taken] = [await open(vault, "a", other), await open(vault, "b", owner)];
  const due = (writer: LedgerWriter): readonly string[] =>
    writer.books
      .due(START_MS + 86_400_000, { holesBeforeMs: () => START_MS + 86_400_000, isArriving: () => false })
      .flatMap(({ findings }) => findings.map(({ code }) => code));
  assert.deepEqual(due(left), []);
  assert.deepEqual(due(taken), ["missing"]);
});

test("a checkpoint saves reading the others' ledgers too, and one of another share is not used", async () => {
  const vault = new MemoryVault();
  await append(await open(vault, "b", { index: 1, of: 1 }), part(0, 10));
  await append(await open(vault, "a", { index: 1, of: 1 }), part(10, 16)); // its checkpoint sums up 5 and b's 10
  const others = vault.ledgerOf("b");
  others.read.length = 0;
  const opened = await open(vault, "a", { index: 1, of: 1 });
  assert.deepEqual(others.read, []);
  const state = opened.books.toState();
  vault.ledgerOf("a").checkpoints.clear();
  assert.deepEqual((await open(vault, "a", { index: 1, of: 1 })).books.toState(), state);
  assert.equal(others.read.length, 10);

  await append(await open(vault, "a", { index: 1, of: 1 }), part(16, 22));
  assert.ok(vault.ledgerOf("a").checkpoints.size > 0);
  others.read.length = 0;
  await open(vault, "a", owner);
  assert.equal(others.read.length, 10);
});

test("another mover's damaged segment is said and does not keep this one from starting", async () => {
  const vault = new MemoryVault();
  await append(await open(vault, "b", { index: 1, of: 1 }), part(0, 5));
  vault.ledgerOf("b").segments.set(3, Buffer.from("garbage\n"));
  const events: Event[] = [];
  const writer = await open(vault, "a", { index: 1, of: 1 }, events);
  assert.deepEqual(events, ["ledger-skipped"]);
  assert.equal(writer.books.chain.toState()[0]?.epochs[0]?.holes.length, 1, "what it hides is a hole");
});
