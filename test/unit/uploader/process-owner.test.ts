import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { isOwnerAlive, ownerOf } from "../../../uploader/process-owner.ts";

test("a process that has ended is gone, though nobody has asked for its exit code", async () => {
  // the shell becomes a program that knows nothing of the child that it had before
  const parent = spawn("sh", ["-c", "sleep 0.3 & echo $!; exec sleep 30"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const line = await createInterface({ input: parent.stdout })[Symbol.asyncIterator]().next();
    const pid = Number(line.value);
    const owner = ownerOf(pid);
    assert.equal(isOwnerAlive(owner), true);
    for (let waits = 0; !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "); waits++) {
      assert.ok(waits < 500, "it never became a zombie");
      await sleep(20);
    }
    assert.equal(isOwnerAlive(owner), false);
  } finally {
    const exited = once(parent, "exit");
    parent.kill("SIGKILL");
    await exited;
  }
});
