import { writeDuration } from "../shared/config/units.ts";
import { AirlockError, isAirlockError, toAirlockError } from "../shared/errors.ts";
import { newToken } from "../shared/names.ts";
import type { Runner } from "./open-runner.ts";
import { encodingOf } from "./put-command.ts";
import { openSource, type Input } from "./put-source.ts";
import type { UploadSource } from "./publish-context.ts";
import { reportFailure } from "./report-runs.ts";
import { collectLog } from "./run-log.ts";
import type { CommandSet, PathsSet } from "./set-config.ts";
import type { FileIdentity } from "./set-state.ts";
import type { StraightThrough, WaitingObject } from "./spool.ts";

export interface RunOptions {
  /** Ends the run; what it has read so far is dropped. */
  readonly signal: AbortSignal;
  /** The planned time that it is for; null: not by schedule. */
  readonly planned: Date | null;
  /** Sees the source before it is read, and gives what is read instead: for progress. */
  readonly observe?: (source: UploadSource) => UploadSource;
}

/** A run that has been made: its object waits, claimed by this process, or went straight through. */
export interface RunMade {
  readonly id: string;
  readonly stored: WaitingObject | StraightThrough;
}

/**
 * Runs a set of commands or paths once, from its source into the spool. What fails is recorded and told.
 * @throws {AirlockError} `locked` when it is being run already
 */
export async function runSet(
  set: string,
  config: CommandSet | PathsSet,
  runner: Runner,
  options: RunOptions,
): Promise<RunMade> {
  const { sets, context } = runner;
  const { timing } = context;
  sets.enter(set, new Date(timing.now()));
  try {
    const limit = startLimit(config.timeLimitMs, runner);
    await using _ = limit;
    const signal = AbortSignal.any([options.signal, limit.signal]);
    const input: Input =
      config.kind === "paths"
        ? { kind: "archive", paths: config.paths, exclude: config.exclude }
        : { kind: "commands", commands: config.commands };
    return await runInput({ set, input, givenName: config.name, file: null }, runner, { ...options, signal });
  } finally {
    trying(runner, set, () => sets.leave(set));
  }
}

/** What the run's outcome does not depend on: where the disk is full, that is not what is to be reported of it. */
export function trying({ context }: Runner, set: string, note: () => void): void {
  try {
    note();
  } catch (error) {
    context.log.failure("failed", toAirlockError(error), { host: context.host, set });
  }
}

export interface RunInput {
  readonly set: string;
  readonly input: Input;
  readonly givenName: string | null;
  /** Of a watched folder. */
  readonly file: FileIdentity | null;
}

/** The part of a run that sets of all kinds have in common. */
export async function runInput(
  { set, input, givenName, file }: RunInput,
  runner: Runner,
  { signal, planned, observe = (source) => source }: RunOptions,
): Promise<RunMade> {
  const { config, sets, spool, io } = runner;
  const { timing, host } = runner.context;
  const startedAt = new Date(timing.now());
  const id = newToken();
  const runLog = collectLog(io.log, () => timing.now());
  const { log } = runLog;
  if (!sets.beginRun({ id, set, planned, startedAt, file })) {
    throw new AirlockError("locked", "another process has this file in hand", { subject: set });
  }
  log.info("run-begun", { host, set, run: id, planned: planned?.toISOString() ?? null });
  try {
    const { env, kill, stdin } = io;
    const encoding = encodingOf(config);
    const given = await openSource(input, { set, givenName, encoding, startedAt, env, kill, stdin, log });
    await using begun = await given.begin(signal);
    const stored = await spool.store(observe(begun.source), id, { ...runner.context, log, signal });
    if (stored.kind === "published") sets.markStored(id, stored.published);
    else log.info("run-waits", { host, set, run: id, bytes: stored.sizeBytes });
    trying(runner, set, () => sets.noteTail(id, runLog.tail()));
    return { id, stored };
  } catch (thrown) {
    const error = reasonOf(thrown, signal);
    const isOver = !isAirlockError(error, "interrupted", "source-changed");
    log.failure("run-failed", error, { host, set, run: id, durationMs: timing.now() - startedAt.getTime() });
    trying(runner, set, () => sets.dropRun(id, isOver ? "done" : "try-again"));
    if (isOver) reportFailure({ set, error, startedAt, tail: runLog.tail() }, runner);
    throw error;
  }
}

/** What an aborted step throws says only that it was aborted; the signal has the reason. */
function reasonOf(thrown: unknown, signal: AbortSignal): AirlockError {
  const error = toAirlockError(thrown);
  const reason: unknown = signal.reason;
  return error.code === "interrupted" && reason instanceof AirlockError ? reason : error;
}

function startLimit(limitMs: number, { context }: Runner): { readonly signal: AbortSignal } & AsyncDisposable {
  const limit = new AbortController();
  const stop = new AbortController();
  const ended = context.timing.sleep(limitMs, stop.signal).then(
    () =>
      limit.abort(
        new AirlockError(
          "time-limit",
          `not done within ${writeDuration(limitMs)}: it was ended, and nothing was stored`,
          {
            remedy: "find out what holds it up, or raise the set's timeLimit",
          },
        ),
      ),
    (error: unknown) => {
      if (!stop.signal.aborted) throw error;
    },
  );
  return {
    signal: limit.signal,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}
