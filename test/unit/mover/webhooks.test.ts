import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Alert } from "../../../mover/alerts.ts";
import { Heartbeat } from "../../../mover/heartbeat.ts";
import { Webhook } from "../../../mover/webhooks.ts";
import type { Courier, Message } from "../../../shared/courier.ts";
import { AirlockError } from "../../../shared/errors.ts";
import { silentLog, type Log } from "../../../shared/log.ts";
import type { Timing } from "../../../shared/retry.ts";

const MINUTE = 60_000;
const forever = new AbortController().signal;
const ADDRESS = "https://hooks.example.net/s3cret";

interface Letter {
  readonly kind: string;
  readonly host: string;
  readonly text: string;
  readonly detail: string;
  readonly at: string;
  readonly firstAt: string;
  readonly count: number;
  readonly dropped?: number;
}

/** A courier that notes what it is given, time that passes when somebody waits, and a webhook between them. */
function begin() {
  let nowMs = Date.parse("2026-11-21T00:00:00Z");
  const sent: { readonly letter: Letter; readonly atMs: number }[] = [];
  const logged: string[] = [];
  const state = { fails: false, gate: Promise.resolve() };
  const timing: Timing = {
    now: () => nowMs,
    random: () => 0.5,
    sleep: async (durationMs, signal) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (signal.aborted) throw new AirlockError("interrupted", "interrupted");
      nowMs += durationMs;
    },
  };
  const courier: Courier = {
    async send({ address, method, content }: Message) {
      assert.deepEqual([address, method, content?.type], [ADDRESS, "POST", "application/json"]);
      await state.gate;
      if (state.fails) throw new AirlockError("notify-failed", "the message was not delivered: it answered 500");
      sent.push({ letter: JSON.parse(content?.text ?? "") as Letter, atMs: nowMs }); // checked by what is asserted
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const log: Log = {
    ...silentLog,
    failure: (event, error, fields) => logged.push(`${event} ${error.code} ${String(fields?.kind ?? fields?.what)}`),
  };
  const raise = (webhook: Webhook, alert: Partial<Alert> = {}): void =>
    webhook.raise({
      kind: "overdue",
      at: new Date(nowMs).toISOString(),
      host: "web1",
      set: "postgres",
      detail: "no backup ever came",
      ...alert,
    });
  return {
    state,
    sent,
    logged,
    raise,
    options: { mover: "mover-a", courier, timing, log },
    webhook: new Webhook(ADDRESS, { mover: "mover-a", courier, timing, log }),
    pass: (durationMs: number) => (nowMs += durationMs),
    now: () => nowMs,
  };
}

/** Lets everything run that does not wait for anything else. */
async function settle(until: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000 && !until(); turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(until(), "it never came to that");
}

describe("a webhook", () => {
  test("tells the same kind for the same host and set once in ten minutes, with how often it came meanwhile", async () => {
    const { webhook, raise, sent } = begin();
    raise(webhook, { detail: "first" });
    await settle(() => sent.length === 1);
    for (let count = 1; count <= 5; count++) raise(webhook, { detail: `again ${count}` });
    raise(webhook, { host: "web2" });
    await settle(() => sent.length === 3);
    assert.deepEqual(
      sent.map(({ letter }) => [letter.host, letter.count, letter.detail]),
      [
        ["web1", 1, "first"],
        ["web2", 1, "no backup ever came"],
        ["web1", 5, "again 5"],
      ],
    );
    const [first, , repeated] = sent;
    assert.ok((repeated?.atMs ?? 0) - (first?.atMs ?? 0) >= 10 * MINUTE);
    assert.equal(repeated?.letter.text, "airlock mover-a: overdue, web1/postgres (5 times)");
    await webhook.close(forever);
  });

  test("tells at once what comes after the clock was set back a day", async () => {
    const { webhook, raise, sent, pass } = begin();
    raise(webhook);
    await settle(() => sent.length === 1);
    pass(-24 * 60 * MINUTE);
    raise(webhook);
    await settle(() => sent.length === 2);
    assert.ok((sent[1]?.atMs ?? 0) < (sent[0]?.atMs ?? 0) - 23 * 60 * MINUTE, "and not a day later");
    await webhook.close(forever);
  });

  test("what is raised while a message is on its way is one message more", async () => {
    const { webhook, raise, sent, state } = begin();
    const { promise, resolve } = Promise.withResolvers<void>();
    state.gate = promise;
    for (let count = 0; count < 1000; count++) raise(webhook);
    resolve();
    await settle(() => sent.length === 2);
    assert.deepEqual(
      sent.map(({ letter }) => letter.count),
      [1, 999],
    );
    await webhook.close(forever);
  });

  test("of a flood of different alerts a hundred wait, and the others are counted", async () => {
    const { webhook, raise, sent, state } = begin();
    const { promise, resolve } = Promise.withResolvers<void>();
    state.gate = promise;
    for (let count = 0; count < 10_000; count++) raise(webhook, { host: `web${count}` });
    resolve();
    await settle(() => sent.length === 101);
    assert.equal(
      sent.reduce((sum, { letter }) => sum + (letter.dropped ?? 0), 0),
      10_000 - 101,
    );
    await webhook.close(forever);
  });

  test("a message that can't be delivered is logged and given up; the next one goes out", async () => {
    const { webhook, raise, sent, state, logged } = begin();
    state.fails = true;
    raise(webhook);
    await settle(() => logged.length === 1);
    assert.deepEqual(logged, ["notify-failed notify-failed overdue"]);
    state.fails = false;
    raise(webhook, { host: "web2" });
    await settle(() => sent.length === 1);
    await webhook.close(forever);
    assert.deepEqual(
      sent.map(({ letter }) => letter.host),
      ["web2"],
    );
  });

  test("the end does not wait for ten minutes to tell what still waits, and tells it", async () => {
    const { webhook, raise, sent, now } = begin();
    raise(webhook);
    await settle(() => sent.length === 1);
    raise(webhook);
    const before = now();
    await webhook.close(forever);
    assert.equal(sent.length, 2);
    assert.ok(now() - before < 5 * MINUTE);
  });

  test("when everything has to end at once, nothing more is tried", async () => {
    const { webhook, raise, sent } = begin();
    raise(webhook);
    await settle(() => sent.length === 1);
    raise(webhook);
    await webhook.close(AbortSignal.abort());
    assert.equal(sent.length, 1);
  });

  test("what a host chose neither drives a terminal nor fills a screen, and is not in the line for chats", async () => {
    const { webhook, raise, sent } = begin();
    raise(webhook, { detail: `\u001b[2J<!channel> ${"x".repeat(10_000)}` });
    await settle(() => sent.length === 1);
    await webhook.close(forever);
    const { detail, text } = sent[0]?.letter ?? { detail: "", text: "" };
    assert.ok(!detail.includes("\u001b") && detail.length <= 500, String(detail.length));
    assert.equal(text, "airlock mover-a: overdue, web1/postgres");
  });
});

describe("a heartbeat", () => {
  const WELL = { lastSweepAt: "2026-11-21T00:00:00Z", sweepFailing: false, events: null, objects: 0 };

  function beats() {
    const { options, pass, logged } = begin();
    const state = { fails: false, beats: 0 };
    const courier: Courier = {
      async send({ method, content }) {
        assert.deepEqual([method, content], ["GET", null]);
        state.beats++;
        if (state.fails) throw new AirlockError("notify-failed", "the message was not delivered");
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const heart = new Heartbeat(ADDRESS, { ...options, courier });
    /** A status a second. */
    const live = async (seconds: number, sign: (second: number) => Parameters<Heartbeat["see"]>[0]): Promise<void> => {
      for (let second = 0; second < seconds; second++) {
        heart.see(sign(second));
        await new Promise((resolve) => setImmediate(resolve));
        pass(1000);
      }
    };
    return { state, live, logged, pass };
  }
  const sweeping = (second: number) => ({ ...WELL, lastSweepAt: new Date(second * 1000).toISOString() });

  test("beats once a minute while sweeps go well", async () => {
    const { state, live } = beats();
    await live(300, sweeping);
    assert.equal(state.beats, 5);
  });

  test("goes on when the clock is set back a day", async () => {
    const { state, live, pass } = beats();
    await live(60, sweeping);
    pass(-24 * 60 * MINUTE);
    await live(300, (second) => sweeping(second + 60));
    assert.equal(state.beats, 6);
  });

  test("stops when sweeps stand still or fail, whatever else goes on, and before the first", async () => {
    for (const sign of [
      () => WELL,
      (second: number) => ({ ...sweeping(second), objects: second, sweepFailing: second > 0 }),
      () => ({ ...WELL, events: "unreachable" as const }),
    ]) {
      const { state, live } = beats();
      await live(300, sign);
      assert.equal(state.beats, 1);
    }
    const { state, live } = beats();
    await live(300, () => ({ ...WELL, lastSweepAt: null, events: "reachable" }));
    assert.equal(state.beats, 0);
  });

  test("goes on while events come in and sweeps are seldom, and while large objects keep a sweep waiting", async () => {
    const byEvents = beats();
    await byEvents.live(300, () => ({ ...WELL, events: "reachable" }));
    assert.equal(byEvents.state.beats, 5);
    const moving = beats();
    await moving.live(300, (second) => ({ ...WELL, objects: second }));
    assert.equal(moving.state.beats, 5);
  });

  test("an outage of its address is logged once", async () => {
    const { state, live, logged } = beats();
    state.fails = true;
    await live(300, sweeping);
    assert.deepEqual(logged, ["notify-failed notify-failed heartbeat"]);
  });
});
