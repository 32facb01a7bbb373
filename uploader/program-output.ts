import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";

/** Between SIGTERM and SIGKILL, for a program whose output nobody wants any more. */
const TERM_GRACE_MS = 5_000;
const MAX_LINE_CHARACTERS = 1_000;
const MAX_LINES = 1_000;
const LINES_REMEMBERED = 3;

export interface ProgramOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly stdin: "inherit" | "ignore";
  readonly env: Readonly<Record<string, string | undefined>>;
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

/**
 * A program's standard output, run without a shell. It ends only when the program has ended and `judge` is content;
 * a reader that stops early, or an abort, ends the program.
 * @throws {AirlockError} `command-failed` when the program can't be started; whatever `judge` throws
 */
export async function* readProgram(options: ProgramOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const child = spawn(options.file, options.args, {
    stdio: [options.stdin, "pipe", "pipe"],
    env: { ...options.env },
    shell: false,
  });
  // Attached before anything is awaited: an end that nobody listens to yet would be waited for in vain. That it can't be
  // started is told by `started`.
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lastLines = logLines(child.stderr, options);
  const kill = (): void => endProgram(child);
  options.signal.addEventListener("abort", kill, { once: true });
  try {
    await started(child, options.file);
    if (options.signal.aborted) kill();
    for await (const chunk of child.stdout) yield toBytes(chunk);
    await ended;
    if (options.signal.aborted) throw new AirlockError("interrupted", "interrupted", { cause: options.signal.reason });
    options.judge({ exitCode: child.exitCode, signalName: child.signalCode, lastLines });
  } finally {
    options.signal.removeEventListener("abort", kill);
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      kill();
      child.stdout.destroy();
      await ended;
    }
  }
}

async function started(child: ChildProcessByStdio<null, Readable, Readable>, file: string): Promise<void> {
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

function endProgram(child: ChildProcessByStdio<null, Readable, Readable>): void {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), TERM_GRACE_MS);
  child.once("exit", () => clearTimeout(timer));
}

/** Lines go to the log as they come, bounded in length and number. Returns the list of the last few, which grows. */
function logLines(stderr: Readable, { file, log, isWorthLogging = () => true }: ProgramOptions): readonly string[] {
  const last: string[] = [];
  let count = 0;
  const logLine = (text: string): void => {
    const line = text.slice(0, MAX_LINE_CHARACTERS);
    if (line === "" || !isWorthLogging(line)) return;
    last.push(line);
    if (last.length > LINES_REMEMBERED) last.shift();
    count++;
    if (count <= MAX_LINES) log.info("program-stderr", { program: file, line });
    if (count === MAX_LINES)
      log.warn("program-stderr", { program: file, line: `more than ${MAX_LINES} lines: no more are logged` });
  };
  splitLines(stderr, logLine);
  return last;
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
