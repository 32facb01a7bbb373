import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { isOverdue, planNext } from "../../../uploader/plan.ts";

const schedule = { expression: "15 2 * * *", timeZone: "UTC" };
const START_MS = Date.parse("2026-11-21T12:00:00Z");
const HOUR_MS = 3_600_000;

describe("planNext", () => {
  beforeEach(() => mock.timers.enable({ apis: ["Date"], now: START_MS }));
  afterEach(() => mock.timers.reset());
  const none = (): number => 0;
  const first = () => planNext(null, schedule, START_MS, none);

  it("plans a new set for its first time, not for now", () => {
    assert.equal(first().due.toISOString(), "2026-11-22T02:15:00.000Z");
  });

  it("is up to the jitter later, and stays that once it is drawn", () => {
    const plan = planNext(null, schedule, START_MS, () => 59_999.9);
    assert.equal(plan.due.toISOString(), "2026-11-22T02:15:59.999Z");
    const redrawn = planNext(plan, schedule, START_MS + HOUR_MS, () => assert.fail("drawn again"));
    assert.equal(redrawn, plan);
  });

  it("stays at a time that has passed: it is made up for, once", () => {
    const plan = first();
    const muchLater = START_MS + 72 * HOUR_MS;
    assert.equal(planNext(plan, schedule, muchLater, none), plan);
    assert.ok(isOverdue(plan, schedule, muchLater));
    assert.ok(!isOverdue(plan, schedule, START_MS));
    // the run leaves no plan behind
    mock.timers.setTime(muchLater);
    assert.equal(planNext(null, schedule, muchLater, none).due.toISOString(), "2026-11-25T02:15:00.000Z");
  });

  it("plans anew for another schedule or time zone, and makes up for nothing of the old one", () => {
    const plan = first();
    const later = START_MS + 24 * HOUR_MS;
    mock.timers.setTime(later);
    const other = planNext(plan, { ...schedule, expression: "@hourly" }, later, none);
    assert.equal(other.due.toISOString(), "2026-11-22T13:00:00.000Z");
    assert.ok(!isOverdue(plan, { ...schedule, timeZone: "Europe/Berlin" }, later));
  });

  it("plans anew when the clock has been set back, so that a year that was a mistake is not waited out", () => {
    const plan = {
      ...first(),
      made: new Date(START_MS + 365 * 24 * HOUR_MS),
      due: new Date(START_MS + 366 * 24 * HOUR_MS),
    };
    assert.equal(planNext(plan, schedule, START_MS, none).due.toISOString(), "2026-11-22T02:15:00.000Z");
  });
});
