import type { Io } from "../shared/cli.ts";
import { AirlockError, isAirlockError, toAirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { printable } from "../shared/printable.ts";
import { startProgress, type Progress } from "../shared/progress.ts";
import { realTiming, type Timing } from "../shared/retry.ts";
import { readUploaderConfig, type UploaderConfig } from "./config.ts";
import { openRunner, type Runner } from "./open-runner.ts";
import type { Published, UploadSource } from "./publish-context.ts";
import { publishWaiting } from "./publish-waiting.ts";
import { isUntold, reportFailure, reportLeft, reportNotBegun, reportStored } from "./report-runs.ts";
import { runSet, type RunMade } from "./run-set.ts";
import type { SetConfig } from "./set-config.ts";
import type { WaitingObject } from "./spool.ts";
import { takeSettled } from "./take-settled.ts";

/** Whoever is told hears of it before this program ends, within so much time. */
const NOTIFY_LIMIT_MS = 30_000;
const NOTIFY_ATTEMPTS = 4;
/** Events that are held back. */
const MAX_HELD = 200;

/** `run-set SET`: one run in the foreground, confirmed by the store when it ends with 0; then what earlier runs left. */
export async function runRunSet(set: string, io: Io, owner: string, timing: Timing = realTiming): Promise<void> {
  const config = await readUploaderConfig(io.configFile);
  const setConfig = findSet(set, config);
  const show = createShow(io);
  const onBytes = (sizeBytes: number): void => show.add(sizeBytes);
  const { env, kill, stdin, abort } = io;
  const held: (() => void)[] = [];
  const own = { env, kill, stdin, abort, log: isQuiet(io) ? holdInfo(io.log, held) : io.log };
  await using runner = await openRunner({ config, owner, io: own, onBytes, timing, notifyAttempts: NOTIFY_ATTEMPTS });
  try {
    const stored = await runOnce(set, setConfig, runner, io, show);
    const left = await publishLeft(runner, show);
    printStored(set, setConfig, stored, left, io);
  } catch (thrown) {
    const error = toAirlockError(thrown);
    if (isUntold(error, set)) reportNotBegun(set, error, runner);
    for (const say of held) say();
    throw error;
  } finally {
    show.end();
    await runner.notifier.settle(NOTIFY_LIMIT_MS);
  }
}

function findSet(set: string, { sets }: UploaderConfig): SetConfig {
  const found = sets.get(set);
  if (found !== undefined) return found;
  const known = sets.size === 0 ? "the configuration has none" : `there are ${[...sets.keys()].join(", ")}`;
  throw new AirlockError("usage", "there is no such set", { subject: set, remedy: known });
}

/** What this run stored; every one of it is confirmed when this returns. */
async function runOnce(
  set: string,
  config: SetConfig,
  runner: Runner,
  io: Io,
  show: Show,
): Promise<readonly Published[]> {
  const options = { signal: io.abort, planned: null, observe: show.observe };
  if (config.kind !== "watch") return [await confirm(await runSet(set, config, runner, options), runner, show)];
  const published: Published[] = [];
  await takeSettled(set, config, runner, {
    ...options,
    onMade: async (made) => void published.push(await confirm(made, runner, show)),
  });
  return published;
}

async function confirm({ id, stored }: RunMade, runner: Runner, show: Show): Promise<Published> {
  const published = stored.kind === "published" ? stored.published : await publishOwn(stored, runner, show);
  reportStored(id, published, runner);
  return published;
}

/** @throws {AirlockError} with the store's own code, so that the exit code is right: nothing is lost */
async function publishOwn(object: WaitingObject, runner: Runner, show: Show): Promise<Published> {
  try {
    return await publish(object, runner, show);
  } catch (thrown) {
    const error = toAirlockError(thrown);
    if (error.code === "interrupted" || error.code === "spool-damaged") throw error;
    const held = new AirlockError(error.code, `${error.message}; the backup is made, and waits in the spool`, {
      ...(error.subject === undefined ? {} : { subject: error.subject }),
      remedy: `${error.remedy ?? "see to the store"}. It is sent by the agent, or first of all by the next run-set`,
      cause: error,
    });
    const { set, startedAt } = object;
    reportFailure({ set, error: held, startedAt, tail: runner.sets.readRun(object.note ?? "")?.tail ?? "" }, runner);
    throw held;
  }
}

async function publish(object: WaitingObject, { spool, context, sets }: Runner, show: Show): Promise<Published> {
  show.begin(object.name, object.sizeBytes);
  try {
    return await publishWaiting(object, spool, context, (waiting) => sets.markStoredAlongside(waiting));
  } catch (error) {
    spool.unclaim(object);
    throw error;
  }
}

interface Left {
  readonly published: number;
  readonly waiting: number;
}

/** What earlier runs left; the outcome of this one does not depend on it. */
async function publishLeft(runner: Runner, show: Show): Promise<Left> {
  const { spool, context, sets } = runner;
  const failed = new Set<string>();
  let published = 0;
  reportLeft(runner);
  for (let object = spool.claimNext(); object !== null; object = spool.claimNext(failed)) {
    try {
      const done = await publish(object, runner, show);
      published++;
      if (object.note !== null && sets.readRun(object.note) !== null) reportStored(object.note, done, runner);
    } catch (thrown) {
      const error = toAirlockError(thrown);
      if (error.code === "interrupted") throw error;
      context.log.failure("spool-held", error, { host: context.host, set: object.set, id: object.id });
      failed.add(object.id);
      // the store has just gone: the next one would meet the same
      if (isAirlockError(error, "store-unavailable", "outcome-unknown", "slow-down")) break;
    }
  }
  return { published, waiting: spool.usage().objects };
}

function printStored(set: string, config: SetConfig, own: readonly Published[], left: Left, io: Io): void {
  const objects = own.map(({ key, sizeBytes, sha256, epoch, seq, encoding }) => ({
    key,
    bytes: sizeBytes,
    sha256,
    epoch,
    seq,
    encoding,
  }));
  const [only = null] = objects;
  if (isQuiet(io)) return;
  io.print(
    { set, ...(config.kind === "watch" ? { objects } : only), drained: left.published, waiting: left.waiting },
    () => {
      const lines = objects.map(({ key, bytes, seq }) => `${printable(key)}  ${bytes} bytes  seq ${seq}`);
      if (lines.length === 0) lines.push("nothing to store");
      if (left.published > 0) lines.push(`and ${left.published} that waited`);
      if (left.waiting > 0) lines.push(`${left.waiting} still wait`);
      return lines.join("\n");
    },
  );
}

/** cron mails whatever is written; a terminal, a journal and whoever asked for a level or for JSON want to read it. */
function isQuiet({ json, stderrIsTty, env, isLogLevelGiven }: Io): boolean {
  return !json && !stderrIsTty && env.JOURNAL_STREAM === undefined && !isLogLevelGiven;
}

/** What is said in the end only if something went wrong. */
function holdInfo(log: Log, held: (() => void)[]): Log {
  return {
    ...log,
    info(event, fields) {
      held.push(() => log.info(event, fields));
      if (held.length > MAX_HELD) held.shift();
    },
  };
}

interface Show {
  readonly begin: (label: string, totalBytes: number | null) => void;
  readonly add: (sizeBytes: number) => void;
  readonly observe: (source: UploadSource) => UploadSource;
  readonly end: () => void;
}

/** Progress of the encoding first, then of the transfer. */
function createShow({ stderr }: Io): Show {
  let progress: Progress | null = null;
  const begin = (label: string, totalBytes: number | null): void => {
    progress?.end();
    progress = startProgress({ label, totalBytes, stream: stderr, now: () => performance.now() });
  };
  return {
    begin,
    add: (sizeBytes) => progress?.add(sizeBytes),
    observe(source) {
      begin(source.name, source.expectedBytes);
      return {
        ...source,
        async *open(signal) {
          for await (const chunk of source.open(signal)) {
            progress?.add(chunk.length);
            yield chunk;
          }
        },
      };
    },
    end: () => progress?.end(),
  };
}
