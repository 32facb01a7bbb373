import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ClockOffset } from "../../shared/clock-offset.ts";

const START = Date.parse("2026-11-21T00:00:00.000Z");

interface Server {
  readonly offsetMs: number;
  /** How old the date is that it sends. */
  readonly lagMs?: number;
}

/** What a server's answer shows: it cuts its clock to seconds. */
function answer(clock: ClockOffset, sentMs: number, tripMs: number, { offsetMs, lagMs = 0 }: Server): void {
  const writtenMs = sentMs + tripMs / 2 + offsetMs - lagMs;
  clock.add(sentMs, sentMs + tripMs, Math.floor(writtenMs / 1000) * 1000);
}

function after(server: Server, answers: number, everyMs: number, tripMs = 20): number {
  const clock = new ClockOffset();
  for (let count = 0; count < answers; count++) answer(clock, START + count * everyMs, tripMs, server);
  return clock.offsetMs;
}

test("before the first answer, and while clocks may well agree, nothing is corrected", () => {
  assert.equal(new ClockOffset().offsetMs, 0);
  assert.equal(after({ offsetMs: 0 }, 200, 137), 0);
});

test("one answer shows a clock that is far off to the second, many show it to a few milliseconds", () => {
  for (const offsetMs of [-86_400_000, -7_300, 7_300, 86_400_000]) {
    assert.ok(Math.abs(after({ offsetMs }, 1, 0) - offsetMs) <= 1_010, String(offsetMs));
    assert.ok(Math.abs(after({ offsetMs }, 100, 137) - offsetMs) <= 30, String(offsetMs));
  }
});

test("never more than the truth, whatever the offset, the network and the times of asking", () => {
  const asked = fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 5_000 }), tripMs: fc.nat(900) }), {
    minLength: 1,
    maxLength: 50,
  });
  fc.assert(
    fc.property(fc.integer({ min: -100_000, max: 100_000 }), asked, (offsetMs, requests) => {
      const clock = new ClockOffset();
      let atMs = START;
      for (const { waitMs, tripMs } of requests) {
        answer(clock, atMs, tripMs, { offsetMs });
        atMs += tripMs + waitMs;
        const found = clock.offsetMs;
        assert.ok(found === 0 || (Math.sign(found) === Math.sign(offsetMs) && Math.abs(found) <= Math.abs(offsetMs)));
      }
    }),
  );
});

test("a server that writes its date once a second is not taken for one whose clock is behind", () => {
  const clock = new ClockOffset();
  for (let count = 0; count < 500; count++)
    answer(clock, START + count * 137, 10, { offsetMs: 0, lagMs: (count * 37) % 1000 });
  assert.equal(clock.offsetMs, 0);
});

test("a clock that is set is followed at once", () => {
  const clock = new ClockOffset();
  for (let count = 0; count < 100; count++) answer(clock, START + count * 137, 10, { offsetMs: 20_000 });
  for (let count = 100; count < 200; count++) answer(clock, START + count * 137, 10, { offsetMs: 0 });
  assert.equal(clock.offsetMs, 0);
});

test("a clock that drifts is followed within minutes", () => {
  const clock = new ClockOffset();
  // 1 ms a second, for an hour
  for (let count = 0; count < 36_000; count++) answer(clock, START + count * 100, 10, { offsetMs: 5_000 + count / 10 });
  assert.ok(Math.abs(clock.offsetMs - 8_600) < 300, String(clock.offsetMs));
});

test("no date, and a clock of our own that was set back meanwhile, say nothing", () => {
  const clock = new ClockOffset();
  clock.add(START, START + 5, Number.NaN);
  clock.add(START, START - 60_000, START);
  assert.equal(clock.offsetMs, 0);
});
