import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { PutBucketNotificationConfigurationCommand } from "@aws-sdk/client-s3";
import { z } from "zod";
import { callSqs } from "../../servers/sqs.ts";
import { HURRIED, runMoverHere, verifyHere, type LoggedEvent, type RanHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";
import { newKey, put, readLedger } from "./craft.ts";
import { startDaemon } from "./daemon.ts";

/** So rare that whatever is moved was found by its event. */
const NEVER = { poll: "1d", events: { sweep: "0 0 29 2 *" } };

async function callQueue(world: World, action: string, input: Record<string, unknown> = {}): Promise<unknown> {
  const { server, dropZoneAccount, queue } = world;
  const given = { QueueUrl: queue?.url, ...input };
  return callSqs(server.endpoint, server.region, dropZoneAccount.owner, action, given);
}

/** All messages that were sent and not deleted, hidden or not. */
async function countMessages(world: World): Promise<number> {
  const answer = await callQueue(world, "GetQueueAttributes", { AttributeNames: ["All"] });
  const { Attributes } = z.object({ Attributes: z.record(z.string(), z.string()) }).parse(answer);
  return (
    Number(Attributes["ApproximateNumberOfMessages"]) + Number(Attributes["ApproximateNumberOfMessagesNotVisible"])
  );
}

async function untilEmpty(world: World, left = 0): Promise<void> {
  const deadline = performance.now() + 20_000;
  while ((await countMessages(world)) > left) {
    assert.ok(performance.now() < deadline, "messages are left");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function eventOf(key: string, more: object = {}): string {
  const s3 = { bucket: { name: DROP_ZONE }, object: { key: new URLSearchParams([["", key]]).toString().slice(1) } };
  return JSON.stringify({
    Records: [
      { eventSource: "aws:s3", eventName: "ObjectCreated:Put", eventTime: new Date().toISOString(), s3, ...more },
    ],
  });
}

interface Here extends AsyncDisposable {
  readonly events: readonly LoggedEvent[];
  /** Resolves with the first of this name, logged already or later. */
  logged(event: string, matches?: (line: LoggedEvent) => boolean): Promise<LoggedEvent>;
  stop(): Promise<RanHere>;
}

/** The mover as a daemon in this process, its time twenty times as fast. */
function startHere(world: World): Here {
  const [drain, abort] = [new AbortController(), new AbortController()];
  const events: LoggedEvent[] = [];
  const waiting = new Set<(line: LoggedEvent) => void>();
  const onEvent = (line: LoggedEvent): void => {
    events.push(line);
    for (const take of waiting) take(line);
  };
  const ended = runMoverHere(world, {
    once: false,
    timing: HURRIED,
    drain: drain.signal,
    abort: abort.signal,
    onEvent,
  });
  return {
    events,
    logged(event, matches = () => true) {
      const isIt = (line: LoggedEvent): boolean => line.event === event && matches(line);
      const found = events.find(isIt);
      if (found !== undefined) return Promise.resolve(found);
      const { promise, resolve, reject } = Promise.withResolvers<LoggedEvent>();
      const take = (line: LoggedEvent): void => void (isIt(line) && resolve(line));
      waiting.add(take);
      const timer = setTimeout(() => reject(new Error(`no ${event}: ${JSON.stringify(events.slice(-3))}`)), 20_000);
      void ended.then(({ error }) => reject(error ?? new Error(`the mover ended without ${event}`)));
      return promise.finally(() => {
        clearTimeout(timer);
        waiting.delete(take);
      });
    },
    stop() {
      drain.abort();
      return ended;
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}

async function assertArchived(world: World, keys: readonly string[]): Promise<void> {
  assert.deepEqual(await world.listDropZone(), []);
  assert.equal((await world.listVault()).length, keys.length);
  const entries = (await readLedger(world)).flatMap((segment) => segment.entries);
  assert.deepEqual(entries.flatMap(({ source }) => source?.key ?? []).toSorted(), [...keys].toSorted());
  const verified = await verifyHere(world);
  assert.equal(verified.exit, 0, JSON.stringify(verified.printed));
}

describe("discovery by events", { concurrency: 2 }, () => {
  test("the program moves what an event names, small or in parts, long before any sweep, and deletes the message", async () => {
    await using world = await startWorld(NEVER);
    const daemon = startDaemon(world);
    await daemon.logged("started");
    await untilEmpty(world); // the test event that S3 sends: the queue is being received from
    const single = await world.putSigned("web1", randomBytes(1000), { name: "a b+ü.bin" });
    const parts = await world.putSigned("web1", randomBytes(11 * 2 ** 20), { partBytes: 5 * 2 ** 20 });
    for (const { key } of [single, parts]) {
      const line = await daemon.logged("object-archived", (one) => one["key"] === key);
      assert.equal(line["exposureFrom"], "event");
    }
    await untilEmpty(world);
    daemon.process.kill("SIGTERM");
    assert.equal((await daemon.ended).exit, 0);
    await assertArchived(world, [single.key, parts.key]);
    const entries = (await readLedger(world)).flatMap((segment) => segment.entries);
    assert.ok(entries.every(({ exposureFrom }) => exposureFrom === "event"));
  });

  test("an event that comes twice, or comes for what is gone, moves nothing twice; each message is deleted", async () => {
    await using world = await startWorld(NEVER);
    await using mover = startHere(world);
    await mover.logged("started");
    const { key } = await world.putSigned("web1", randomBytes(1000));
    for (let time = 0; time < 30; time++) await callQueue(world, "SendMessage", { MessageBody: eventOf(key) });
    await mover.logged("object-archived");
    await callQueue(world, "SendMessage", { MessageBody: eventOf(key) });
    await untilEmpty(world);
    assert.equal((await mover.stop()).error, null);
    assert.equal(mover.events.filter(({ event }) => event === "object-retry").length, 0);
    await assertArchived(world, [key]);
  });

  test("forged events move nothing and stop nothing: no object, a statement, our own prefix, unknown hosts, the year 9999", async () => {
    await using world = await startWorld(NEVER);
    await using mover = startHere(world);
    await mover.logged("started");
    const unknown = newKey("nobody");
    await put(world, unknown, randomBytes(10));
    for (const key of [newKey("web1"), `${newKey("web1")}.airlock.json`, "_airlock/probe/x", unknown, "web1/", "x"]) {
      await callQueue(world, "SendMessage", { MessageBody: eventOf(key) });
    }
    await untilEmpty(world);
    await world.dropZoneOwner.send(
      new PutBucketNotificationConfigurationCommand({ Bucket: DROP_ZONE, NotificationConfiguration: {} }),
    );
    const { key } = await world.putSigned("web1", randomBytes(1000));
    const body = eventOf(key, { eventTime: "9999-12-31T00:00:00.000Z" });
    await callQueue(world, "SendMessage", { MessageBody: body });
    const { fields } = await mover.logged("object-archived");
    assert.ok(Number(fields["exposureMs"]) < 20 * 60_000, "an event from the future makes no exposure of years");
    await untilEmpty(world);
    assert.equal((await mover.stop()).error, null);
    assert.deepEqual(
      (await world.listDropZone()).map((version) => version.key),
      [unknown],
    );
  });

  test("messages that are not this drop-zone's events are left in the queue, and said once", async () => {
    await using world = await startWorld(NEVER);
    await using mover = startHere(world);
    await mover.logged("started");
    await untilEmpty(world);
    const foreign = ["hello", "[".repeat(100_000), JSON.stringify({ Type: "SubscriptionConfirmation" })];
    const elsewhere = eventOf(newKey("web1")).replace(DROP_ZONE, "another-bucket");
    for (const MessageBody of [...foreign, elsewhere]) await callQueue(world, "SendMessage", { MessageBody });
    const { key } = await world.putSigned("web1", randomBytes(1000));
    await mover.logged("object-archived");
    await untilEmpty(world, 4);
    assert.equal((await mover.stop()).error, null);
    assert.equal(await countMessages(world), 4);
    assert.equal(mover.events.filter(({ event }) => event === "event-foreign").length, 1);
    await assertArchived(world, [key]);
  });

  test("what is held needs no message: it is deleted, and the object stays where it is", async () => {
    await using world = await startWorld(NEVER);
    await using mover = startHere(world);
    await mover.logged("started");
    await put(world, newKey("web1"), randomBytes(1000)); // nobody signed it
    const { code } = await mover.logged("object-held");
    assert.equal(code, "statement-missing");
    await untilEmpty(world);
    assert.equal((await mover.stop()).error, null);
    assert.equal((await world.listDropZone()).length, 1);
  });

  test("what fails is tried again soon, whatever the schedule of the sweep", async () => {
    await using world = await startWorld({ ...NEVER, poll: "1s" });
    await using mover = startHere(world);
    await mover.logged("started");
    await untilEmpty(world);
    world.server.faults.add({
      operation: "GetObject",
      bucket: DROP_ZONE,
      times: 8,
      fault: { kind: "error", when: "before", status: 500, code: "InternalError" },
    });
    const { key } = await world.putSigned("web1", randomBytes(1000));
    await mover.logged("object-retry");
    await mover.logged("object-archived");
    assert.equal((await mover.stop()).error, null);
    assert.equal(await countMessages(world), 1, "it was not deleted when the object failed, and comes again");
    await assertArchived(world, [key]);
  });

  test("what no event names is found by the sweep", async () => {
    await using world = await startWorld({ poll: "1s", events: { sweep: "* * * * *" } });
    await world.dropZoneOwner.send(
      new PutBucketNotificationConfigurationCommand({ Bucket: DROP_ZONE, NotificationConfiguration: {} }),
    );
    await using mover = startHere(world);
    await mover.logged("started");
    await untilEmpty(world);
    const { key } = await world.putSigned("web1", randomBytes(1000));
    const { fields } = await mover.logged("object-archived");
    assert.equal(fields["exposureFrom"], "object");
    assert.equal((await mover.stop()).error, null);
    await assertArchived(world, [key]);
  });

  test("a queue that fails is said once, the drop-zone is polled meanwhile, and events count again afterwards", async () => {
    await using world = await startWorld({ poll: "1s", events: { sweep: "0 0 29 2 *" } });
    const outage = world.server.faults.add({
      operation: "SqsReceiveMessage",
      fault: { kind: "error", when: "before", status: 503, code: "ServiceUnavailable" },
    });
    await using mover = startHere(world);
    const first = await world.putSigned("web1", randomBytes(1000));
    assert.equal((await mover.logged("events-unreachable")).code, "slow-down");
    const found = await mover.logged("object-archived", ({ fields }) => fields["key"] === first.key);
    assert.equal(found.fields["exposureFrom"], "object");
    while (outage.fired < 4) await outage.nextFiring();
    outage.remove();
    await mover.logged("events-reachable");
    const second = await world.putSigned("web1", randomBytes(1000));
    await mover.logged("object-archived", ({ fields }) => fields["key"] === second.key);
    await untilEmpty(world);
    assert.equal((await mover.stop()).error, null);
    assert.equal(mover.events.filter(({ event }) => event === "events-unreachable").length, 1);
    await assertArchived(world, [first.key, second.key]);
  });

  test("while an object is being copied its message is kept hidden, and deleted at its end", async () => {
    await using world = await startWorld(NEVER);
    const goOn = Promise.withResolvers<void>();
    const copying = world.server.faults.add({
      operation: "PutObject",
      bucket: VAULT,
      key: /^archive\//,
      fault: { kind: "hook", when: "before", run: () => goOn.promise },
    });
    const extended = world.server.faults.add({
      operation: "SqsChangeMessageVisibilityBatch",
      fault: { kind: "delay", when: "before", ms: 0 },
    });
    await using mover = startHere(world);
    await mover.logged("started");
    await untilEmpty(world);
    const started = copying.nextFiring();
    const { key } = await world.putSigned("web1", randomBytes(1000));
    await started;
    while (extended.fired < 2) await extended.nextFiring();
    assert.equal(await countMessages(world), 1);
    goOn.resolve();
    await untilEmpty(world);
    assert.equal((await mover.stop()).error, null);
    await assertArchived(world, [key]);
  });

  test("a message that is received and lost with its mover is not missed: the next start finds its object", async () => {
    await using world = await startWorld(NEVER);
    const daemon = startDaemon(world);
    await daemon.logged("started");
    await untilEmpty(world);
    world.server.faults.add({
      operation: "PutObject",
      bucket: VAULT,
      key: /^archive\//,
      times: 1,
      fault: { kind: "hook", when: "after", run: () => void daemon.process.kill("SIGKILL") },
    });
    const { key } = await world.putSigned("web1", randomBytes(1000));
    assert.equal((await daemon.ended).signal, "SIGKILL");
    assert.equal(await countMessages(world), 1);
    assert.equal((await world.run("mover", ["run", "--once"])).exit, 0);
    await assertArchived(world, [key]);
  });
});
