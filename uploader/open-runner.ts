import type { Io } from "../shared/cli.ts";
import { realTiming, type Timing } from "../shared/retry.ts";
import type { UploaderConfig } from "./config.ts";
import { openNotifier, type Notifier } from "./notify.ts";
import { openContext } from "./open-context.ts";
import type { PublishContext } from "./publish-context.ts";
import { openSetState, type SetState } from "./set-state.ts";
import { openSpool, type Spool } from "./spool.ts";

/** What runs of sets work with; the same for all runs of a process. */
export interface Runner {
  readonly config: UploaderConfig;
  readonly io: Pick<Io, "env" | "kill" | "stdin" | "log">;
  readonly context: PublishContext;
  readonly spool: Spool;
  readonly sets: SetState;
  readonly notifier: Notifier;
}

export interface RunnerOptions {
  readonly config: UploaderConfig;
  readonly owner: string;
  readonly io: Pick<Io, "env" | "kill" | "stdin" | "log" | "abort">;
  readonly onBytes: PublishContext["onBytes"];
  readonly timing?: Timing;
  /** To tell one address of one run. */
  readonly notifyAttempts?: number;
}

export async function openRunner(options: RunnerOptions): Promise<Runner & AsyncDisposable> {
  const { config, owner, io, onBytes, timing = realTiming, notifyAttempts } = options;
  await using opening = new AsyncDisposableStack();
  const { context } = opening.use(await openContext(config, owner, io, onBytes, timing));
  const { state } = context;
  const { host, spool: folder, spoolLimitBytes: limitBytes } = config;
  const { bucket } = config.dropZone;
  const spool = openSpool({ folder, limitBytes, state, bucket, host, owner, log: io.log });
  const sets = openSetState({ database: state.database, bucket, host, owner });
  const attempts = notifyAttempts === undefined ? {} : { attempts: notifyAttempts };
  const notifier = opening.use(openNotifier({ host, log: io.log, timing, ...attempts }));
  sets.dropAbandoned();
  const stack = opening.move();
  return { config, io, context, spool, sets, notifier, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
