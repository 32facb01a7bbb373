import { AirlockError, isAirlockError, toAirlockError } from "../shared/errors.ts";
import { proveKey } from "./check-key.ts";
import { CHECK_SET } from "./config.ts";
import type { Runner } from "./open-runner.ts";
import { LOOK_AT_CLOCK_MS } from "./plan.ts";
import { reportFailure } from "./report-runs.ts";
import { collectLog } from "./run-log.ts";

const HOUR_MS = 3_600_000;
const CHECK_EVERY_MS = 7 * 24 * HOUR_MS;
/** After a check that could not be made. */
const CHECK_AGAIN_MS = HOUR_MS;

/** At the first start, and then weekly: a policy is widened by others, and nobody tells the host. */
export async function keepChecking(runner: Runner, signal: AbortSignal): Promise<void> {
  const { sets, context, config } = runner;
  const { timing } = context;
  const schedule = "weekly";
  const plan = (inMs: number): void => {
    const now = timing.now();
    sets.writePlan(CHECK_SET, { due: new Date(now + inMs), made: new Date(now), schedule });
  };
  if (sets.readPlan(CHECK_SET) === null) plan(Math.floor(timing.random() * config.jitterMs));
  for (;;) {
    const next = sets.readPlan(CHECK_SET);
    if (next !== null && timing.now() < next.made.getTime()) plan(0);
    const waitMs = (next?.due.getTime() ?? 0) - timing.now();
    if (waitMs > 0) await timing.sleep(Math.min(waitMs, LOOK_AT_CLOCK_MS), signal);
    else plan((await checkKey(runner, signal)) === "made" ? CHECK_EVERY_MS : CHECK_AGAIN_MS);
  }
}

async function checkKey(runner: Runner, signal: AbortSignal): Promise<"made" | "not-made"> {
  const { config, context } = runner;
  const startedAt = new Date(context.timing.now());
  const runLog = collectLog(context.log, () => context.timing.now());
  const { log } = runLog;
  try {
    const { key, findings, excess } = await proveKey(config, { ...context, log, signal });
    if (excess.length === 0) {
      log.info("check-done", { host: config.host, key, tried: findings.length });
      return "made";
    }
    const error = new AirlockError(
      "excess-power",
      `this host's key can do more than it should: ${excess.map(({ power }) => power).join("; ")}`,
      {
        subject: config.dropZone.bucket,
        remedy: "run `airlock-uploader check`, which prints the policy that mends it",
      },
    );
    log.failure("check-done", error, { host: config.host, key, tried: findings.length });
    reportFailure({ set: CHECK_SET, error, startedAt, tail: runLog.tail() }, runner);
    return "made";
  } catch (thrown) {
    const error = toAirlockError(thrown);
    if (signal.aborted) throw error;
    log.failure("check-done", error, { host: config.host });
    // an outage says nothing of the key
    if (isAirlockError(error, "store-unavailable", "slow-down", "outcome-unknown")) return "not-made";
    reportFailure({ set: CHECK_SET, error, startedAt, tail: runLog.tail() }, runner);
    return "not-made";
  }
}
