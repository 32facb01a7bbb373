import { isAirlockError, toAirlockError, type AirlockError } from "../shared/errors.ts";
import type { Runner } from "./open-runner.ts";
import { trying, type RunMade, type RunOptions } from "./run-set.ts";
import type { WatchSet } from "./set-config.ts";
import type { FileIdentity } from "./set-state.ts";
import { takeFile, watchFolder, type Look, type WatchedFolder } from "./watch-folder.ts";

export interface TakeOptions extends Omit<RunOptions, "planned"> {
  /** A file is in the spool, or in the store. What this throws ends the round. */
  readonly onMade: (made: RunMade) => Promise<void> | void;
  /** Each file waits for its turn among all runs. */
  readonly inTurn?: (work: () => Promise<RunMade | null>) => Promise<RunMade | null>;
}

/**
 * One round through a watched folder, under the set's lock from its first file on. A file that can't be taken is put
 * off, and does not hold up the others; a spool that is full does.
 * @returns what was seen, and the first failure of a single file
 * @throws {AirlockError} `locked` when another process runs this set, `spool-full`, `disk-full`, `interrupted`
 */
export async function takeRound(
  set: string,
  config: WatchSet,
  watched: WatchedFolder,
  runner: Runner,
  options: TakeOptions,
): Promise<Look & { readonly failure: AirlockError | null }> {
  const { sets, context } = runner;
  const { inTurn = (work) => work() } = options;
  let hasEntered = false;
  let failure: AirlockError | null = null;
  const take = async (file: FileIdentity): Promise<void> => {
    if (!hasEntered) sets.enter(set, new Date(context.timing.now()));
    hasEntered = true;
    let made: RunMade | null;
    try {
      made = await inTurn(() => takeFile(set, config, file, runner, options));
    } catch (thrown) {
      const error = toAirlockError(thrown);
      if (isAirlockError(error, "interrupted", "spool-full", "disk-full")) throw error;
      watched.postpone(file);
      failure ??= error;
      return;
    }
    if (made !== null) await options.onMade(made);
  };
  try {
    return { ...(await watched.look(take, options.signal)), failure };
  } finally {
    if (hasEntered) trying(runner, set, () => sets.leave(set));
  }
}

/**
 * Takes what has settled now, or does so while it is waited for: a file has to be seen unchanged once. What comes later
 * is for another time.
 * @throws {AirlockError} as {@link takeRound}; the failure of a single file once all others are taken
 */
export async function takeSettled(set: string, config: WatchSet, runner: Runner, options: TakeOptions): Promise<void> {
  const watched = watchFolder(set, config, runner);
  let failure: AirlockError | null = null;
  for (let isPartial = true; isPartial;) {
    const first = await takeRound(set, config, watched, runner, options);
    failure ??= first.failure;
    if (first.unsettled === 0) break;
    await runner.context.timing.sleep(config.settleMs, options.signal);
    const second = await takeRound(set, config, watched, runner, options);
    failure ??= second.failure;
    isPartial = first.isPartial;
  }
  if (failure !== null) throw failure;
}
