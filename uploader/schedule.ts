import { createTask } from "node-cron";

/** So many runs fit into the hour or two by which a change of the clock moves them. */
const MAX_RUNS_AT_CHANGE = 200;

/**
 * When a cron expression is due next, strictly after now.
 *
 * node-cron does the calendar. It works on wall-clock times, of which a change of the clock leaves some out and repeats
 * others, so it is asked with fixed offsets, and what happens at a change is decided here, as cron(8) has it: what would
 * have been due in the hour left out is due at the change; what is due in the hour that comes twice is due once, unless
 * the expression is for every hour, which then stays every hour.
 *
 * @param timeZone an IANA name
 * @throws when the expression is never due within 100 years
 */
export function nextRun(expression: string, timeZone: string): Date {
  const now = Temporal.Instant.fromEpochMilliseconds(Date.now()).toZonedDateTimeISO(timeZone);
  const isHourly = hourField(expression).includes("*");
  let offset = offsetMinutes(now);
  let fromMs = isHourly ? 0 : endOfRepetition(now.getTimeZoneTransition("previous"));
  for (let at = now; ;) {
    const first = firstFrom(expression, offset, fromMs);
    const change = at.getTimeZoneTransition("next");
    if (change === null || first.getTime() < change.epochMilliseconds) return first;
    const shiftMs = (offsetMinutes(change) - offset) * 60_000;
    const isLeftOut = first.getTime() < change.epochMilliseconds + shiftMs;
    if (isLeftOut && !isHourly) return new Date(change.epochMilliseconds);
    fromMs = isHourly ? change.epochMilliseconds : change.epochMilliseconds - Math.min(0, shiftMs);
    offset = offsetMinutes(change);
    at = change;
  }
}

/** null when it is one; otherwise what is wrong with it, for a person. */
export function explainSchedule(expression: string): string | null {
  try {
    createTask(expression, noop, { timezone: "UTC" }).getNextRuns(1);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** This machine's own, as an IANA name. */
export function machineTimeZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function isTimeZone(text: string): boolean {
  try {
    // an offset such as +01:00 would do as well, and would be wrong for half of the year
    return (
      /^[A-Za-z]/.test(text) &&
      Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(text).epochMilliseconds === 0
    );
  } catch {
    return false; // RangeError: the only way to ask
  }
}

/** The first run after now and not before `fromMs`, where the clock always has this offset. */
function firstFrom(expression: string, offset: number, fromMs: number): Date {
  const task = createTask(expression, noop, { timezone: formatOffset(offset) });
  const [first] = task.getNextRuns(1);
  if (first !== undefined && first.getTime() >= fromMs) return first;
  const run = task.getNextRuns(MAX_RUNS_AT_CHANGE).find((date) => date.getTime() >= fromMs);
  if (run === undefined) throw new TypeError(`no run of ${expression} is found behind a change of the clock`);
  return run;
}

/** When the hour that comes twice has come twice; 0 where the last change left an hour out. */
function endOfRepetition(change: Temporal.ZonedDateTime | null): number {
  if (change === null) return 0;
  const before = change.subtract({ nanoseconds: 1 });
  return change.epochMilliseconds + Math.max(0, offsetMinutes(before) - offsetMinutes(change)) * 60_000;
}

/** Since 1972 all offsets are whole minutes. */
function offsetMinutes(time: Temporal.ZonedDateTime): number {
  return Math.round(time.offsetNanoseconds / 60e9);
}

function formatOffset(minutes: number): string {
  const size = Math.abs(minutes);
  const two = (amount: number): string => String(amount).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

function hourField(expression: string): string {
  const nicknames = new Map([["@hourly", "*"]]);
  return nicknames.get(expression) ?? expression.trim().split(/\s+/)[1] ?? "";
}

function noop(): void {}
