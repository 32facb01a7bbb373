import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { MoveQueue } from "../../../mover/move-queue.ts";
import { realTiming } from "../../../shared/retry.ts";

const SMALL = 1000;
const LARGE = 100 * 1024 * 1024;

/** Moves that end when they are told to, and who is under way. */
class Moves {
  readonly queue: MoveQueue;
  readonly underWay = new Map<string, (value: string) => void>();

  constructor(concurrency: number) {
    this.queue = new MoveQueue(concurrency, realTiming);
  }

  add(host: string, count = 1, sizeBytes = SMALL): void {
    for (let index = 0; index < count; index++) {
      const name = `${host}/${index}`;
      const { promise, resolve } = Promise.withResolvers<string>();
      void this.queue.add(host, sizeBytes, () => {
        this.underWay.set(name, resolve);
        return promise;
      });
    }
  }

  /** @returns who is under way after it has ended, and what waited has begun */
  async end(name: string): Promise<readonly string[]> {
    this.underWay.get(name)?.(name);
    this.underWay.delete(name);
    return this.now();
  }

  async now(): Promise<readonly string[]> {
    await turn();
    return [...this.underWay.keys()];
  }
}

/** Its window is all of the concurrency: the stores answer at once. */
async function openedUp(concurrency: number): Promise<Moves> {
  const moves = new Moves(concurrency);
  const opened = { close: () => undefined };
  const source = moves.queue.watch({ openVersion: () => Promise.resolve(opened) } as never);
  const ask = async (): Promise<unknown> => source.openVersion({} as never, null, new AbortController().signal);
  for (let round = 0; round < 2000; round++) {
    await Promise.all(Array.from({ length: concurrency * 2 }, () => moves.queue.add("before", SMALL, ask)));
  }
  return moves;
}

test("beside a single object of another host, one that sends many has a quarter of the window", async () => {
  const moves = await openedUp(8);
  moves.add("flood", 20);
  assert.equal((await moves.now()).length, 8);
  moves.add("other");
  const next = await moves.end("flood/0");
  assert.ok(next.includes("other/0"), "the single one is next");
  for (const name of next.filter((each) => each !== "other/0").slice(0, 5)) await moves.end(name);
  const left = await moves.now();
  assert.ok(left.includes("other/0"));
  assert.equal(left.length, 3, "no other began until it is one and a quarter of 8");
  assert.equal((await moves.end("other/0")).length, 8, "and then all of it again");
});

test("many hosts with an object each have all of the window", async () => {
  const moves = await openedUp(8);
  for (let host = 0; host < 12; host++) moves.add(`web${host}`);
  assert.equal((await moves.now()).length, 8);
});

test("there is room for one of each host, however many of another wait", async () => {
  const moves = await openedUp(2);
  moves.add("flood", 4);
  await moves.now();
  let hasRoom = false;
  void moves.queue.hasRoom("flood", SMALL).then((answer) => (hasRoom = answer));
  assert.equal(await moves.queue.hasRoom("other", SMALL), true);
  await moves.now();
  assert.equal(hasRoom, false);
  await moves.end("flood/0");
  await moves.now();
  assert.equal(hasRoom, true);
  moves.add("flood", 2, LARGE);
  assert.equal(await moves.queue.hasRoom("flood", LARGE), false, "a large one does not wait for it");
});
