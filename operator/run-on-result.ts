import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { formatDuration } from "../shared/config/units.ts";
import { AirlockError } from "../shared/errors.ts";

const MAX_OUTPUT_CHARACTERS = 1000;

export interface RunOptions {
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** A negative pid is a whole process group, see kill(2). */
  readonly kill: (pid: number, signal: NodeJS.Signals) => unknown;
  readonly now: () => number;
}

export interface CommandEnd {
  /** null: a signal ended it. */
  readonly exit: number | null;
  readonly durationMs: number;
  /** Why it does not count as passed; null where it does. */
  readonly error: AirlockError | null;
}

/** Runs a command in a folder, without a shell, with nothing to read, in a process group that does not outlive it. */
export async function runOnResult(command: readonly string[], options: RunOptions): Promise<CommandEnd> {
  const { folder, env, limitMs, signal, kill, now } = options;
  const [file = "", ...args] = command;
  signal.throwIfAborted(); // one that was aborted before would not say so again
  const begun = now();
  const child = spawn(file, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const said = collectTail(child.stdout, child.stderr);
  const endGroup = (): void => {
    if (child.pid === undefined) return;
    try {
      kill(-child.pid, "SIGKILL");
    } catch {
      // nobody is left in it
    }
  };
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    endGroup();
  }, limitMs);
  signal.addEventListener("abort", endGroup, { once: true });
  const { exit, how } = await new Promise<{ exit: number | null; how: string | null }>((resolve) => {
    child.once("error", (error) => resolve({ exit: null, how: `could not be started: ${error.message}` }));
    child.once("exit", endGroup);
    child.once("close", (code, killedBy) =>
      resolve({
        exit: code,
        how: code === 0 ? null : killedBy === null ? `exited with ${code}` : `was ended by ${killedBy}`,
      }),
    );
  });
  clearTimeout(timer);
  signal.removeEventListener("abort", endGroup);
  signal.throwIfAborted();
  const durationMs = Math.round(now() - begun);
  if (isLate) {
    const error = new AirlockError("time-limit", `the command took longer than ${formatDuration(limitMs)}`, {
      subject: file,
      remedy: "allow it more with --run-limit",
    });
    return { exit, durationMs, error };
  }
  if (how === null) return { exit, durationMs, error: null };
  const tail = said();
  const error = new AirlockError("command-failed", `the command ${how}${tail === "" ? "" : `: ${tail}`}`, {
    subject: file,
    remedy: "restore the object by hand, and see what the command makes of it",
  });
  return { exit, durationMs, error };
}

function collectTail(...streams: readonly Readable[]): () => string {
  let text = "";
  for (const stream of streams) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      text = (text + piece).slice(-MAX_OUTPUT_CHARACTERS);
    });
  }
  return () => text.trim();
}
