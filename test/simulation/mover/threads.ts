import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Change } from "./hooks.ts";
import type { Verdict } from "./history.ts";
import type { ThreadData, Told } from "./thread.ts";

export interface HistoriesOptions {
  readonly fromSeed: number;
  readonly count: number;
  /** Default: 1. */
  readonly threads?: number;
  readonly changes?: readonly Change[];
  readonly trace?: boolean;
  readonly untilBroken?: boolean;
  readonly onVerdict?: (verdict: Verdict) => void;
}

/** Bounded: a history that keeps what it should not ends its thread. */
const MAX_HEAP_MIB = 512;

/** Runs the histories of these seeds. @returns those that went wrong */
export async function runHistories(options: HistoriesOptions): Promise<readonly Verdict[]> {
  const { fromSeed, count, threads = 1, changes = [], trace = false, untilBroken = false, onVerdict } = options;
  const broken: Verdict[] = [];
  const runThread = async (offset: number): Promise<void> => {
    const workerData: ThreadData = {
      changes,
      fromSeed: fromSeed + offset,
      count: count - offset,
      step: threads,
      trace,
      untilBroken,
    };
    const worker = new Worker(new URL("./thread.ts", import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
    });
    worker.on("message", (verdict: Told) => {
      onVerdict?.(verdict);
      if (verdict.violations.length > 0) broken.push(verdict);
    });
    await once(worker, "exit"); // an error of the thread rejects this
  };
  await Promise.all(Array.from({ length: Math.min(threads, count) }, (_, offset) => runThread(offset)));
  return broken;
}
