/**
 * The uploader's agent, as it is, in a process of its own whose time is not ours: Date tells the virtual time, and every
 * sleep is over when that has come so far. It goes on minute by minute, as fast as there is nothing to do; while a
 * command runs or a request is under way, it waits for that, for a little while.
 *
 * Started by `month.ts` with a configuration file and the time; talks to it by IPC.
 */
import { subscribe } from "node:diagnostics_channel";
import { PassThrough } from "node:stream";
import { mock } from "node:test";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import type { Io } from "../../../shared/cli.ts";
import { AirlockError, toAirlockError, type AirlockError as Failure } from "../../../shared/errors.ts";
import type { Event, Fields, Log } from "../../../shared/log.ts";
import type { Timing } from "../../../shared/retry.ts";
import { ownerOf } from "../../../uploader/process-owner.ts";
import { runRun } from "../../../uploader/run-command.ts";

/** What this process says. */
export type Said =
  | { readonly kind: "event"; readonly event: Event; readonly code: string | null; readonly fields: Fields }
  /** The clock shows this; it does not go on before `go`. */
  | { readonly kind: "time"; readonly nowMs: number }
  | { readonly kind: "ended"; readonly error: string | null };

/** What it is told. */
export type Told = { readonly kind: "go" } | { readonly kind: "drain" };

const TICK_MS = 60_000;
/** Between two times at which the other side's clock follows: S3 refuses requests signed 15 minutes ago. */
const TICKS_AT_ONCE = 10;
/** So long, in real time, a tick waits for what is under way: for ever, nearly, where it is this machine's alone. */
const PATIENCE_MS = { requests: 60, runs: 10_000 };

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

const [, , configFile = "", startMs = "0"] = process.argv;
let nowMs = Number(startMs);
mock.timers.enable({ apis: ["Date"], now: nowMs });
const sleepers = new Set<Sleeper>();
const runs = new Set<unknown>();
const requests = new Set<unknown>();
const drain = new AbortController();
const begun = Promise.withResolvers<void>();
let go = Promise.withResolvers<void>();

subscribe("undici:request:create", (message) => requests.add(requestOf(message)));
for (const end of ["undici:request:trailers", "undici:request:error"])
  subscribe(end, (message) => requests.delete(requestOf(message)));
process.on("message", (told: Told) => {
  if (told.kind === "drain") drain.abort(new AirlockError("interrupted", "the month is over"));
  go.resolve();
});
process.on("disconnect", () => process.exit(1));

const timing: Timing = {
  now: () => nowMs,
  random: () => Math.random(),
  sleep: (durationMs, signal) =>
    new Promise((resolve, reject) => {
      const interrupt = (): void => {
        sleepers.delete(sleeper);
        reject(new AirlockError("interrupted", "interrupted", { cause: signal.reason }));
      };
      const sleeper: Sleeper = {
        atMs: nowMs + durationMs,
        wake() {
          signal.removeEventListener("abort", interrupt);
          resolve();
        },
      };
      if (signal.aborted) return interrupt();
      sleepers.add(sleeper);
      signal.addEventListener("abort", interrupt, { once: true });
    }),
};

function say(said: Said): void {
  process.send?.(said);
}

function requestOf(message: unknown): unknown {
  return typeof message === "object" && message !== null && "request" in message ? message.request : message;
}

function note(event: Event, code: string | null, fields: Fields = {}): void {
  if (event === "started") begun.resolve();
  if (event === "run-begun") runs.add(fields.run);
  if (event === "run-waits" || event === "run-failed" || event === "run-done") runs.delete(fields.run);
  say({ kind: "event", event, code, fields });
}

const log: Log = {
  debug: () => undefined,
  info: (event, fields) => note(event, null, fields),
  warn: (event, fields) => note(event, null, fields),
  error: (event, fields) => note(event, null, fields),
  failure: (event, error: Failure, fields) => note(event, error.code, { ...fields, reason: error.message }),
  flush: () => undefined,
};

const io: Io = {
  configFile,
  json: true,
  log,
  isLogLevelGiven: false,
  env: process.env,
  kill: (pid, signal) => process.kill(pid, signal),
  stdin: new PassThrough(),
  stdout: new PassThrough().resume(),
  stderr: new PassThrough().resume(),
  stdinIsTty: false,
  stdoutIsTty: false,
  stderrIsTty: false,
  drain: drain.signal,
  abort: new AbortController().signal,
  onHangup: () => undefined,
  print: () => undefined,
  exitWith: () => undefined,
};

const end = new AbortController();
const agent = runRun(io, ownerOf(process.pid), timing)
  .then(() => say({ kind: "ended", error: null }))
  .catch((error: unknown) => say({ kind: "ended", error: toAirlockError(error).message }))
  .finally(() => {
    end.abort();
    begun.resolve();
  });

/** Until nothing goes on, or not for long enough to wait for it. */
async function settle(): Promise<void> {
  const began = performance.now();
  for (let rounds = 0; rounds < 3; rounds++) await setImmediate();
  for (;;) {
    const waitedMs = performance.now() - began;
    const isPatient =
      (runs.size > 0 && waitedMs < PATIENCE_MS.runs) || (requests.size > 0 && waitedMs < PATIENCE_MS.requests);
    if (!isPatient) return;
    await sleep(1);
  }
}

// time stands still while the program is read
await begun.promise;
for (let ticks = 0; !end.signal.aborted; ticks++) {
  await settle();
  nowMs += TICK_MS;
  mock.timers.setTime(nowMs);
  for (const sleeper of sleepers) {
    if (sleeper.atMs > nowMs) continue;
    sleepers.delete(sleeper);
    sleeper.wake();
  }
  if (ticks % TICKS_AT_ONCE !== 0) continue;
  go = Promise.withResolvers();
  say({ kind: "time", nowMs });
  await go.promise;
}
await agent;
if (process.connected) process.disconnect?.();
