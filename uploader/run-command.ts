import type { Io } from "../shared/cli.ts";
import { realTiming, type Timing } from "../shared/retry.ts";
import { runAgent } from "./agent.ts";
import { readUploaderConfig } from "./config.ts";
import { openRunner } from "./open-runner.ts";

/** Messages that are under way when the agent ends get so much time. */
const NOTIFY_LIMIT_MS = 5_000;

/** `run`: the agent, until a signal ends it. */
export async function runRun(io: Io, owner: string, timing: Timing = realTiming): Promise<void> {
  const config = await readUploaderConfig(io.configFile);
  const { drain } = io;
  await using runner = await openRunner({ config, owner, io, onBytes: () => undefined, timing });
  await runAgent(runner, { drain });
  await runner.notifier.settle(NOTIFY_LIMIT_MS);
}
