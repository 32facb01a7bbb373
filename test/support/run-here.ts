/**
 * The mover's `run` and the operator's `verify` and `kit` within the test's own process: all of the program but its command line,
 * many times faster than a process of its own, and with connections that a test may shorten.
 */
import { PassThrough } from "node:stream";
import type { Io } from "../../shared/cli.ts";
import { exitCodeOf, toAirlockError, type AirlockError, type ExitCode } from "../../shared/errors.ts";
import type { Event, Fields, Log } from "../../shared/log.ts";
import { realTiming, type Timing } from "../../shared/retry.ts";
import type { Connecting } from "../../mover/open-stores.ts";
import { runRun } from "../../mover/run-command.ts";
import { runKit, type KitOptions } from "../../operator/kit-command.ts";
import { runVerify } from "../../operator/verify-command.ts";
import type { World } from "./world.ts";

export interface LoggedEvent {
  readonly event: Event;
  readonly code: string | null;
  readonly fields: Fields;
}

export interface RanHere {
  readonly exit: ExitCode;
  readonly error: AirlockError | null;
  readonly events: readonly LoggedEvent[];
  /** What stands on standard output under --json. */
  readonly printed: readonly unknown[];
}

export interface RunHereOptions {
  readonly connecting?: Connecting;
  readonly timing?: Timing;
  /** Segments between two checkpoints. */
  readonly checkpointEvery?: number;
  /** Default: true. */
  readonly once?: boolean;
  readonly drain?: AbortSignal;
  readonly abort?: AbortSignal;
  readonly onEvent?: (event: LoggedEvent) => void;
  /** null, as by default: nothing is ever there. */
  readonly stdin?: string | null;
}

/** So short that a store which hangs costs a test a second, and long enough for a machine that is busy. */
export const SHORT: Connecting = {
  timeouts: { connectMs: 5_000, idleMs: 1_000 },
  retry: { attempts: 4, baseMs: 10, capMs: 50 },
};

const SPEED = 20;
const loadedAtMs = Date.now();

/** Time as the mover sees it runs twenty times as fast: what it waits for is over soon. */
export const HURRIED: Timing = {
  now: () => loadedAtMs + (Date.now() - loadedAtMs) * SPEED,
  random: realTiming.random,
  sleep: (durationMs, signal) => realTiming.sleep(durationMs / SPEED, signal),
};

/** Time as it would be so much later. */
export function later(aheadMs: number): Timing {
  return { ...realTiming, now: () => Date.now() + aheadMs };
}

export function runMoverHere(world: Pick<World, "moverConfig">, options: RunHereOptions = {}): Promise<RanHere> {
  const { once = true, connecting = SHORT, timing = realTiming, checkpointEvery } = options;
  const surroundings = { connecting, timing, ...(checkpointEvery === undefined ? {} : { checkpointEvery }) };
  const run = (io: Io): Promise<void> => runRun(io, once ? { once } : {}, process.pid, surroundings);
  return runHere(world.moverConfig, run, options);
}

/** `airlock verify --read` */
export function verifyHere(world: Pick<World, "operatorConfig">): Promise<RanHere> {
  return runHere(world.operatorConfig, (io) => runVerify(io, { read: true }), {});
}

/** `airlock kit` */
export function kitHere(
  world: Pick<World, "operatorConfig">,
  options: KitOptions,
  stdin: string | null = null,
): Promise<RanHere> {
  return runHere(world.operatorConfig, (io) => runKit(io, options), { stdin });
}

async function runHere(configFile: string, run: (io: Io) => Promise<void>, options: RunHereOptions): Promise<RanHere> {
  const events: LoggedEvent[] = [];
  const printed: unknown[] = [];
  let exit: ExitCode = 0;
  const note = (event: Event, code: string | null, fields: Fields = {}): void => {
    const line = { event, code, fields };
    events.push(line);
    options.onEvent?.(line);
  };
  const log: Log = {
    debug: () => undefined,
    info: (event, fields) => note(event, null, fields),
    warn: (event, fields) => note(event, null, fields),
    error: (event, fields) => note(event, null, fields),
    failure: (event, error, fields) => note(event, error.code, { ...fields, reason: error.message }),
    flush: () => undefined,
  };
  const never = new AbortController().signal;
  const io: Io = {
    configFile,
    json: true,
    log,
    isLogLevelGiven: false,
    env: {},
    kill: (pid, signal) => process.kill(pid, signal),
    stdin: typeof options.stdin === "string" ? new PassThrough().end(options.stdin) : new PassThrough(),
    stdout: new PassThrough().resume(),
    stderr: new PassThrough().resume(),
    stdinIsTty: false,
    stdoutIsTty: false,
    stderrIsTty: false,
    drain: options.drain ?? never,
    abort: options.abort ?? never,
    onHangup: () => undefined,
    print: (value) => void printed.push(value),
    exitWith: (code) => {
      exit = code;
    },
  };
  try {
    await run(io);
    return { exit, error: null, events, printed };
  } catch (thrown) {
    const error = toAirlockError(thrown);
    return { exit: exitCodeOf(error), error, events, printed };
  }
}
