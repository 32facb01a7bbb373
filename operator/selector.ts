import { AirlockError } from "../shared/errors.ts";
import { isHostName } from "../shared/names.ts";

/** Which objects are meant: a host's, or those of it whose key goes on with `path`: a set, a folder or a whole key. */
export interface Selector {
  readonly host: string;
  readonly path: string | null;
}

/** `HOST`, `HOST/SET` or `HOST/` and the rest of a key. @throws {AirlockError} `usage` */
export function parseSelector(text: string): Selector {
  const slash = text.indexOf("/");
  const host = slash === -1 ? text : text.slice(0, slash);
  const path = slash === -1 ? "" : text.slice(slash + 1).replace(/\/$/, "");
  if (!isHostName(host)) {
    throw new AirlockError("usage", `${JSON.stringify(text)} names no host`, {
      remedy: "write HOST or HOST/SET, as `airlock ls` shows them",
    });
  }
  return { host, path: path === "" ? null : path };
}

export function formatSelector({ host, path }: Selector): string {
  return path === null ? host : `${host}/${path}`;
}

/** Whole segments only: `web1/post` does not mean `web1/postgres`. */
export function isSelected(key: string, { host, path }: Selector): boolean {
  if (!key.startsWith(`${host}/`)) return false;
  if (path === null) return true;
  const rest = key.slice(host.length + 1);
  return rest === path || rest.startsWith(`${path}/`);
}

const TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?)?(Z|[+-]\d{2}:\d{2})?$/;

/**
 * A point in time, UTC unless it says otherwise. What is left out is taken to its end: a day means all of it and
 * `02:15` all of that minute, so that a time copied from `ls` includes the very object it was copied from; as the start
 * of a span, to its beginning.
 * @throws {AirlockError} `usage`
 */
export function parseTime(text: string, edge: "start" | "end" = "end"): Date {
  const match = TIME.exec(text);
  const [lastMinute, lastSecond, lastDigit] = edge === "end" ? ["23:59", "59", "9"] : ["00:00", "00", "0"];
  const [, day = "", minute = lastMinute, second = lastSecond, fraction = "", zone = "Z"] = match ?? [];
  const written = `${day}T${minute}:${second}.${fraction.padEnd(3, lastDigit)}`;
  const utc = new Date(`${written}Z`);
  const time = new Date(`${written}${zone}`);
  // The parser moves 30 February on to March instead of refusing it, so what it read is compared with what was written.
  const isReal = !Number.isNaN(utc.getTime()) && utc.toISOString() === `${written}Z` && !Number.isNaN(time.getTime());
  if (match === null || !isReal) {
    throw new AirlockError("usage", `${JSON.stringify(text)} is not a time`, {
      remedy: "write it as 2026-11-21, 2026-11-21T02:15 or 2026-11-21T02:15:04Z",
    });
  }
  return time;
}
