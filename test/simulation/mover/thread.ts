/** A thread that runs histories, one after the other, with the mover's source as it is or with a step broken. */
import { parentPort, workerData } from "node:worker_threads";
import { installHooks, type Change } from "./hooks.ts";
import type { Verdict } from "./history.ts";

export interface ThreadData {
  readonly changes: readonly Change[];
  readonly fromSeed: number;
  readonly count: number;
  /** Of the seeds, every such: threads share them. */
  readonly step: number;
  readonly trace: boolean;
  /** Ends with the first history that goes wrong. */
  readonly untilBroken: boolean;
}

/** What a thread tells: each history's verdict, its steps only where it went wrong or was to be traced. */
export type Told = Verdict;

const { changes, fromSeed, count, step, trace, untilBroken } = workerData as ThreadData; // from `threads.ts`
installHooks(changes);
const { runHistory } = await import("./history.ts");
for (let seed = fromSeed; seed < fromSeed + count; seed += step) {
  const verdict = await runHistory(seed, { trace });
  const isBroken = verdict.violations.length > 0;
  const told: Told = isBroken || trace ? verdict : { ...verdict, steps: [] };
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a window's
  parentPort?.postMessage(told);
  if (isBroken && untilBroken) break;
}
