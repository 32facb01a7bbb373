import { tmpdir } from "node:os";
import type { Io } from "../shared/cli.ts";
import { formatBytes, formatDuration, parseDuration, parseSize } from "../shared/config/units.ts";
import { AirlockError, exitCodeOf } from "../shared/errors.ts";
import { printable } from "../shared/printable.ts";
import { drill, type Drilled } from "./drill.ts";
import { drillFolder, MAX_DRILL_OBJECTS, writeDrillResult, type DrillResult } from "./drill-result.ts";
import { warnOfLedger } from "./ledger-warnings.ts";
import { formatTime } from "./list.ts";
import { openVault } from "./open-vault.ts";
import { restoreContext, showProgress } from "./restore-context.ts";
import { openScratch } from "./scratch.ts";
import { parseSelector } from "./selector.ts";

/** What `main.ts` knows of this process. */
export interface Invocation {
  /** What stood behind `--`; null where there was none. */
  readonly command: readonly string[] | null;
  readonly pid: number;
}

export interface DrillOptions {
  readonly sample: string;
  readonly largest?: string;
  readonly maxSize?: string;
  readonly identity?: string;
  readonly scratch?: string;
  readonly results?: string;
  readonly run?: true;
  readonly runLimit: string;
}

/** `airlock drill [HOST[/SET]] [--sample N] [--identity FILE] [--run -- COMMAND…]`; see {@link Invocation}. */
export async function runDrill(
  io: Io,
  what: string | undefined,
  { command, pid }: Invocation,
  options: DrillOptions,
): Promise<void> {
  const named = what === undefined ? null : parseSelector(what);
  const run = parseRun(options.run === true, command);
  const limits = {
    sample: parseSample(options.sample),
    largestBytes: parseLimit("--largest", options.largest, parseSize, "10GiB"),
    maxBytes: parseLimit("--max-size", options.maxSize, parseSize, "100GiB"),
    runLimitMs: parseLimit("--run-limit", options.runLimit, parseDuration, "1h") ?? 0,
  };
  await using vault = await openVault(io);
  const warnings = warnOfLedger(io);
  const progress = showProgress(io, what ?? "drill");
  const drilled = await drillInScratch();
  const file = await writeDrillResult(options.results ?? drillFolder(io.env), drilled.result);
  warnings.end();
  const text = describeDrill(drilled.result, file);
  // cron mails what is written: nothing where all is well and nobody looks
  if (io.json || io.stdoutIsTty) io.print({ ...drilled.result, file }, text);
  else if (drilled.failure !== null) io.stderr.write(text);
  if (drilled.failure !== null) io.exitWith(exitCodeOf(drilled.failure));

  async function drillInScratch(): Promise<Drilled> {
    await using scratch = await openScratch(options.scratch ?? tmpdir(), pid, Date.now());
    try {
      const context = restoreContext(io, vault, options, warnings, progress);
      return await drill(
        { named, run, scratch: scratch.path, ...limits },
        { ...context, kill: io.kill, vault: vault.reader.bucket },
      );
    } finally {
      progress.end();
    }
  }
}

function parseRun(isAsked: boolean, command: readonly string[] | null): readonly string[] | null {
  if (isAsked === (command !== null && command.length > 0)) return isAsked ? command : null;
  throw new AirlockError("usage", "--run and a command behind -- belong together", {
    remedy: "write it last: airlock drill web1/shop --run -- pg_restore --list shop.dump",
  });
}

function parseSample(text: string): number {
  const sample = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (sample >= 1 && sample <= MAX_DRILL_OBJECTS) return sample;
  throw new AirlockError("usage", `--sample ${JSON.stringify(text)} is not a number from 1 to ${MAX_DRILL_OBJECTS}`, {
    remedy: "say how many sets are to be drawn, such as --sample 3",
  });
}

function parseLimit(
  option: string,
  text: string | undefined,
  parse: (text: string) => number | null,
  example: string,
): number | null {
  if (text === undefined) return null;
  const value = parse(text);
  if (value !== null && value > 0) return value;
  throw new AirlockError("usage", `${option} ${JSON.stringify(text)} is not what it takes`, {
    remedy: `write it as ${example}`,
  });
}

function describeDrill(result: DrillResult, file: string): string {
  const { outcome, error, objects, setsInVault, startedAt, endedAt } = result;
  const took = formatDuration(Date.parse(endedAt) - Date.parse(startedAt));
  const lines = [
    `drill ${outcome}: ${objects.length} of ${setsInVault} sets restored and looked at in ${took}`,
    ...(error === null ? [] : [`  ${error.code}: ${printable(error.message)}`]),
    ...objects.map((object) => {
      const { host, set, at, storedBytes, restoredBytes, files, durationMs } = object;
      const what = `${host}/${set} of ${formatTime(new Date(at))}`;
      return object.error === null
        ? `  ${what}: passed, ${formatBytes(storedBytes)} stored, ${formatBytes(restoredBytes)} in ${files} ${files === 1 ? "file" : "files"}, ${formatDuration(durationMs)}`
        : `  ${what}: FAILED, ${object.error.code}: ${printable(object.error.message)}`;
    }),
    `  result in ${printable(file)}`,
  ];
  return `${lines.join("\n")}\n`;
}
