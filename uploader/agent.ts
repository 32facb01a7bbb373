import PQueue from "p-queue";
import { AirlockError, toAirlockError } from "../shared/errors.ts";
import { AGENT } from "./agent-name.ts";
import { drainSpool } from "./drain.ts";
import { keepChecking } from "./keep-checking.ts";
import type { Runner } from "./open-runner.ts";
import { isOverdue, LOOK_AT_CLOCK_MS, planNext } from "./plan.ts";
import { isSetAtWork, reportDelayed, reportHeld, reportLeft, reportStored } from "./report-runs.ts";
import { runSet } from "./run-set.ts";
import type { CommandSet, PathsSet, Schedule, WatchSet } from "./set-config.ts";
import { tellNotBegun } from "./tell-not-begun.ts";
import { takeRound } from "./take-settled.ts";
import { watchFolder } from "./watch-folder.ts";

/** Sets that run at once: more would only make each other slower. */
const RUNS_AT_ONCE = 2;
const TRANSFERS_AT_ONCE = 2;
const HOUR_MS = 3_600_000;
const TIDY_EVERY_MS = 10 * 60_000;
const DELAYED_MS = HOUR_MS;
const FORGET_EVERY_MS = 24 * HOUR_MS;
/** After what should not happen in a loop that has to go on. */
const TROUBLE_MS = 60_000;
/** What waits and can be sent so fast is sent before the agent ends. */
const DRAIN_GRACE_MS = 10_000;
/** A look at a large folder takes its time; it may take this share of it. */
const LOOKING_SHARE = 0.05;

export interface AgentSignals {
  /** Starts nothing new, ends what can be made again, and lets transfers finish that take seconds. */
  readonly drain: AbortSignal;
}

/** Runs until it is told to drain. @throws {AirlockError} `locked` when another agent is at work */
export async function runAgent(runner: Runner, { drain }: AgentSignals): Promise<void> {
  const { config, sets, context } = runner;
  const { log, host, timing } = context;
  sets.enter(AGENT, new Date(timing.now()));
  try {
    log.info("started", { host, sets: [...config.sets.keys()], spool: config.spool });
    reportLeft(runner);
    const agent: Agent = { runner, signal: AbortSignal.any([drain, context.signal]), queue: newQueue() };
    const transfers = new AbortController();
    const untilSent = AbortSignal.any([transfers.signal, context.signal]);
    const sending = keepGoing({ ...agent, signal: untilSent }, () => sendWaiting(runner, untilSent));
    await Promise.all(startLoops(agent));
    log.info("stopping", { waiting: runner.spool.usage().objects });
    await lastTransfers(runner);
    transfers.abort(new AirlockError("interrupted", "the agent ends"));
    await sending;
    log.info("stopped", { waiting: runner.spool.usage().objects });
  } finally {
    sets.leave(AGENT);
  }
}

interface Agent {
  readonly runner: Runner;
  /** Aborted when the agent is to end. */
  readonly signal: AbortSignal;
  readonly queue: PQueue;
}

function newQueue(): PQueue {
  return new PQueue({ concurrency: RUNS_AT_ONCE });
}

function* startLoops(agent: Agent): Generator<Promise<void>, void, undefined> {
  for (const [set, config] of agent.runner.config.sets) {
    if (config.kind === "watch") yield keepGoing(agent, () => keepWatching(set, config, agent));
    else if (config.schedule === null) agent.runner.sets.forgetPlan(set);
    else {
      const { schedule } = config;
      yield keepGoing(agent, () => keepSchedule(set, config, schedule, agent));
    }
  }
  yield keepGoing(agent, () => keepChecking(agent.runner, agent.signal));
  yield keepGoing(agent, () => keepTidy(agent));
}

/** A loop that fails (a full disk, a bug) is begun again after a while: the others are not to end for it, nor is it. */
async function keepGoing({ runner, signal }: Agent, loop: () => Promise<void>): Promise<void> {
  const { log, host, timing } = runner.context;
  while (!signal.aborted) {
    try {
      await loop();
    } catch (thrown) {
      if (signal.aborted) return;
      log.failure("failed", toAirlockError(thrown), { host });
      await timing.sleep(TROUBLE_MS, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }
}

/** One set, at its times. */
async function keepSchedule(
  set: string,
  config: CommandSet | PathsSet,
  schedule: Schedule,
  agent: Agent,
): Promise<void> {
  const { runner, signal, queue } = agent;
  const { timing } = runner.context;
  let isFirst = true;
  const tell = tellNotBegun(set, runner);
  while (!signal.aborted) {
    const due = await waitUntilDue(set, schedule, isFirst, agent);
    isFirst = false;
    await queue.add(async () => {
      if (!signal.aborted) tell(await runPlanned(set, config, due, agent));
    });
    // a run leaves no plan behind, unless it is to be made again
    if (runner.sets.readPlan(set)?.due.getTime() === due.getTime()) await timing.sleep(TROUBLE_MS, signal);
  }
}

/** @returns why it came to nothing */
async function runPlanned(
  set: string,
  config: CommandSet | PathsSet,
  planned: Date,
  { runner, signal }: Agent,
): Promise<AirlockError | null> {
  try {
    const { id, stored } = await runSet(set, config, runner, { signal, planned });
    if (stored.kind === "waiting") runner.spool.unclaim(stored);
    else reportStored(id, stored.published, runner);
    return null;
  } catch (thrown) {
    const error = toAirlockError(thrown);
    if (!isSetAtWork(error, set)) return error;
    // somebody runs it by hand at this very time
    runner.context.log.failure("run-failed", error, { host: runner.config.host, set });
    runner.sets.forgetPlan(set);
    return null;
  }
}

/**
 * Waits for the set's next time. A time that passed while the agent was not there, or the machine asleep, is due now:
 * once, however many have passed.
 */
async function waitUntilDue(set: string, schedule: Schedule, isFirst: boolean, agent: Agent): Promise<Date> {
  const { runner, signal } = agent;
  const { timing } = runner.context;
  const { jitterMs } = runner.config;
  let plan = runner.sets.readPlan(set);
  if (isFirst && isOverdue(plan, schedule, timing.now())) {
    // a thousand hosts that come back together do not start together either
    await timing.sleep(timing.random() * jitterMs, signal);
  }
  for (;;) {
    const now = timing.now();
    const current = planNext(plan, schedule, now, (): number => timing.random() * jitterMs);
    if (current !== plan) runner.sets.writePlan(set, current);
    plan = current;
    const waitMs = plan.due.getTime() - now;
    if (waitMs <= 0) return plan.due;
    await timing.sleep(Math.min(waitMs, LOOK_AT_CLOCK_MS), signal);
  }
}

/** One watched folder. */
async function keepWatching(set: string, config: WatchSet, { runner, signal, queue }: Agent): Promise<void> {
  const { timing } = runner.context;
  const watched = watchFolder(set, config, runner);
  const tell = tellNotBegun(set, runner);
  let forgetAtMs = timing.now();
  for (let failures = 0; ;) {
    const began = performance.now();
    try {
      await takeRound(set, config, watched, runner, {
        signal,
        inTurn: (work) => queue.add(work),
        onMade: ({ id, stored }) => {
          if (stored.kind === "waiting") runner.spool.unclaim(stored);
          else reportStored(id, stored.published, runner);
        },
      });
      failures = 0;
    } catch (thrown) {
      const error = toAirlockError(thrown);
      if (signal.aborted) throw error;
      failures++;
      tell(error);
    }
    if (timing.now() >= forgetAtMs) {
      await watched.forgetGone(signal);
      forgetAtMs = timing.now() + FORGET_EVERY_MS;
    }
    const lookingMs = (performance.now() - began) / LOOKING_SHARE;
    const pauseMs = Math.min(HOUR_MS, config.settleMs * 2 ** Math.min(failures, 20));
    await timing.sleep(Math.max(pauseMs, lookingMs), signal);
  }
}

async function keepTidy({ runner, signal }: Agent): Promise<void> {
  const { timing } = runner.context;
  for (;;) {
    runner.sets.dropAbandoned();
    reportLeft(runner);
    reportDelayed(new Date(timing.now() - DELAYED_MS), runner);
    await timing.sleep(TIDY_EVERY_MS, signal);
  }
}

async function sendWaiting(runner: Runner, until: AbortSignal): Promise<void> {
  const { spool, context, sets } = runner;
  await drainSpool({
    spool,
    context,
    concurrency: TRANSFERS_AT_ONCE,
    alongside: (object) => sets.markStoredAlongside(object),
    onPublished: (object, published) => {
      if (object.note !== null) reportStored(object.note, published, runner);
    },
    onFailed: (object, error) => {
      if (object.note !== null) reportHeld(object.note, error, runner);
    },
    until,
  });
}

/** For a little while, and only as long as anything waits. */
async function lastTransfers({ spool, context }: Runner): Promise<void> {
  const { timing, signal } = context;
  const endMs = timing.now() + DRAIN_GRACE_MS;
  while (!signal.aborted && spool.usage().objects > 0 && timing.now() < endMs) {
    await timing.sleep(100, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
