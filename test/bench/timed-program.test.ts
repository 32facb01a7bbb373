import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, watch } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { runTimed } from "./timed-program.ts";

const env = { PATH: process.env["PATH"] };
const MiB = 2 ** 20;
const { signal } = new AbortController();

/** One that has ended counts as ended even while nobody has waited for it. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return false;
    throw error;
  }
}

describe("runTimed", { skip: process.platform !== "linux" }, () => {
  it("measures a program from its start to its end, with what it wrote, held and worked", async () => {
    const code = `
      const held = Buffer.alloc(64 * 2 ** 20, 1);
      while (process.cpuUsage().user + process.cpuUsage().system < 400_000) held[0]++;
      setTimeout(() => process.stdout.write("done"), 300);
    `;
    const run = await runTimed(process.execPath, ["-e", code], env, signal);
    assert.equal(run.stdout, "done");
    assert.ok(run.seconds >= 0.7, `${run.seconds} s`);
    // the system counts whole hundredths, of the user's and its own time each
    assert.ok(run.cpuSeconds >= 0.38 && run.cpuSeconds < run.seconds * 8, `${run.cpuSeconds} s`);
    assert.ok(run.peakResidentBytes > 64 * MiB, `${run.peakResidentBytes} bytes`);
  });

  it("gives a program no more of the environment than it is told", async () => {
    const { stdout } = await runTimed("env", [], { ONLY: "this" }, signal);
    assert.equal(stdout, "ONLY=this\n");
  });

  it("throws for a program that fails, with what it said", async () => {
    await assert.rejects(runTimed("bash", ["-c", "echo why >&2; exit 3"], env, signal), /bash ended with 3: why/);
  });

  it("throws for a program that is not there", async () => {
    await assert.rejects(runTimed("/nowhere/at-all", [], env, signal), /ENOENT/);
  });

  it("ends the program and all that it started when it is stopped", async () => {
    const stop = new AbortController();
    const folder = await mkdtemp(join(tmpdir(), "airlock-timed-"));
    try {
      const file = join(folder, "pids");
      const written = waitForLine(folder, file);
      const script = `sleep 300 & echo $! $$ >"$1"; wait`;
      const run = runTimed("bash", ["-c", script, "bash", file], env, stop.signal);
      const stopped = assert.rejects(run, /stopped/);
      const pids = (await written).split(" ").map(Number);
      assert.equal(pids.length, 2);
      stop.abort(new Error("stopped"));
      await stopped;
      for (const pid of pids) await waitForEnd(pid);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** There is no event for the end of somebody else's child; a kill takes a moment. */
async function waitForEnd(pid: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (isAlive(pid)) {
    assert.ok(Date.now() < deadline, `${pid} lives`);
    await setTimeout(10);
  }
}

async function waitForLine(folder: string, file: string): Promise<string> {
  for await (const _ of watch(folder, { signal: AbortSignal.timeout(10_000) })) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (text.endsWith("\n")) return text.trim();
  }
  throw new Error("the folder is no longer watched");
}
