/** What is done with the queue's messages, in which order and within which bounds; the queue is one in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Hint } from "../../../mover/event-message.ts";
import { Events, type Fate } from "../../../mover/events.ts";
import { AirlockError } from "../../../shared/errors.ts";
import { silentLog, type Event } from "../../../shared/log.ts";
import { realTiming, type Timing } from "../../../shared/retry.ts";
import type { Delivery, EventQueue, QueueMessage } from "../../../shared/s3/event-queue.ts";

class MemoryQueue implements EventQueue {
  readonly visibilityMs = 60_000;
  readonly #waiting: QueueMessage[] = [];
  #arrived = Promise.withResolvers<void>();
  readonly removed: string[] = [];
  readonly extended: string[] = [];
  received = 0;
  failing = false;
  failures = 0;

  send(keys: readonly string[]): void {
    this.sendMessages(keys.map((key) => ({ receipt: key, body: bodyOf(key) })));
  }

  sendMessages(messages: readonly QueueMessage[]): void {
    this.#waiting.push(...messages);
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers<void>();
  }

  async receive(mayWait: boolean, signal: AbortSignal): Promise<readonly QueueMessage[]> {
    if (this.failing) {
      this.failures++;
      throw new AirlockError("store-unavailable", "injected");
    }
    if (mayWait) await this.#untilThereIsOne(signal);
    const messages = this.#waiting.splice(0, 10);
    this.received += messages.length;
    return messages;
  }

  async #untilThereIsOne(signal: AbortSignal): Promise<void> {
    const ended = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    while (this.#waiting.length === 0 && !signal.aborted) await Promise.race([this.#arrived.promise, ended]);
  }

  async remove(messages: readonly Delivery[]): Promise<void> {
    for (const message of messages) assert.deepEqual(Object.keys(message), ["receipt"], "its body is not kept");
    this.removed.push(...messages.map(({ receipt }) => receipt));
  }

  async extend(messages: readonly Delivery[]): Promise<void> {
    this.extended.push(...messages.map(({ receipt }) => receipt));
  }
}

function bodyOf(...keys: readonly string[]): string {
  return JSON.stringify({
    Records: keys.map((key) => ({
      eventSource: "aws:s3",
      eventName: "ObjectCreated:Put",
      s3: { bucket: { name: "zone" }, object: { key } },
    })),
  });
}

interface Stage extends Disposable {
  readonly queue: MemoryQueue;
  readonly events: Events;
  /** Keys in the order in which they were looked up. */
  readonly looked: string[];
  readonly said: Event[];
  readonly fates: Map<string, PromiseWithResolvers<Fate>>;
  changes: number;
}

/** `gate`: look-ups do not come back before it opens. */
function start(gate: Promise<void> = Promise.resolve(), timing: Timing = realTiming): Stage {
  const ending = new AbortController();
  const queue = new MemoryQueue();
  const fates = new Map<string, PromiseWithResolvers<Fate>>();
  const said: Event[] = [];
  const looked: string[] = [];
  const take = async ({ key }: Hint): Promise<{ fate: Promise<Fate> }> => {
    looked.push(key);
    await gate;
    const fate = Promise.withResolvers<Fate>();
    fates.set(key, fate);
    return { fate: fate.promise };
  };
  const log = {
    ...silentLog,
    failure: (event: Event) => void said.push(event),
    info: (event: Event) => void said.push(event),
  };
  const stage: Stage = {
    queue,
    looked,
    said,
    fates,
    changes: 0,
    events: new Events({ queue, bucket: "zone", take, changed: () => void stage.changes++, timing, log }),
    [Symbol.dispose]: () => ending.abort(),
  };
  void stage.events.run(ending.signal);
  return stage;
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isSo()) {
    assert.ok(performance.now() < deadline);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const keysOf = (host: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${host}/${at}`);

test("a message is deleted when its object is settled, and not before; one whose object failed is left", async () => {
  using stage = start();
  stage.queue.send(["web1/a", "web1/b"]);
  await until(() => stage.fates.size === 2);
  assert.deepEqual(stage.queue.removed, []);
  stage.fates.get("web1/a")?.resolve("settled");
  stage.fates.get("web1/b")?.resolve("later");
  await until(() => stage.queue.removed.length === 1);
  assert.deepEqual(stage.queue.removed, ["web1/a"]);
});

test("one host's flood does not delay another's event; what is beyond its bound is left to a sweep", async () => {
  const gate = Promise.withResolvers<void>();
  using stage = start(gate.promise);
  stage.queue.send([...keysOf("flood", 1000), "web1/a"]);
  await until(() => stage.looked.includes("web1/a")); // while none of the flood's look-ups has an answer
  const before = stage.looked.length;
  assert.equal(before, 4 + 1);
  gate.resolve();
  await until(() => stage.fates.has("web1/a"));
  for (const fate of stage.fates.values()) fate.resolve("settled");
  await until(() => stage.queue.removed.length === stage.fates.size);
  assert.equal(stage.looked.length, before, "what is left of the flood costs nothing, and comes again by itself");
  assert.ok(stage.events.takeLeftToSweep());
  assert.ok(!stage.events.takeLeftToSweep(), "said once");
  stage.queue.send(["flood/later"]);
  await until(() => stage.looked.includes("flood/later"));
});

test("no more is received while 2,000 messages are not settled, whoever sent them", async () => {
  using stage = start();
  stage.queue.send(Array.from({ length: 3000 }, (_, at) => `host${at}/object`));
  await until(() => stage.queue.received >= 2000);
  await until(() => stage.fates.size >= 2000);
  assert.ok(stage.queue.received < 2010);
  for (const fate of stage.fates.values()) fate.resolve("settled");
  await until(() => stage.queue.received === 3000);
});

test("messages that name a hundred objects each count as what they name", async () => {
  using stage = start();
  const messages = Array.from({ length: 100 }, (_, at) => ({
    receipt: `${at}`,
    body: bodyOf(...Array.from({ length: 100 }, (_key, of) => `host${at}-${of}/object`)),
  }));
  stage.queue.sendMessages(messages);
  await until(() => stage.fates.size >= 2000);
  assert.ok(stage.queue.received <= 30, String(stage.queue.received));
  for (let settled = 0; stage.queue.removed.length < 100; settled++) {
    assert.ok(settled < 1000);
    for (const fate of stage.fates.values()) fate.resolve("settled");
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test("a message is kept hidden for as long as its object is under way", async () => {
  const hurried = {
    now: () => Date.now() * 1000,
    random: () => 0,
    sleep: (ms: number, signal: AbortSignal) => realTiming.sleep(ms / 1000, signal),
  };
  using stage = start(undefined, hurried);
  stage.queue.send(["web1/large"]);
  await until(() => stage.queue.extended.length >= 3);
  stage.fates.get("web1/large")?.resolve("settled");
  await until(() => stage.queue.removed.length === 1);
});

test("a queue that does not answer is said once, and so is its answer; each changes how the drop-zone is looked at", async () => {
  const patient = { ...realTiming, sleep: (_ms: number, signal: AbortSignal) => realTiming.sleep(1, signal) };
  using stage = start(undefined, patient);
  stage.queue.send(["web1/a"]);
  await until(() => stage.events.isReachable);
  assert.equal(stage.changes, 1);
  stage.queue.failing = true;
  stage.queue.send(["web1/b"]);
  await until(() => stage.queue.failures >= 3);
  assert.ok(!stage.events.isReachable);
  stage.queue.failing = false;
  await until(() => stage.said.includes("events-reachable"));
  assert.deepEqual(stage.said, ["events-unreachable", "events-reachable"]);
  assert.equal(stage.changes, 3);
});
