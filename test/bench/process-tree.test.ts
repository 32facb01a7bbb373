import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { requireLinux, watchProcessTree } from "./process-tree.ts";

/** Holds 64 MiB and works for 300 ms of CPU time. */
const BUSY = `
  const held = Buffer.alloc(64 * 2 ** 20, 1);
  while (process.cpuUsage().user + process.cpuUsage().system < 300_000) held[0]++;
`;
const MiB = 2 ** 20;

/** `done` on its standard output, and then it waits for the end of its standard input. */
function startChild(code: string) {
  const child = spawn(process.execPath, ["-e", `${code};process.stdout.write("done");process.stdin.resume();`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  assert.ok(child.pid !== undefined);
  return { child, pid: child.pid };
}

test("what a process holds and works is seen", { skip: process.platform !== "linux" }, async () => {
  const { child, pid } = startChild(BUSY);
  using watch = watchProcessTree(pid, 10);
  await once(child.stdout, "data");
  await waitFor(() => watch.use.cpuSeconds >= 0.3 && watch.use.peakResidentBytes > 64 * MiB);
  child.stdin.end();
  await once(child, "exit");
});

test(
  "what a child of it holds and works is seen too, and not forgotten when the child ends",
  { skip: process.platform !== "linux" },
  async () => {
    const inner = JSON.stringify(BUSY);
    const { child, pid } = startChild(`require("node:child_process").spawnSync(process.execPath, ["-e", ${inner}])`);
    using watch = watchProcessTree(pid, 10);
    await once(child.stdout, "data");
    await waitFor(() => watch.use.cpuSeconds >= 0.3);
    // the outer one alone is far below
    assert.ok(watch.use.peakResidentBytes > 64 * MiB + 30 * MiB, `${watch.use.peakResidentBytes} bytes`);
    child.stdin.end();
    await once(child, "exit");
  },
);

test("elsewhere than on Linux it says what is missing", () => {
  assert.throws(() => requireLinux("darwin"), /read from \/proc, which darwin does not have/);
});

/** Fails with the test's own time-out; there is no event for what the operating system counts. */
async function waitFor(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "not seen within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
