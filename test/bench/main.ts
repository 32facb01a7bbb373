/**
 * `npm run bench -- NAME [--json]`: runs one benchmark and prints what it measured, as a table or as lines of JSON.
 * Exits 1 when a figure exceeds its limit (which is one of memory, never of time), 2 when it was not run.
 */
import { parseArgs } from "node:util";
import { formatTable } from "../../shared/table.ts";
import type { Benchmark } from "./benchmark.ts";
import { exposure } from "./exposure.ts";
import { exceedsLimit, formatFigureLine, formatFigures, type Figure } from "./figure.ts";
import { ls } from "./ls.ts";
import { memory } from "./memory.ts";
import { uploader } from "./uploader.ts";
import { verify } from "./verify.ts";

const BENCHMARKS: readonly Benchmark[] = [memory, exposure, uploader, verify, ls];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
const benchmark = BENCHMARKS.find(({ name }) => name === positionals[0]);
if (benchmark === undefined || positionals.length !== 1) {
  const rows = BENCHMARKS.map(({ name, description }) => [name, description]);
  process.stderr.write(
    `usage: npm run bench -- NAME [--json]\n\n${formatTable([{ header: "NAME" }, { header: "MEASURES" }], rows, Infinity)}`,
  );
  process.exit(2);
}

const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => stopped.abort(new Error(`stopped by ${signal}`)));

const figures: Figure[] = [];
const startedAtMs = performance.now();
try {
  await benchmark.run({
    say: (line) => process.stderr.write(`${Math.round((performance.now() - startedAtMs) / 1000)}s  ${line}\n`),
    report: (figure) => {
      figures.push(figure);
      if (values.json) process.stdout.write(`${formatFigureLine(benchmark.name, figure)}\n`);
    },
    signal: stopped.signal,
  });
} catch (error) {
  const reason: unknown = stopped.signal.aborted ? stopped.signal.reason : error;
  process.stderr.write(`bench ${benchmark.name}: ${reason instanceof Error ? reason.message : String(reason)}\n`);
  process.exit(2);
}
if (!values.json) process.stdout.write(formatFigures(figures));
for (const { metric, value, unit, limit } of figures.filter(exceedsLimit)) {
  process.stderr.write(
    `bench ${benchmark.name}: ${metric} is ${value} ${unit}, beyond its limit of ${limit} ${unit}\n`,
  );
  process.exitCode = 1;
}
