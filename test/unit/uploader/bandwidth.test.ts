import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { realTiming, type Timing } from "../../../shared/retry.ts";
import { limitBandwidth } from "../../../uploader/bandwidth.ts";

/** Time that stands until everybody sleeps, and then goes on to whoever wakes first. */
class VirtualTime implements Timing {
  ms = 1_000_000;
  readonly random = (): number => 0;
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.ms;
  }

  sleep(durationMs: number): Promise<void> {
    return new Promise((wake) => this.#sleepers.push({ atMs: this.ms + durationMs, wake }));
  }

  async runUntilDone(work: Promise<unknown>): Promise<void> {
    let done = false;
    const ended = work.then(() => (done = true));
    for (;;) {
      await new Promise(setImmediate);
      if (done) return void (await ended);
      this.#sleepers.sort((a, b) => a.atMs - b.atMs);
      const next = this.#sleepers.shift();
      assert.ok(next !== undefined, "somebody waits who does not sleep");
      this.ms = Math.max(this.ms, next.atMs);
      next.wake();
    }
  }
}

const { signal } = new AbortController();
const RATE = 1_000_000;

interface Passed {
  readonly stream: number;
  readonly atMs: number;
  readonly sizeBytes: number;
}

/** Several transfers that each send as fast as they are let. */
async function send(time: VirtualTime, streams: number, eachBytes: number, pieceBytes: number): Promise<Passed[]> {
  const pass = limitBandwidth(RATE, time);
  const log: Passed[] = [];
  const stream = async (number: number): Promise<void> => {
    for (let sent = 0; sent < eachBytes; sent += pieceBytes) {
      await pass(pieceBytes, signal);
      log.push({ stream: number, atMs: time.ms, sizeBytes: pieceBytes });
    }
  };
  await time.runUntilDone(Promise.all(Array.from({ length: streams }, (_, number) => stream(number))));
  return log;
}

function bytesBetween(log: readonly Passed[], fromMs: number, untilMs: number): number {
  return log.reduce((sum, { atMs, sizeBytes }) => (atMs >= fromMs && atMs < untilMs ? sum + sizeBytes : sum), 0);
}

describe("limitBandwidth", () => {
  for (const streams of [1, 5]) {
    it(`keeps to the rate over any amount, ${streams} at once`, async () => {
      const time = new VirtualTime();
      const from = time.ms;
      await send(time, streams, 10_000_000 / streams, 16_000);
      const seconds = (time.ms - from) / 1000;
      assert.ok(seconds >= 9.7 && seconds <= 10.3, `${seconds} s`);
    });

    it(`is smooth: every half second of a long transfer carries its share, ${streams} at once`, async () => {
      const time = new VirtualTime();
      const from = time.ms + 500;
      const log = await send(time, streams, 10_000_000 / streams, 16_000);
      for (let at = from; at + 500 < time.ms - 500; at += 100) {
        const bytes = bytesBetween(log, at, at + 500);
        assert.ok(Math.abs(bytes - RATE / 2) <= 0.15 * (RATE / 2), `${bytes} bytes from ${at - from} ms on`);
      }
    });
  }

  it("gives each of several transfers the same", async () => {
    const log = await send(new VirtualTime(), 4, 4_000_000, 16_000);
    const half = log.slice(0, log.length / 2);
    for (let stream = 0; stream < 4; stream++) {
      const share = half.filter((passed) => passed.stream === stream).length / half.length;
      assert.ok(Math.abs(share - 0.25) < 0.02, `${share}`);
    }
  });

  it("does not save up what was not used", async () => {
    const time = new VirtualTime();
    const pass = limitBandwidth(RATE, time);
    await time.runUntilDone(pass(1, signal));
    time.ms += 3_600_000;
    const from = time.ms;
    const sending = async (): Promise<void> => {
      for (let sent = 0; sent < 2_000_000; sent += 100_000) await pass(100_000, signal);
    };
    await time.runUntilDone(sending());
    assert.ok(time.ms - from >= 1_700, `${time.ms - from} ms`);
  });

  it("goes on at its rate when the clock is set back a day", async () => {
    const time = new VirtualTime();
    const pass = limitBandwidth(RATE, time);
    await time.runUntilDone(pass(100_000, signal));
    time.ms -= 86_400_000;
    const from = time.ms;
    await time.runUntilDone(pass(1_000_000, signal));
    assert.ok(time.ms - from >= 700 && time.ms - from <= 1_300, `${time.ms - from} ms`);
  });

  it("lets go of whoever is aborted while it waits", async () => {
    const stop = new AbortController();
    const pass = limitBandwidth(1, realTiming);
    const waiting = pass(1_000_000, stop.signal);
    stop.abort(new Error("enough"));
    await assert.rejects(waiting, /interrupted/);
  });
});
