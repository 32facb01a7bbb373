/**
 * Whether the mover's memory is bounded, whatever waits in the drop-zone: one object far larger than its memory, and
 * more objects than a listing shows. The mover is the real program; the store is a process of its own beside it.
 */
import { tmpdir } from "node:os";
import type { BenchContext, Benchmark } from "./benchmark.ts";
import { putLargeObject, putSmallObjects } from "./fill.ts";
import { requireLinux } from "./process-tree.ts";
import { startScene, type Scene } from "./scene.ts";
import { requireSpace } from "./space.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const MEMORY = "96MiB";
/** Of the whole process: `memory` bounds what moves hold, and the runtime and the program come on top. */
const RESIDENT_LIMIT_MIB = 300;
const LARGE_BYTES = 5 * GiB;
const SMALL_COUNT = 100_000;
const SMALL_BYTES = 1024;
/** The large object twice, in the drop-zone and in the vault, and something to spare. */
const SPACE_BYTES = 11 * GiB;
const MOVE_TIMEOUT_MS = 20 * 60_000;

interface Load {
  readonly metric: string;
  readonly objects: number;
  readonly bytes: number;
  readonly fill: (host: Scene["host"], signal: AbortSignal) => Promise<void>;
}

const LOADS: readonly Load[] = [
  {
    metric: "5GiB-object",
    objects: 1,
    bytes: LARGE_BYTES,
    fill: (host, signal) => putLargeObject(host, LARGE_BYTES, signal),
  },
  {
    metric: "100000-objects",
    objects: SMALL_COUNT,
    bytes: SMALL_COUNT * SMALL_BYTES,
    fill: (host, signal) => putSmallObjects(host, SMALL_COUNT, SMALL_BYTES, signal),
  },
];

export const memory: Benchmark = {
  name: "memory",
  description: `the mover's memory with memory: ${MEMORY}, moving one object of 5 GiB and 100,000 of 1 KiB`,
  async run(context) {
    requireLinux(process.platform);
    await requireSpace(tmpdir(), SPACE_BYTES);
    for (const load of LOADS) await measure(load, context);
  },
};

async function measure({ metric, objects, bytes, fill }: Load, { say, report, signal }: BenchContext): Promise<void> {
  await using scene = await startScene({ memory: MEMORY, signal });
  say(`${metric}: filling the drop-zone`);
  await fill(scene.host, signal);
  say(`${metric}: moving`);
  const run = await scene.runMover(MOVE_TIMEOUT_MS);
  if (run.objects !== objects || run.bytes !== bytes) {
    throw new Error(`${objects} objects of ${bytes} bytes were there, the mover moved ${run.objects} of ${run.bytes}`);
  }
  const seconds = run.durationMs / 1000;
  report({
    metric: `${metric}/peak-resident`,
    value: run.use.peakResidentBytes / MiB,
    unit: "MiB",
    better: "lower",
    limit: RESIDENT_LIMIT_MIB,
  });
  report({ metric: `${metric}/duration`, value: seconds, unit: "s", better: "lower" });
  report({ metric: `${metric}/cpu`, value: run.use.cpuSeconds, unit: "s", better: "lower" });
  report({ metric: `${metric}/throughput`, value: bytes / MiB / seconds, unit: "MiB/s", better: "higher" });
  if (objects > 1) report({ metric: `${metric}/rate`, value: objects / seconds, unit: "objects/s", better: "higher" });
}
