import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AirlockError, isAirlockError, type Code } from "../../../shared/errors.ts";
import { createOnce, RETRY, type RetryContext } from "../../../uploader/creating.ts";

function context(waits: number[] = []): RetryContext {
  return {
    timing: {
      now: () => 0,
      random: () => 1,
      sleep: (durationMs) => {
        waits.push(durationMs);
        return Promise.resolve();
      },
    },
    signal: new AbortController().signal,
    onRetry: () => undefined,
  };
}

/** Answers one after the other: a code is thrown, null is success. */
function answers(...codes: (Code | null)[]): { create: () => Promise<void>; calls: () => number } {
  let calls = 0;
  const create = (): Promise<void> => {
    const code = codes[calls++];
    assert.notEqual(code, undefined, "one call too many");
    return code === null || code === undefined ? Promise.resolve() : Promise.reject(new AirlockError(code, code));
  };
  return { create, calls: () => calls };
}

describe("createOnce", () => {
  const cases: [name: string, codes: (Code | null)[], result: string][] = [
    ["a success is stored", [null], "stored"],
    ["412 on a first attempt is somebody else's", ["already-exists"], "name-taken"],
    ["412 after an attempt of unknown outcome is ours", ["outcome-unknown", "already-exists"], "stored"],
    ["412 after a throttled attempt is ours", ["slow-down", "already-exists"], "stored"],
    [
      "412 after a connection that never came about is somebody else's",
      ["store-unavailable", "already-exists"],
      "name-taken",
    ],
    [
      "doubt stays when later attempts leave none",
      ["outcome-unknown", "store-unavailable", "already-exists"],
      "stored",
    ],
    ["an unknown outcome is found out by asking again", ["outcome-unknown", "outcome-unknown", null], "stored"],
  ];
  for (const [name, codes, result] of cases) {
    it(name, async () => {
      const { create, calls } = answers(...codes);
      assert.equal(await createOnce(create, false, context()), result);
      assert.equal(calls(), codes.length);
    });
  }

  it("takes 412 as ours at once when a former call may have created it", async () => {
    assert.equal(await createOnce(answers("already-exists").create, true, context()), "stored");
  });

  for (const code of [
    "access-denied",
    "credentials-invalid",
    "bucket-missing",
    "upload-missing",
    "request-invalid",
  ] as const) {
    it(`does not repeat ${code}`, async () => {
      const { create, calls } = answers(code);
      await assert.rejects(createOnce(create, false, context()), (error) => isAirlockError(error, code));
      assert.equal(calls(), 1);
    });
  }

  it("gives up after its attempts, having waited for no more than five minutes", async () => {
    const waits: number[] = [];
    const { create, calls } = answers(...Array.from({ length: RETRY.attempts }, () => "outcome-unknown" as const));
    await assert.rejects(createOnce(create, false, context(waits)), (error) =>
      isAirlockError(error, "outcome-unknown"),
    );
    assert.equal(calls(), RETRY.attempts);
    const totalMs = waits.reduce((sum, each) => sum + each, 0);
    assert.ok(totalMs > 200_000 && totalMs <= 300_000, `${totalMs} ms`);
  });
});
