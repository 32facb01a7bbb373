import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Timing } from "../../../shared/retry.ts";
import { limitBandwidth } from "../../../uploader/bandwidth.ts";

function virtualTime(): Timing & { ms: number } {
  const time = {
    ms: 1_000_000,
    now: () => time.ms,
    random: () => 0,
    sleep: (durationMs: number) => {
      time.ms += durationMs;
      return Promise.resolve();
    },
  };
  return time;
}

const { signal } = new AbortController();

describe("limitBandwidth", () => {
  it("keeps to the rate over any amount", async () => {
    const time = virtualTime();
    const from = time.ms;
    const pass = limitBandwidth(1_000_000, time, signal);
    for (let sent = 0; sent < 10_000_000; sent += 65_536) await pass(65_536);
    const seconds = (time.ms - from) / 1000;
    assert.ok(seconds >= 9.7 && seconds <= 10.2, `${seconds} s`);
  });

  it("does not save up what was not used", async () => {
    const time = virtualTime();
    const pass = limitBandwidth(1_000_000, time, signal);
    await pass(1);
    time.ms += 3_600_000;
    const from = time.ms;
    for (let sent = 0; sent < 2_000_000; sent += 100_000) await pass(100_000);
    assert.ok(time.ms - from >= 1_700, `${time.ms - from} ms`);
  });

  it("waits for nothing without a limit", async () => {
    const time = virtualTime();
    const from = time.ms;
    await limitBandwidth(null, time, signal)(10 ** 12);
    assert.equal(time.ms, from);
  });
});
