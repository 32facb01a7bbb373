import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AirlockError, type Code } from "../../../shared/errors.ts";
import { StoreAnswer } from "../../../shared/s3/answer.ts";
import { retry, systemRetryTools, type RetryPolicy } from "../../../shared/s3/retry.ts";

const POLICY: RetryPolicy = { attempts: 5, baseMs: 100, capMs: 500 };

function failing(code: Code, cause?: unknown): AirlockError {
  return new AirlockError(code, code, { cause });
}

async function waitsOf(error: AirlockError, random: number): Promise<{ waits: number[]; attempts: number }> {
  const waits: number[] = [];
  let attempts = 0;
  const tools = { random: () => random, sleep: async (ms: number) => void waits.push(ms) };
  const attempt = (): Promise<never> => {
    attempts += 1;
    return Promise.reject(error);
  };
  await assert.rejects(retry(attempt, new AbortController().signal, POLICY, tools), error);
  return { waits, attempts };
}

describe("retry", () => {
  it("waits anything up to a doubling bound, up to the cap, and then gives the last error", async () => {
    assert.deepEqual(await waitsOf(failing("store-unavailable"), 1), { waits: [100, 200, 400, 500], attempts: 5 });
    assert.deepEqual((await waitsOf(failing("slow-down"), 0.5)).waits, [50, 100, 200, 250]);
    assert.deepEqual((await waitsOf(failing("slow-down"), 0)).waits, [0, 0, 0, 0]);
  });

  it("repeats nothing that repeating does not cure", async () => {
    for (const code of [
      "outcome-unknown",
      "not-found",
      "access-denied",
      "source-changed",
      "interrupted",
      "request-invalid",
    ] as const) {
      assert.equal((await waitsOf(failing(code), 0)).attempts, 1, code);
    }
  });

  it("honours Retry-After, up to the cap", async () => {
    const after = (seconds: string): StoreAnswer =>
      new StoreAnswer({ status: 503, headers: new Map([["retry-after", seconds]]), body: "", receivedAt: new Date(0) });
    const short = { attempts: 5, baseMs: 100, capMs: 5000 };
    const waits: number[] = [];
    const tools = { random: () => 0, sleep: async (ms: number) => void waits.push(ms) };
    await assert.rejects(
      retry(() => Promise.reject(failing("slow-down", after("3"))), new AbortController().signal, short, tools),
    );
    assert.deepEqual(waits, [3000, 3000, 3000, 3000]);
    assert.deepEqual((await waitsOf(failing("slow-down", after("9999")), 0)).waits, [500, 500, 500, 500]);
  });

  it("gives what an attempt gives at last", async () => {
    let left = 2;
    const attempt = async (): Promise<string> => {
      left -= 1;
      if (left >= 0) throw failing("store-unavailable");
      return "done";
    };
    assert.equal(
      await retry(attempt, new AbortController().signal, POLICY, { random: () => 0, sleep: async () => undefined }),
      "done",
    );
  });

  it("an abort ends the wait at once, and the error is the abort's", async () => {
    const stop = new AbortController();
    const attempt = async (): Promise<never> => {
      if (stop.signal.aborted) throw failing("interrupted");
      setImmediate(() => stop.abort());
      throw failing("store-unavailable");
    };
    const long = { attempts: 3, baseMs: 3_600_000, capMs: 3_600_000 };
    await assert.rejects(retry(attempt, stop.signal, long, { ...systemRetryTools, random: () => 1 }), {
      code: "interrupted",
    });
  });
});
