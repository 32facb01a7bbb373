import assert from "node:assert/strict";
import { test } from "node:test";
import { HoldReports } from "../../../mover/hold-reports.ts";

const START_MS = 1_800_000_000_000;

test("what is held is told once a minute, and no day later when the clock is set back a day", () => {
  const reports = new HoldReports(START_MS);
  assert.equal(reports.takeDue(START_MS + 59_999), false);
  assert.equal(reports.takeDue(START_MS + 60_000), true);
  assert.equal(reports.takeDue(START_MS + 200_000), false, "nothing has changed");
  reports.changed();
  assert.equal(reports.takeDue(START_MS + 100_000), false);
  assert.equal(reports.takeDue(START_MS - 86_400_000), true);
});
