import { nextRun } from "./schedule.ts";
import type { Schedule } from "./set-config.ts";
import type { Plan } from "./set-state.ts";

/** No sleep is longer: a machine that was suspended, or whose clock was set, is noticed within this time. */
export const LOOK_AT_CLOCK_MS = 60_000;

/**
 * When a set runs next: as planned, also when that has passed, since what was missed is made up for; or anew where there
 * is no plan, the plan is of another schedule, or the clock has been set back since it was made.
 * @param jitterMs drawn for a new plan
 */
export function planNext(former: Plan | null, schedule: Schedule, nowMs: number, jitterMs: () => number): Plan {
  if (former !== null && former.schedule === formatSchedule(schedule) && nowMs >= former.made.getTime()) return former;
  const atMs = nextRun(schedule.expression, schedule.timeZone).getTime();
  const due = new Date(atMs + Math.floor(jitterMs()));
  return { due, made: new Date(nowMs), schedule: formatSchedule(schedule) };
}

/** A run that was missed. */
export function isOverdue(plan: Plan | null, schedule: Schedule, nowMs: number): boolean {
  return plan !== null && plan.schedule === formatSchedule(schedule) && plan.due.getTime() <= nowMs;
}

/** As a plan remembers it. */
function formatSchedule({ expression, timeZone }: Schedule): string {
  return `${expression} ${timeZone}`;
}
