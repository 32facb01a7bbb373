import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { AirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import type { Log } from "../shared/log.ts";

/** Between SIGTERM and SIGKILL, for a program whose output nobody wants any more. */
const TERM_GRACE_MS = 5_000;
/** How long what a program started may keep its output open without writing, once the program itself has ended. */
const SILENCE_MS = 60_000;
/** The same for standard error, of which nothing depends. */
const STDERR_GRACE_MS = 1_000;
const MAX_LINE_CHARACTERS = 1_000;
const MAX_LINES = 1_000;
const LINES_REMEMBERED = 3;

/** Of `process`: a negative pid is a whole process group, see kill(2). */
export type Kill = (pid: number, signal: NodeJS.Signals) => unknown;

export interface ProgramOptions {
  readonly file: string;
  readonly args: readonly string[];
  /** `ignore`: the program also gets a process group of its own, and no terminal. */
  readonly stdin: "inherit" | "ignore";
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly kill: Kill;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Whether a line of its standard error is worth logging. */
  readonly isWorthLogging?: (line: string) => boolean;
  /** Called after all output, once the program has ended; throws unless that makes the output whole. */
  readonly judge: (end: ProgramEnd) => void;
}

export interface ProgramEnd {
  readonly exitCode: number | null;
  readonly signalName: NodeJS.Signals | null;
  /** What it said last on standard error. */
  readonly lastLines: readonly string[];
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/**
 * A program's standard output, run without a shell. It ends only when the program has ended and `judge` is content;
 * a reader that stops early, or an abort, ends the program, with all that it started where the group is its own.
 * @throws {AirlockError} `command-failed` when the program can't be started; whatever `judge` throws
 */
export async function* readProgram(options: ProgramOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { file, signal, judge } = options;
  const ownGroup = options.stdin === "ignore";
  const child = spawn(file, options.args, {
    stdio: [options.stdin, "pipe", "pipe"],
    env: { ...options.env },
    shell: false,
    detached: ownGroup,
  });
  // Attached before anything is awaited: an end that nobody listens to yet would be waited for in vain. That it can't be
  // started is told by `started`.
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lastLines = logLines(child.stderr, options);
  const end = (): void => endProgram(child, ownGroup, options.kill);
  signal.addEventListener("abort", end, { once: true });
  try {
    await started(child, file);
    if (signal.aborted) end();
    for await (const chunk of readOutput(child, file)) yield chunk;
    await exited;
    await Promise.race([closed, sleep(STDERR_GRACE_MS)]);
    child.stderr.destroy();
    if (signal.aborted) throw new AirlockError("interrupted", "interrupted", { cause: signal.reason });
    judge({ exitCode: child.exitCode, signalName: child.signalCode, lastLines });
  } catch (error) {
    // what ended because of the abort failed because of it
    if (signal.aborted) throw new AirlockError("interrupted", "interrupted", { cause: signal.reason });
    throw error;
  } finally {
    signal.removeEventListener("abort", end);
    if (child.pid !== undefined) {
      if (child.exitCode === null && child.signalCode === null) end();
      child.stdout.destroy();
      child.stderr.destroy();
      await exited;
    }
  }
}

/**
 * What the program writes, up to the end of that. A program that has ended may have started others which hold its output
 * open: as long as they write it goes on, and when they don't nobody can tell whether it is whole.
 */
async function* readOutput(child: Child, file: string): AsyncGenerator<Uint8Array, void, undefined> {
  let isReading = true;
  let timer: NodeJS.Timeout | null = null;
  const watch = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => {
      if (!isReading) return watch();
      child.stdout.destroy(
        new AirlockError("command-failed", "it has ended, but something that it started keeps its output open", {
          subject: file,
          remedy: "close standard output in what it leaves behind (>&-), or wait for that before it ends",
        }),
      );
    }, SILENCE_MS).unref();
  };
  child.once("exit", watch);
  try {
    for await (const chunk of child.stdout) {
      isReading = false;
      yield toBytes(chunk);
      isReading = true;
      if (timer !== null) watch();
    }
  } finally {
    child.off("exit", watch);
    if (timer !== null) clearTimeout(timer);
  }
}

async function started(child: Child, file: string): Promise<void> {
  try {
    await once(child, "spawn");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new AirlockError("command-failed", `the program can't be started (${code})`, {
      subject: file,
      remedy: "check its name, and that it is installed and executable for this user",
      cause,
    });
  }
}

/** What it started may outlive it and hold its output: the group is killed too, and then nothing of it is waited for. */
function endProgram(child: Child, ownGroup: boolean, kill: Kill): void {
  const { pid } = child;
  if (pid === undefined) return;
  const send = (name: NodeJS.Signals): void => {
    if (!ownGroup) child.kill(name);
    else killGroup(pid, name, kill);
  };
  send("SIGTERM");
  const timer = setTimeout(() => {
    send("SIGKILL");
    child.stdout.destroy();
  }, TERM_GRACE_MS);
  child.once("close", () => clearTimeout(timer));
}

function killGroup(pid: number, name: NodeJS.Signals, kill: Kill): void {
  try {
    kill(-pid, name);
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error; // the whole group has ended
  }
}

/** Its standard error, to the log. Returns the list of the last few lines, which grows. */
function logLines(stderr: Readable, { file, log, isWorthLogging = () => true }: ProgramOptions): readonly string[] {
  const last: string[] = [];
  const logLine = createLineLog(log, "program-stderr", file);
  splitLines(stderr, (text) => {
    const line = text.slice(0, MAX_LINE_CHARACTERS);
    if (line === "" || !isWorthLogging(line)) return;
    last.push(line);
    if (last.length > LINES_REMEMBERED) last.shift();
    logLine(line);
  });
  return last;
}

/** Lines go to the log as they come, bounded in number. */
function createLineLog(log: Log, event: "program-stderr" | "program-stdout", program: string): (line: string) => void {
  let count = 0;
  return (line) => {
    count++;
    if (count <= MAX_LINES) log.info(event, { program, line });
    if (count === MAX_LINES) log.warn(event, { program, line: `more than ${MAX_LINES} lines: no more are logged` });
  };
}

/** Runs a program for what it does: its standard output goes to the log as well. */
export async function runProgram(options: ProgramOptions): Promise<void> {
  const logLine = createLineLog(options.log, "program-stdout", options.file);
  const lines = Readable.from(readProgram(options), { objectMode: false });
  const ended = finished(lines);
  splitLines(lines, (text) => {
    if (text !== "") logLine(text.slice(0, MAX_LINE_CHARACTERS));
  });
  await ended;
}

/** Like readline, but a line without end is cut instead of kept. */
function splitLines(stream: Readable, onLine: (line: string) => void): void {
  let pending = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (pending + text).split(/\r?\n|\r/);
    pending = (lines.pop() ?? "").slice(0, MAX_LINE_CHARACTERS);
    for (const line of lines) onLine(line);
  });
  stream.on("end", () => onLine(pending));
  // A broken pipe to a program that has ended says nothing that its exit does not.
  stream.on("error", () => onLine(pending));
}

function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError("standard output is read as bytes");
}
