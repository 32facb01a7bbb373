/**
 * The mover's simulation: `npm run sim` runs 10,000 random histories in two threads; `-- --histories N` another number,
 * `-- --from SEED` others, `-- --seed N` one of them again, with every request and log line.
 */
import { parseArgs } from "node:util";
import type { Verdict } from "./history.ts";
import { runHistories } from "./threads.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    histories: { type: "string", default: "10000" },
    from: { type: "string", default: "1" },
    threads: { type: "string", default: "2" },
  },
});

function numberOf(name: string, text: string, least: number): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new TypeError(`--${name}: a whole number from ${least}, not ${text}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function printVerdict({ seed, steps, violations, digest }: Verdict): void {
  print(`seed ${seed}`);
  for (const step of steps) print(step);
  for (const violation of violations) print(`VIOLATED: ${violation}`);
  print(`digest ${digest}`);
}

if (values.seed !== undefined) {
  const fromSeed = numberOf("seed", values.seed, 0);
  const broken = await runHistories({ fromSeed, count: 1, trace: true, onVerdict: printVerdict });
  print(broken.length === 0 ? "all holds" : `replay with: npm run sim -- --seed ${fromSeed}`);
  process.exitCode = broken.length === 0 ? 0 : 1;
} else {
  const count = numberOf("histories", values.histories, 1);
  const startedMs = performance.now();
  const sums = { done: 0, objects: 0, requests: 0, virtualMs: 0 };
  const broken = await runHistories({
    fromSeed: numberOf("from", values.from, 0),
    count,
    threads: numberOf("threads", values.threads, 1),
    onVerdict: (verdict) => {
      sums.done++;
      sums.objects += verdict.objects;
      sums.requests += verdict.requests;
      sums.virtualMs += verdict.virtualMs;
      if (verdict.violations.length > 0) {
        printVerdict(verdict);
        print(`replay with: npm run sim -- --seed ${verdict.seed}\n`);
      }
      if (sums.done % 1000 === 0) print(`${sums.done} histories, ${seconds()} s`);
    },
  });
  print(
    `${sums.done} histories in ${seconds()} s: ${sums.objects} objects archived, ${sums.requests} requests, ` +
      `${Math.round(sums.virtualMs / 3_600_000)} hours of virtual time, ` +
      `${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`,
  );
  print(broken.length === 0 ? "all hold" : `${broken.length} broken: ${broken.map(({ seed }) => seed).join(" ")}`);
  process.exitCode = broken.length === 0 && sums.done === count ? 0 : 1;

  function seconds(): string {
    return ((performance.now() - startedMs) / 1000).toFixed(1);
  }
}
