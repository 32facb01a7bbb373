import type { Benchmark } from "./benchmark.ts";
import { createHosts, makeObjects } from "./vault-objects.ts";
import { startVaultScene } from "./vault-scene.ts";

const ENTRIES = 1_000_000;
const PER_SEGMENT = 700;
const RUNS = 5;

export const ls: Benchmark = {
  name: "ls",
  description: `airlock ls of ${ENTRIES} entries: the first time, and with the index that is kept then`,
  async run({ say, report, signal }) {
    const hosts = createHosts(50);
    await using scene = await startVaultScene(hosts, signal);
    say(`writing a ledger of ${ENTRIES} entries`);
    await scene.fill(makeObjects(hosts, ENTRIES), PER_SEGMENT, false);
    say("the first ls reads and verifies all of it");
    const cold = await scene.run(["ls"]);
    report({ metric: "first: wall time", value: cold.seconds, unit: "s", better: "lower" });
    report({ metric: "first: peak memory", value: cold.peakResidentBytes / 2 ** 20, unit: "MiB", better: "lower" });
    for (const [metric, args] of [
      ["warm: all sets", ["ls"]],
      ["warm: one set, 10 newest", ["ls", "web7/etc", "--limit", "10"]],
      ["warm: as of a day", ["ls", "--at", new Date(Date.now() - 200 * 86_400_000).toISOString().slice(0, 10)]],
    ] as const) {
      const seconds: number[] = [];
      for (let number = 0; number < RUNS; number++) {
        const ran = await scene.run(args);
        if (!ran.stdout.includes("web7/etc: ")) throw new Error(`not what was asked for: ${ran.stdout.slice(0, 500)}`);
        seconds.push(ran.seconds);
      }
      const median = seconds.toSorted((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0;
      report({ metric, value: median, unit: "s", better: "lower", runs: RUNS });
    }
  },
};
