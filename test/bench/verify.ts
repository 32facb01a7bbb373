import type { Benchmark } from "./benchmark.ts";
import type { ProgramRun } from "./timed-program.ts";
import { createHosts, makeObjects } from "./vault-objects.ts";
import { startVaultScene } from "./vault-scene.ts";

const ENTRIES = 100_000;
const SEGMENTS = 10_000;
const RUNS = 3;

export const verify: Benchmark = {
  name: "verify",
  description: `airlock verify of ${ENTRIES} entries in ${SEGMENTS} segments: chain, signatures, presence, size`,
  async run({ say, report, signal }) {
    const hosts = createHosts(20);
    await using scene = await startVaultScene(hosts, signal);
    say(`storing ${ENTRIES} objects and ${SEGMENTS} segments`);
    await scene.fill(makeObjects(hosts, ENTRIES), ENTRIES / SEGMENTS, true);
    const runs: ProgramRun[] = [];
    for (let number = 1; number <= RUNS; number++) {
      const ran = await scene.run(["verify", "--json"]);
      say(`verified in ${ran.seconds.toFixed(1)} s`);
      if (!ran.stdout.includes(`"objects":${ENTRIES}`)) throw new Error(`not all was verified: ${ran.stdout}`);
      runs.push(ran);
    }
    const median = (of: (run: ProgramRun) => number): number => runs.map(of).toSorted((a, b) => a - b)[1] ?? 0;
    report({ metric: "wall time", value: median(({ seconds }) => seconds), unit: "s", better: "lower", runs: RUNS });
    report({
      metric: "CPU time",
      value: median(({ cpuSeconds }) => cpuSeconds),
      unit: "s",
      better: "lower",
      runs: RUNS,
    });
    report({
      metric: "peak memory",
      value: median(({ peakResidentBytes }) => peakResidentBytes) / 2 ** 20,
      unit: "MiB",
      better: "lower",
      runs: RUNS,
    });
  },
};
