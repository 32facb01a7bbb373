import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import { printable } from "../shared/printable.ts";
import { realTiming } from "../shared/retry.ts";
import { readMoverConfig } from "./config.ts";
import {
  MAX_KEYS,
  readAnswer,
  submitRequest,
  TAKEN_WITHIN_MS,
  withdrawRequest,
  type Action,
  type Result,
} from "./requests.ts";
import { readStatus } from "./status.ts";

/** A daemon writes its status about once a second. */
const RUNNING_MS = 15_000;
/** Until a request that was taken is carried out: of a thousand keys each costs a few requests. */
const ANSWERED_WITHIN_MS = 10 * 60_000;
const LOOK_EVERY_MS = 100;

/** `release KEY…` and `discard KEY…`: the daemon carries it out, since it alone writes the ledger. */
export async function runRequest(io: Io, action: Action, keys: readonly string[]): Promise<void> {
  if (keys.length > MAX_KEYS) throw new AirlockError("usage", `at most ${MAX_KEYS} keys at a time`);
  const { state } = await readMoverConfig(io.configFile);
  const { running, updatedAt } = await readStatus(state);
  if (!running || Date.now() - Date.parse(updatedAt) > RUNNING_MS) throw notRunning(state);
  const id = await submitRequest(state, { v: 1, action, keys: [...keys] });
  const results = await waitForAnswer(state, id, io.abort);
  const refused = results.filter(({ outcome }) => outcome === "refused");
  if (io.json) for (const result of results) io.print(result, "");
  else io.print(null, results.map(formatResult).join(""));
  // none of it done is the caller's mistake, or the store's; what was done is not told as if it were not
  if (refused.length > 0) io.exitWith(refused.length === results.length ? 2 : 6);
}

async function waitForAnswer(state: string, id: string, signal: AbortSignal): Promise<readonly Result[]> {
  const startedAtMs = realTiming.now();
  let isTaken = false;
  for (;;) {
    const answer = await readAnswer(state, id);
    if (answer !== null) return answer;
    const waitedMs = realTiming.now() - startedAtMs;
    if (!isTaken && waitedMs > TAKEN_WITHIN_MS) {
      if (await withdrawRequest(state, id)) throw notRunning(state);
      isTaken = true;
    }
    if (waitedMs > ANSWERED_WITHIN_MS) {
      throw new AirlockError("store-unavailable", "the daemon took the request and did not answer", {
        subject: state,
        remedy: "its log says what became of it (operator-request)",
      });
    }
    await realTiming.sleep(LOOK_EVERY_MS, signal);
  }
}

function notRunning(state: string): AirlockError {
  return new AirlockError("usage", "the daemon is not running, and it alone can do this", {
    subject: state,
    remedy: "start it with `airlock-mover run`, and ask again as the user that it runs as",
  });
}

function formatResult({ asked, outcome, object, reason, message }: Result): string {
  const because = reason === null ? "" : ` (held: ${reason})`;
  const why = message === null ? "" : `: ${message}`;
  return `${outcome}${because} ${printable(object ?? asked)}${printable(why)}\n`;
}
