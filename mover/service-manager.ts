/**
 * systemd's notification protocol (sd_notify(3)): ready, watchdog, status, reloading, stopping. It is a datagram to a
 * unix socket, which Node.js can't send; systemd's own `systemd-notify` does, and is there wherever systemd is. It
 * waits until the message was read, so that systemd knows whose it is. The unit needs `NotifyAccess=all`.
 */
import { execFile } from "node:child_process";
import { hasPassed } from "../shared/elapsed.ts";
import { AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";

const PROGRAM = "systemd-notify";
const TIMEOUT_MS = 10_000;
/** A status may hold what a host chose to call its sets; a line, and not a long one. */
const MAX_STATUS = 200;

export interface ServiceManager {
  ready(): void;
  /** `monotonicUs`: CLOCK_MONOTONIC, which tells this reload from an earlier one. */
  reloading(monotonicUs: bigint): void;
  stopping(): void;
  /** Called about once a second: a sign of life, and what `systemctl status` shows. Sent when they are due. */
  alive(status: string, nowMs: number): void;
  /** Resolves when everything was sent. */
  close(): Promise<void>;
}

export interface ServiceManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly log: Log;
}

/** Does nothing where no service manager asked for it. */
export function connectServiceManager({ env, pid, log }: ServiceManagerOptions): ServiceManager {
  const socket = env.NOTIFY_SOCKET ?? "";
  if (socket === "") return SILENT;
  const watchdogMs = watchdogOf(env, pid);
  let last: Promise<void> = Promise.resolve();
  let isReachable = true;
  let sentMs = -Infinity;
  let shown = "";
  let waiting = 0;

  /** One after the other: `READY=1` must not be overtaken. */
  const notify = (...assignments: string[]): void => {
    waiting++;
    last = last
      .then(() => send(assignments))
      .then((failure) => {
        waiting--;
        if (failure !== null && isReachable) log.failure("service-manager-unreachable", failure);
        isReachable = failure === null;
      });
  };
  const send = (assignments: readonly string[]): Promise<AirlockError | null> =>
    new Promise((resolve) => {
      const childEnv = { PATH: env.PATH, NOTIFY_SOCKET: socket };
      execFile(PROGRAM, assignments, { env: childEnv, timeout: TIMEOUT_MS }, (cause) =>
        resolve(cause === null ? null : explain(cause)),
      );
    });

  return {
    ready: () => notify("READY=1"),
    reloading: (monotonicUs) => notify("RELOADING=1", `MONOTONIC_USEC=${monotonicUs}`),
    stopping: () => notify("STOPPING=1"),
    alive(status, nowMs) {
      const line = status.slice(0, MAX_STATUS);
      // a watchdog wants a sign twice in its time at least; a status that changes is shown after some seconds
      const isSignDue = watchdogMs !== null && hasPassed(sentMs, watchdogMs / 3, nowMs);
      const isDue = isSignDue || (line !== shown && hasPassed(sentMs, STATUS_MS, nowMs));
      if (!isDue || waiting > 0) return;
      sentMs = nowMs;
      shown = line;
      notify(...(watchdogMs === null ? [] : ["WATCHDOG=1"]), `STATUS=${line}`);
    },
    close: () => last,
  };
}

const STATUS_MS = 10_000;

const SILENT: ServiceManager = {
  ready: () => undefined,
  reloading: () => undefined,
  stopping: () => undefined,
  alive: () => undefined,
  close: () => Promise.resolve(),
};

/** null: no watchdog, or another process's (sd_watchdog_enabled(3)). */
function watchdogOf({ WATCHDOG_USEC, WATCHDOG_PID }: ServiceManagerOptions["env"], pid: number): number | null {
  if (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== pid) return null;
  const ms = Number(WATCHDOG_USEC) / 1000;
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}

function explain(cause: Error): AirlockError {
  const isMissing = "code" in cause && cause.code === "ENOENT";
  return new AirlockError(
    "command-failed",
    isMissing ? `there is no program ${PROGRAM}` : `${PROGRAM} could not deliver a message`,
    {
      subject: PROGRAM,
      remedy: "install systemd's own tools, or take Type=notify, WatchdogSec and NotifyAccess out of the unit",
      cause,
    },
  );
}
