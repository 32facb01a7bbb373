/**
 * What the three programs share: global options, results on standard output, errors as people and programs read them,
 * signals, exit codes. The process is passed in; only a role's `main.ts` has it.
 */
import type { Readable, Writable } from "node:stream";
import { Command, CommanderError, Option } from "commander";
import { AirlockError, exitCodeOf, toAirlockError, type ExitCode } from "./errors.ts";
import { createLog, LOG_LEVELS, type Log, type LogLevel } from "./log.ts";
import { errorValue, formatError } from "./output.ts";
import { listenForSignals, type Shutdown, type SignalSource } from "./shutdown.ts";

type InputStream = Readable & { readonly isTTY?: boolean };
type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };

/** The part of `process` that is used here. */
export interface ProgramProcess extends SignalSource {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly report?: { reportOnFatalError: boolean; reportOnSignal: boolean; reportOnUncaughtException: boolean };
  on(event: "SIGTERM" | "SIGINT" | "SIGHUP", listener: () => void): unknown;
  on(event: "unhandledRejection" | "uncaughtException", listener: (reason: unknown) => void): unknown;
  on(event: "beforeExit", listener: () => void): unknown;
  umask(mask: number): unknown;
  kill(pid: number, signal: NodeJS.Signals): unknown;
  exit(code: ExitCode): void;
}

/** What a command has of the world. Options are known once a command runs, not while commands are declared. */
export interface Io {
  readonly configFile: string;
  readonly json: boolean;
  readonly log: Log;
  /** Whether somebody asked for a level of logging, or it is the default. */
  readonly isLogLevelGiven: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A negative pid is a whole process group, see kill(2). */
  readonly kill: (pid: number, signal: NodeJS.Signals) => unknown;
  readonly stdin: InputStream;
  /** For bytes that are the result (`restore` to a pipe); everything else goes through {@link Io.print}. */
  readonly stdout: OutputStream;
  /** For progress and questions. */
  readonly stderr: OutputStream;
  readonly stdinIsTty: boolean;
  readonly stdoutIsTty: boolean;
  readonly stderrIsTty: boolean;
  /** Reading it says that the command can drain: the first signal then aborts this one only. */
  readonly drain: AbortSignal;
  /** Aborted by the second signal, or by the first where nobody reads `drain`. */
  readonly abort: AbortSignal;
  /** From now on SIGHUP calls this and ends nothing. */
  onHangup(listener: () => void): void;
  /** A result: `value` as one line of JSON under `--json`, otherwise `text` (a newline is added where none ends it). */
  print(value: unknown, text: string | (() => string)): void;
  /** How the program ends when the command does not throw (`status` with exit 5). */
  exitWith(code: ExitCode): void;
}

export interface ProgramOptions {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** Where the configuration is without `--config`. */
  readonly defaultConfig: string;
  readonly process: ProgramProcess;
  /** Declares the commands, each with an action that returns a promise. */
  readonly commands: (program: Command, io: Io) => void;
}

/** Runs one command to its end, and then ends the process with its exit code. */
export async function runProgram(options: ProgramOptions): Promise<void> {
  const { name, process } = options;
  protectProcess(process);
  const outcome: Outcome = { exit: 0, quiet: false };
  const shutdown = listenForSignals(process, () => process.exit(1));
  const program = declareProgram(options);
  const io = createIo(program, process, shutdown, outcome);

  const report = (thrown: unknown): ExitCode => {
    const error = thrown instanceof CommanderError ? usageError(thrown, name) : causeOf(thrown, shutdown.abort);
    if (error === null) return 0;
    if (outcome.quiet) return 1;
    // the option may stand behind the very mistake that is reported
    if (io.json || asksForJson(process.argv)) process.stdout.write(`${JSON.stringify(errorValue(error))}\n`);
    else process.stderr.write(formatError(name, error));
    return exitCodeOf(error);
  };
  const failNow = (thrown: unknown): void => process.exit(report(thrown));
  process.on("unhandledRejection", failNow);
  process.on("uncaughtException", failNow);
  process.on("beforeExit", () => failNow(new Error("the command never ended")));
  guardOutput(process, shutdown, outcome);

  let exit: ExitCode;
  try {
    refuseUnverifiedTls(process.env);
    options.commands(program, io);
    inheritOutcomes(program);
    await program.parseAsync(process.argv, { from: "node" });
    exit = outcome.quiet ? 1 : outcome.exit;
  } catch (error) {
    exit = report(error);
  }
  await flush(process.stdout);
  process.exit(exit);
}

/** What is decided while a command runs. */
interface Outcome {
  exit: ExitCode;
  /** Whoever read our output has gone: there is nobody to tell. */
  quiet: boolean;
}

/** Files are the user's own, and what is in memory stays there. A service's unit sets LimitCORE=0 as well. */
function protectProcess(process: ProgramProcess): void {
  process.umask(0o077);
  if (process.report === undefined) return;
  // a report holds the environment; --report-on-fatalerror and the like are taken back
  process.report.reportOnFatalError = false;
  process.report.reportOnSignal = false;
  process.report.reportOnUncaughtException = false;
}

function refuseUnverifiedTls(env: ProgramProcess["env"]): void {
  if (env.NODE_TLS_REJECT_UNAUTHORIZED !== "0") return;
  throw new AirlockError("config-invalid", "NODE_TLS_REJECT_UNAUTHORIZED=0 turns the verification of servers off", {
    remedy: "unset it, and name a private authority's certificate in NODE_EXTRA_CA_CERTS",
  });
}

/** The program without its commands. */
export function declareProgram(options: Omit<ProgramOptions, "commands">): Command {
  const { name, version, description, defaultConfig, process } = options;
  const level = new Option("--log-level <LEVEL>", "what is logged to standard error");
  return new Command(name)
    .version(version)
    .description(description)
    .option("--config <FILE>", "the configuration", defaultConfig)
    .option("--json", "one JSON value, or JSON lines, on standard output")
    .addOption(level.choices(LOG_LEVELS).default("info"))
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => process.stdout.write(text),
      writeErr: (text) => process.stderr.write(text),
      outputError: () => undefined, // reported below, in the same form as every other error
    })
    .exitOverride();
}

/** Commands that were made elsewhere and added do not have the program's settings yet. */
function inheritOutcomes(command: Command): void {
  for (const inner of command.commands) {
    inner.copyInheritedSettings(command);
    inheritOutcomes(inner);
  }
}

/** What an aborted step throws says only that it was aborted; the signal has the reason. */
function causeOf(thrown: unknown, abort: AbortSignal): AirlockError {
  const error = toAirlockError(thrown);
  const reason: unknown = abort.reason;
  return error.code === "interrupted" && reason instanceof AirlockError ? reason : error;
}

/** null for `--help` and `--version`, which are not errors. */
function usageError(error: CommanderError, name: string): AirlockError | null {
  if (error.exitCode === 0) return null;
  const message = error.code === "commander.help" ? "no command was given" : error.message.replace(/^error: /, "");
  return new AirlockError("usage", message, { remedy: `see ${name} --help` });
}

function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(2, end === -1 ? undefined : end).includes("--json");
}

function createIo(program: Command, process: ProgramProcess, shutdown: Shutdown, outcome: Outcome): Io {
  const options = program.opts.bind(program)<{ config: string; json?: true; logLevel: LogLevel }>;
  let log: Log | null = null;
  return {
    get configFile() {
      return options().config;
    },
    get json() {
      return options().json === true;
    },
    get log() {
      log ??= createLog({
        level: options().logLevel,
        pretty: process.stderr.isTTY === true && options().json !== true,
      });
      return log;
    },
    get isLogLevelGiven() {
      return program.getOptionValueSource("logLevel") === "cli";
    },
    env: process.env,
    kill: (pid, signal) => process.kill(pid, signal),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    stdinIsTty: process.stdin.isTTY === true,
    stdoutIsTty: process.stdout.isTTY === true,
    stderrIsTty: process.stderr.isTTY === true,
    get drain() {
      return shutdown.drain;
    },
    abort: shutdown.abort,
    onHangup: (listener) => shutdown.onHangup(listener),
    print(value, text) {
      if (outcome.quiet) return;
      const lines = this.json ? JSON.stringify(value) : typeof text === "string" ? text : text();
      process.stdout.write(lines.endsWith("\n") ? lines : `${lines}\n`);
    },
    exitWith(code) {
      outcome.exit = code;
    },
  };
}

/** `airlock ls | head`: a reader that has seen enough is no error to tell anybody about. */
function guardOutput(process: ProgramProcess, shutdown: Shutdown, outcome: Outcome): void {
  process.stdout.on("error", (error: Error) => {
    outcome.quiet ||= "code" in error && error.code === "EPIPE";
    shutdown.abortNow(new AirlockError("interrupted", "standard output cannot be written", { cause: error }));
  });
  // nobody is left to whom it could be said
  process.stderr.on("error", () => undefined);
}

function flush(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve();
    else stream.write("", () => resolve());
  });
}
