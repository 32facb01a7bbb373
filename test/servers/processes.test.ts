import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { anyAlive, startRecorded, stopRecorded, waitForPort } from "./processes.ts";

describe("recorded processes", () => {
  let runFolder: string;
  beforeEach(async () => {
    runFolder = await mkdtemp(join(tmpdir(), "airlock-processes-"));
  });
  afterEach(async () => {
    await stopRecorded(runFolder);
    await rm(runFolder, { recursive: true });
  });

  test("are ended by whoever finds the record", async () => {
    await startRecorded({ label: "one", command: "sleep", args: ["600"], runFolder });
    await startRecorded({ label: "two", command: "sleep", args: ["600"], runFolder });
    assert.equal(await anyAlive(runFolder), true);
    await stopRecorded(runFolder);
    assert.equal(await anyAlive(runFolder), false);
  });

  test("are known by their start time: a process that only has the id is left alone", async () => {
    await appendFile(join(runFolder, "processes"), `${process.pid} 1 somebody-else\n`);
    assert.equal(await anyAlive(runFolder), false);
    // Would end this very test.
    await stopRecorded(runFolder);
  });

  test("that end before they listen are reported at once, with the end of their log", async () => {
    const start = { label: "brief", command: "sh", args: ["-c", "sleep 0.2; echo no such thing; exit 3"], runFolder };
    await startRecorded(start);
    await assert.rejects(waitForPort(1, runFolder, "brief"), /brief ended before it listened: no such thing/);
  });
});
