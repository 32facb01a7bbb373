import type { RunningServer } from "../servers/server.ts";
import { openBench } from "./bench.ts";
import type { Bench } from "./bench.ts";
import type { Check } from "./check.ts";

/** Check id → the server's answer. */
export type Answers = ReadonlyMap<string, string>;

/** Begins what stands for an answer where there is none: no store is known for it. */
const NOT_ASKED = "could not be asked:";
const CHECK_TIMEOUT_MS = 60_000;

/** Asks all questions of one server, one after the other: several at once would answer about load. */
export async function runChecks(
  server: RunningServer,
  checks: readonly Check[],
  signal: AbortSignal,
): Promise<Answers> {
  const bench = openBench(server);
  try {
    const answers = new Map<string, string>();
    for (const check of checks) {
      signal.throwIfAborted();
      answers.set(check.id, await ask(bench, check));
    }
    return answers;
  } finally {
    await bench.close();
  }
}

/** A question that could not be put has an answer too, which equals no expected one. */
export async function ask(bench: Bench, check: Check): Promise<string> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(
    () => late.resolve(`${NOT_ASKED} no answer within ${CHECK_TIMEOUT_MS / 1_000} s`),
    CHECK_TIMEOUT_MS,
  );
  try {
    return await Promise.race([check.ask(bench), late.promise]);
  } catch (error) {
    return `${NOT_ASKED} ${firstLine(error)}`;
  } finally {
    clearTimeout(timer);
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.split("\n", 1)[0] ?? text;
}

export function isAnswer(answer: string): boolean {
  return !answer.startsWith(NOT_ASKED);
}
