import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { realTiming } from "../../../shared/retry.ts";
import { createPace } from "../../../uploader/drain-pace.ts";

const DAY_MS = 86_400_000;

describe("when what waits is tried again", () => {
  it("is some time after it failed, and at once when the clock was set back meanwhile", () => {
    let now = 1_800_000_000_000;
    const pace = createPace({ ...realTiming, now: () => now, random: () => 0.9 });
    pace.failed("one", "transient");
    pace.failed("two", "rarely");
    assert.equal(pace.isPaused(), true);
    assert.deepEqual([...pace.listLater()], ["one", "two"]);
    assert.ok(pace.untilNextMs() > 0 && pace.untilNextMs() <= 60_000);

    now -= DAY_MS;
    assert.equal(pace.isPaused(), false);
    assert.deepEqual([...pace.listLater()], []);
    assert.ok(pace.untilNextMs() <= 5_000);
  });

  it("is never again for what was given up here, whatever the clock says", () => {
    let now = 1_800_000_000_000;
    const pace = createPace({ ...realTiming, now: () => now, random: () => 0.9 });
    pace.failed("one", "never");
    for (const stepMs of [DAY_MS, -2 * DAY_MS]) {
      now += stepMs;
      assert.deepEqual([...pace.listLater()], ["one"]);
      assert.equal(pace.hasRetries(), false);
    }
  });
});
