import type { Event, Fields, Log } from "../shared/log.ts";

const MAX_LINE_CHARACTERS = 1_000;

export interface RunLog {
  /** Passes everything on, and remembers the end of it. */
  readonly log: Log;
  /** What was logged last, a line each, oldest first. */
  tail(): string;
}

/** Of {@link RunLog.tail}, whatever is logged. */
const TAIL_BYTES = 10_000;

/** @param former what had been logged of the same run before */
export function collectLog(log: Log, now: () => number, former = ""): RunLog {
  const lines: { readonly text: string; readonly bytes: number }[] = [];
  let total = 0;
  const add = (text: string): void => {
    const bytes = Buffer.byteLength(text);
    lines.push({ text, bytes });
    total += bytes;
    while (total > TAIL_BYTES) total -= lines.shift()?.bytes ?? total;
  };
  const remember = (level: string, event: Event, fields: Fields = {}): void => {
    const time = new Date(now()).toISOString();
    add(`${[time, level, event, ...formatFields(fields)].join(" ").slice(0, MAX_LINE_CHARACTERS)}\n`);
  };
  for (const line of former.split(/(?<=\n)/)) add(line);
  return {
    log: {
      debug: (event, fields) => log.debug(event, fields),
      info(event, fields) {
        remember("info", event, fields);
        log.info(event, fields);
      },
      warn(event, fields) {
        remember("warn", event, fields);
        log.warn(event, fields);
      },
      error(event, fields) {
        remember("error", event, fields);
        log.error(event, fields);
      },
      failure(event, error, fields) {
        const { code, message: reason, subject, remedy } = error;
        remember("error", event, { code, reason, subject, remedy, ...fields });
        log.failure(event, error, fields);
      },
      flush: () => log.flush(),
    },
    tail: () => lines.map(({ text }) => text).join(""),
  };
}

/** `name=value`, quoted where it could be read otherwise. */
function formatFields(fields: Fields): string[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [`${name}=${typeof value === "string" && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value)}`];
  });
}
