import { hasPassed } from "../shared/elapsed.ts";
import type { AirlockError, Code } from "../shared/errors.ts";
import type { Runner } from "./open-runner.ts";
import { isUntold, reportNotBegun } from "./report-runs.ts";

/** What keeps runs from being begun is tried again each minute, and told of once in so long a time. */
const TOLD_EVERY_MS = 3_600_000;

/** Tells what nobody was told of yet; the same reason seldom, unless a run was begun in between (null). */
export function tellNotBegun(set: string, runner: Runner): (error: AirlockError | null) => void {
  let told: { readonly code: Code; readonly atMs: number } | null = null;
  return (error) => {
    if (error === null) told = null;
    if (error === null || !isUntold(error, set)) return;
    const nowMs = runner.context.timing.now();
    if (told?.code === error.code && !hasPassed(told.atMs, TOLD_EVERY_MS, nowMs)) return;
    told = { code: error.code, atMs: nowMs };
    reportNotBegun(set, error, runner);
  };
}
