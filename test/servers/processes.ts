/**
 * Background processes that outlive the program that starts them, each recorded in a file of its run folder before
 * anything waits for it: whatever happens to the starter, `servers:down` finds exactly these processes again. Linux
 * only: a process is known by its id together with its start time, as /proc shows them, so that an id that was given
 * to somebody else in the meantime is never signalled.
 */
import { spawn } from "node:child_process";
import { openSync, closeSync, appendFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const RECORD = "processes";

export interface BackgroundProcess {
  /** What the log and the messages call it. */
  readonly label: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Where the process is recorded and its log is written. */
  readonly runFolder: string;
}

export async function startRecorded(process_: BackgroundProcess): Promise<void> {
  const { label, command, args, runFolder } = process_;
  const log = openSync(join(runFolder, `${label}.log`), "a");
  try {
    const child = spawn(command, args, {
      detached: true,
      stdio: ["ignore", log, log],
      env: process_.env ?? process.env,
      cwd: runFolder,
    });
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    if (child.pid === undefined) throw new Error(`${command} was spawned without a process id`);
    const started = await startTimeOf(child.pid);
    if (started === null) throw new Error(`${label} ended at once: ${await logTail(runFolder, label)}`);
    appendFileSync(join(runFolder, RECORD), `${child.pid} ${started} ${label}\n`);
    child.unref();
  } finally {
    closeSync(log);
  }
}

/** Ends the recorded processes of a run folder, last started first: SIGTERM, then SIGKILL for what is left. */
export async function stopRecorded(runFolder: string): Promise<void> {
  const recorded = await readRecord(runFolder);
  for (const one of recorded.toReversed()) await signal(one, "SIGTERM");
  for (const one of recorded.toReversed()) {
    const ended = await until(async () => !(await isAlive(one)), 10_000);
    if (ended) continue;
    await signal(one, "SIGKILL");
    if (!(await until(async () => !(await isAlive(one)), 5_000))) {
      throw new Error(`process ${one.pid} (${one.label}) did not end`);
    }
  }
}

export async function anyAlive(runFolder: string): Promise<boolean> {
  for (const one of await readRecord(runFolder)) if (await isAlive(one)) return true;
  return false;
}

/** Waits for a port of 127.0.0.1 to accept connections, and fails at once when the process that should listen has ended. */
export async function waitForPort(port: number, runFolder: string, label: string, timeoutMs = 60_000): Promise<void> {
  const listening = await until(async () => {
    const isThere = await accepts(port);
    // Looked at second: somebody else may have been given the port, and then ours ends.
    for (const one of await readRecord(runFolder)) {
      if (one.label === label && !(await isAlive(one))) {
        throw new Error(`${label} ended before it listened: ${await logTail(runFolder, label)}`);
      }
    }
    return isThere;
  }, timeoutMs);
  if (!listening) throw new Error(`${label} did not listen within ${timeoutMs} ms: ${await logTail(runFolder, label)}`);
}

/** Asks again every 50 ms; these are not our children, so there is no event to wait for. */
export async function until(condition: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await condition()) return true;
    if (Date.now() >= deadline) return false;
    await delay(50);
  }
}

/** A port that was free a moment ago: for servers that can't be told to choose one and say which. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}

interface Recorded {
  readonly pid: number;
  readonly started: string;
  readonly label: string;
}

async function readRecord(runFolder: string): Promise<Recorded[]> {
  const lines = (await readIfThere(join(runFolder, RECORD))) ?? "";
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [pid = "", started = "", label = ""] = line.split(" ");
      return { pid: Number(pid), started, label };
    });
}

async function isAlive(one: Recorded): Promise<boolean> {
  return (await startTimeOf(one.pid)) === one.started;
}

async function signal(one: Recorded, name: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (!(await isAlive(one))) return;
  try {
    process.kill(one.pid, name);
  } catch (error) {
    // It ended between the look and the signal.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Field 22 of /proc/PID/stat (proc(5)), in clock ticks since boot; null when it has ended, a zombie included. */
async function startTimeOf(pid: number): Promise<string | null> {
  const stat = await readIfThere(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The second field, the name in parentheses, may hold anything; the third one follows the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? null : (fields[19] ?? null);
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    // ESRCH: the process ended while its file was being read.
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return null;
    throw error;
  }
}

async function logTail(runFolder: string, label: string): Promise<string> {
  return ((await readIfThere(join(runFolder, `${label}.log`))) ?? "").slice(-1_000).trim() || "(its log is empty)";
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", timeout: 1_000 });
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false));
  });
}
