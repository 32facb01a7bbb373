import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { explainSchedule, isTimeZone, nextRun } from "../../../uploader/schedule.ts";

/** The next runs from then on, each as it would be asked for when the one before is due. */
function runsFrom(start: string, expression: string, timeZone: string, count: number): string[] {
  const runs: string[] = [];
  let now = new Date(start);
  for (let run = 0; run < count; run++) {
    mock.timers.enable({ apis: ["Date"], now });
    try {
      now = nextRun(expression, timeZone);
    } finally {
      mock.timers.reset();
    }
    runs.push(now.toISOString().replace(":00.000Z", "Z"));
  }
  return runs;
}

describe("nextRun", () => {
  it("is later than now, to the second", () => {
    assert.deepEqual(runsFrom("2026-11-21T23:00:00.000Z", "0 * * * *", "UTC", 1), ["2026-11-22T00:00Z"]);
    assert.deepEqual(runsFrom("2026-11-21T22:59:59.999Z", "0 * * * *", "UTC", 1), ["2026-11-21T23:00Z"]);
  });

  it("is by the clock of its time zone, wherever the machine is", () => {
    assert.deepEqual(runsFrom("2026-11-21T12:00:00Z", "@daily", "America/New_York", 2), [
      "2026-11-22T05:00Z",
      "2026-11-23T05:00Z",
    ]);
    assert.deepEqual(runsFrom("2026-11-21T12:00:00Z", "@daily", "Asia/Kolkata", 1), ["2026-11-21T18:30Z"]);
    assert.deepEqual(runsFrom("2026-11-21T12:00:00Z", "0 0 29 2 *", "UTC", 1), ["2028-02-29T00:00Z"]);
  });

  it("stays at the wall clock's time across a change of the clock", () => {
    assert.deepEqual(runsFrom("2026-03-28T12:00:00Z", "0 6 * * *", "Europe/Berlin", 2), [
      "2026-03-29T04:00Z",
      "2026-03-30T04:00Z",
    ]);
    // two changes away
    assert.deepEqual(runsFrom("2026-02-24T12:00:00Z", "0 0 1 11 *", "Europe/Berlin", 1), ["2026-10-31T23:00Z"]);
  });

  it("is at the change when the clock leaves its time out", () => {
    assert.deepEqual(runsFrom("2026-03-28T12:00:00Z", "30 2 * * *", "Europe/Berlin", 2), [
      "2026-03-29T01:00Z",
      "2026-03-30T00:30Z",
    ]);
    // half an hour, at 2:00
    assert.deepEqual(runsFrom("2026-10-03T12:00:00Z", "15 2 * * *", "Australia/Lord_Howe", 2), [
      "2026-10-03T15:30Z",
      "2026-10-04T15:15Z",
    ]);
  });

  it("is once when its time comes twice", () => {
    assert.deepEqual(runsFrom("2026-10-24T12:00:00Z", "30 2 * * *", "Europe/Berlin", 2), [
      "2026-10-25T00:30Z",
      "2026-10-26T01:30Z",
    ]);
    // asked in the second of the two hours
    assert.deepEqual(runsFrom("2026-10-25T01:10:00Z", "30 2 * * *", "Europe/Berlin", 1), ["2026-10-26T01:30Z"]);
    assert.deepEqual(runsFrom("2026-04-04T12:00:00Z", "45 1 * * *", "Australia/Lord_Howe", 2), [
      "2026-04-04T14:45Z",
      "2026-04-05T15:15Z",
    ]);
  });

  it("is every hour where it says so, whatever the clock does", () => {
    for (const expression of ["0 * * * *", "@hourly", "0 */1 * * *"]) {
      assert.deepEqual(runsFrom("2026-10-24T23:00:00Z", expression, "Europe/Berlin", 3), [
        "2026-10-25T00:00Z",
        "2026-10-25T01:00Z",
        "2026-10-25T02:00Z",
      ]);
      assert.deepEqual(runsFrom("2026-03-28T23:30:00Z", expression, "Europe/Berlin", 3), [
        "2026-03-29T00:00Z",
        "2026-03-29T01:00Z",
        "2026-03-29T02:00Z",
      ]);
    }
  });
});

describe("explainSchedule", () => {
  it("has nothing to say of what comes due", () => {
    for (const expression of ["15 2 * * *", "*/5 8-18 * * MON-FRI", "@weekly", "@annually", "0 0 L * *", "0 3 * * 7"])
      assert.equal(explainSchedule(expression), null, expression);
  });

  it("says what is wrong with the rest", () => {
    for (const expression of ["60 * * * *", "0 24 * * *", "0 0 30 2 *", "*/0 * * * *", "0 0 * FOO *", "@often"])
      assert.match(explainSchedule(expression) ?? "", /\w/, expression);
  });
});

describe("isTimeZone", () => {
  it("knows names, and refuses offsets, which are wrong for half of the year", () => {
    for (const name of ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"]) assert.ok(isTimeZone(name), name);
    for (const name of ["", "+01:00", "Europe/Bonn", "Berlin"]) assert.ok(!isTimeZone(name), name);
  });
});
