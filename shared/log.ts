import { pino, type Logger } from "pino";
import { build as prettyStream } from "pino-pretty";
import { CODES, type AirlockError } from "./errors.ts";

/**
 * All events there are, documented in `docs/operations.md`. What a host or a store says goes into fields, never into
 * the message: the message is the event's name.
 */
export const EVENTS = [
  "started",
  "stopping",
  "stopped",
  "probed",
  "store-weak",
  "object-archived",
  "object-already-archived",
  "object-held",
  "object-retry",
  "object-released",
  "statement-removed",
  "release-refused",
  "upload-left",
  "sweep-failed",
  "events-unreachable",
  "events-reachable",
  "event-foreign",
  "event-retry",
  "segment-written",
  "segment-retry",
  "ledger-resumed",
  "ledger-skipped",
  "checkpoint-written",
  "checkpoint-refused",
  "alert",
  "object-discarded",
  "operator-request",
  "upload-aborted",
  "uploads-unfinished",
  "upkeep-failed",
  "metrics-failed",
  "reloaded",
  "reload-refused",
  "service-manager-unreachable",
  "upload-begun",
  "upload-done",
  "upload-retry",
  "statement-settled",
  "spooled",
  "spool-bypassed",
  "spool-leftover",
  "spool-held",
  "source-changed",
  "name-taken",
  "program-stderr",
  "program-stdout",
  "run-begun",
  "run-waits",
  "run-done",
  "run-failed",
  "run-delayed",
  "file-left",
  "check-done",
  "notify-failed",
  "failed",
] as const;
export type Event = (typeof EVENTS)[number];

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Fields = Readonly<Record<string, string | number | boolean | null | undefined | readonly string[]>>;

export interface Log {
  debug(event: Event, fields?: Fields): void;
  info(event: Event, fields?: Fields): void;
  warn(event: Event, fields?: Fields): void;
  error(event: Event, fields?: Fields): void;
  /** At the level that the error's code has in the table. */
  failure(event: Event, error: AirlockError, fields?: Fields): void;
  flush(): void;
}

/** Logs to file descriptor 2: JSON lines, or pretty where a person looks. Standard output is for results. */
export function createLog(options: { readonly level: LogLevel; readonly pretty: boolean }): Log {
  const base = { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const stream = options.pretty
    ? prettyStream({ destination: 2, sync: true, ignore: "pid,hostname" })
    : pino.destination({ fd: 2, sync: true });
  return wrap(pino(base, stream));
}

export const silentLog: Log = wrap(pino({ level: "silent" }));

function wrap(logger: Logger): Log {
  const emit = (level: "debug" | "info" | "warn" | "error" | "fatal", event: Event, fields: Fields = {}): void => {
    logger[level]({ event, ...fields }, event);
  };
  return {
    debug: (event, fields) => emit("debug", event, fields),
    info: (event, fields) => emit("info", event, fields),
    warn: (event, fields) => emit("warn", event, fields),
    error: (event, fields) => emit("error", event, fields),
    failure: (event, error, fields) =>
      emit(CODES[error.code].level, event, {
        code: error.code,
        reason: error.message,
        subject: error.subject,
        remedy: error.remedy,
        cause: causeOf(error),
        ...fields,
      }),
    flush: () => logger.flush(),
  };
}

/** The chain of causes in a line, bounded; messages of ours and of libraries, none of which carries a secret. */
function causeOf(error: Error): string | undefined {
  const messages: string[] = [];
  for (let cause = error.cause; cause instanceof Error && messages.length < 4; cause = cause.cause) {
    messages.push(`${cause.name}: ${cause.message}`.slice(0, 300));
  }
  return messages.length > 0 ? messages.join(" < ") : undefined;
}
