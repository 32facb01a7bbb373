/** The simulation itself is tested: whoever breaks a step of the mover is caught, and for the right reason. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MUTATIONS } from "./mutations.ts";
import { runHistories } from "./threads.ts";

/** Most are caught within the first ten. */
const HISTORIES = 600;

describe("a broken step is caught", { concurrency: 2 }, () => {
  for (const { what, changes, caughtAs } of MUTATIONS) {
    test(what, async () => {
      const [caught] = await runHistories({ fromSeed: 1, count: HISTORIES, changes, untilBroken: true });
      assert.ok(caught !== undefined, `${HISTORIES} histories, and all hold`);
      assert.match(caught.violations.join("\n"), caughtAs, `seed ${caught.seed}`);
    });
  }
});

test("a change that finds nothing to change is no mutation, and says so", async () => {
  const changes = [{ file: "mover/move.ts", find: "there is no such line", replace: "" }];
  await assert.rejects(runHistories({ fromSeed: 1, count: 1, changes }), /has 0 times: there is no such line/);
});
