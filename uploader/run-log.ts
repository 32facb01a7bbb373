import type { Event, Fields, Log } from "../shared/log.ts";

const MAX_LINE_CHARACTERS = 1_000;

export interface RunLog {
  /** Passes everything on, and remembers the end of it. */
  readonly log: Log;
  /** What was logged last, a line each, oldest first. */
  tail(): string;
}

/** @param limitBytes of {@link RunLog.tail}, whatever is logged */
export function collectLog(log: Log, limitBytes: number, now: () => number): RunLog {
  const lines: { readonly text: string; readonly bytes: number }[] = [];
  let total = 0;
  const remember = (level: string, event: Event, fields: Fields = {}): void => {
    const time = new Date(now()).toISOString();
    const text = `${[time, level, event, ...formatFields(fields)].join(" ").slice(0, MAX_LINE_CHARACTERS)}\n`;
    const bytes = Buffer.byteLength(text);
    lines.push({ text, bytes });
    total += bytes;
    while (total > limitBytes) total -= lines.shift()?.bytes ?? total;
  };
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
