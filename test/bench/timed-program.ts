/** One program, with whatever it starts, from its start to its end. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { watchProcessTree, type TreeUse } from "./process-tree.ts";

/** Often enough that little of a short run goes unseen; a look costs far less. */
const LOOK_MS = 25;

export interface ProgramRun extends TreeUse {
  readonly seconds: number;
  readonly stdout: string;
}

/** @throws when it ends otherwise than with exit 0, with the end of what it wrote to its standard error */
export async function runTimed(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<ProgramRun> {
  const startedAtMs = performance.now();
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const exited = once(child, "exit");
  const { pid } = child;
  if (pid === undefined) {
    await exited; // throws why
    throw new Error(`${command} could not be started`);
  }
  // the whole group: a shell that is killed leaves its pipeline running
  const stop = (): void => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, "SIGKILL");
  };
  signal.addEventListener("abort", stop);
  try {
    using watch = watchProcessTree(pid, LOOK_MS);
    const ended = exited.then(() => (performance.now() - startedAtMs) / 1000);
    const [seconds, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    signal.throwIfAborted();
    if (child.exitCode !== 0) throw new Error(`${command} ended with ${child.exitCode}: ${stderr.slice(-2000)}`);
    return { ...watch.use, seconds, stdout };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
