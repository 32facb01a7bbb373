/** The embedded server stands in for AWS in all other tests, so it has to answer each question as AWS does. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startEmbedded } from "../servers/embedded.ts";
import type { RunningServer } from "../servers/server.ts";
import { openBench } from "./bench.ts";
import type { Bench } from "./bench.ts";
import { AREAS } from "./checks.ts";
import { ask } from "./run-checks.ts";

describe("the embedded server answers as AWS does", () => {
  let server: RunningServer;
  let bench: Bench;
  before(async () => {
    server = await startEmbedded();
    bench = openBench(server);
  });
  after(async () => {
    await bench.close();
    await server[Symbol.asyncDispose]();
  });

  for (const { title, checks } of AREAS) {
    describe(title, () => {
      for (const check of checks) {
        test(check.question, async () => {
          assert.equal(await ask(bench, check), check.aws);
        });
      }
    });
  }
});
