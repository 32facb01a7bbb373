import { createTask } from "node-cron";

/** However rare the schedule, what events miss is found within this. */
const LONGEST_MS = 24 * 3_600_000;

/** Until the cron expression is due next, by this machine's clock and time zone. */
export function untilNextSweepMs(expression: string): number {
  const [next] = createTask(expression, noop).getNextRuns(1);
  return Math.min(LONGEST_MS, Math.max(0, (next?.getTime() ?? Infinity) - Date.now()));
}

/** null when it is one that comes due; otherwise what is wrong with it. */
export function explainSweep(expression: string): string | null {
  try {
    untilNextSweepMs(expression);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function noop(): void {}
