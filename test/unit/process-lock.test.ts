import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { isAirlockError } from "../../shared/errors.ts";
import { lockFolder } from "../../shared/process-lock.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "airlock-lock-"));
});
after(() => rm(folder, { recursive: true }));

interface Holder {
  readonly pid: number;
  readonly childPid: number;
  kill(): Promise<void>;
}

async function startHolder(...args: string[]): Promise<Holder> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "lock-holder.ts"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  const line = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  const match = /^locked (\d*)$/.exec(String(line.value));
  assert.ok(match !== null && child.pid !== undefined);
  return {
    pid: child.pid,
    childPid: Number(match[1]),
    async kill() {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

test("a second process is refused at once, by the pid of the first", async () => {
  const inside = join(folder, "two");
  const holder = await startHolder(inside);
  try {
    await assert.rejects(lockFolder(inside, process.pid), (error) => {
      assert.ok(isAirlockError(error, "locked"));
      assert.equal(error.message, `process ${holder.pid} is at work in this folder`);
      assert.equal(error.subject, inside);
      return true;
    });
  } finally {
    await holder.kill();
  }
});

test("a process that is killed leaves no lock behind, even while its child lives on", async () => {
  const inside = join(folder, "killed");
  const holder = await startHolder(inside, "with-child");
  await holder.kill();
  try {
    process.kill(holder.childPid, 0); // throws if it is gone
    using _lock = await lockFolder(inside, process.pid);
    assert.equal(await readFile(join(inside, "lock.pid"), "utf8"), `${process.pid}\n`);
  } finally {
    process.kill(holder.childPid, "SIGKILL");
  }
});

test("one process cannot take a folder twice, until it lets go", async () => {
  const inside = join(folder, "once");
  const lock = await lockFolder(inside, 42);
  await assert.rejects(
    lockFolder(inside, 43),
    (error) => isAirlockError(error, "locked") && /process 42/.test(error.message),
  );
  lock.release();
  lock.release();
  using _again = await lockFolder(inside, 44);
  await assert.rejects(
    lockFolder(inside, 45),
    (error) => isAirlockError(error, "locked") && /process 44/.test(error.message),
  );
});

test("of many that ask at once, one gets it", async () => {
  const inside = join(folder, "many");
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, index) => lockFolder(inside, index)));
  const got = outcomes.filter((outcome) => outcome.status === "fulfilled");
  assert.equal(got.length, 1);
  got[0]?.value.release();
});

test("the folder is made for its owner alone", async () => {
  const inside = join(folder, "made", "deep");
  using _lock = await lockFolder(inside, process.pid);
  assert.equal((await stat(inside)).mode & 0o777, 0o700);
  assert.equal((await stat(join(inside, "lock.pid"))).mode & 0o777, 0o600);
});

test("a folder that cannot be one is a fault of the configuration", async () => {
  const file = join(folder, "file");
  await writeFile(file, "");
  for (const impossible of [file, join(file, "below")]) {
    await assert.rejects(lockFolder(impossible, process.pid), (error) => {
      return isAirlockError(error, "config-invalid") && error.subject === impossible;
    });
  }
});

test("a file of another kind under the lock's name is not taken for a lock", async () => {
  const inside = await mkdtemp(join(folder, "junk-"));
  await writeFile(join(inside, "lock"), "not a database, and long enough to be looked at as one".repeat(100));
  await assert.rejects(lockFolder(inside, process.pid), (error) => isAirlockError(error, "config-invalid"));
});
