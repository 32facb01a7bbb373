/** What runs of sets work with, on a spool and a store of the test's own, with a clock that the test sets. */
import { PassThrough } from "node:stream";
import { parseConfig } from "../../../shared/config/read-config.ts";
import type { Timing } from "../../../shared/retry.ts";
import { uploaderSchema } from "../../../uploader/config.ts";
import type { Runner } from "../../../uploader/open-runner.ts";
import type { RunReport } from "../../../uploader/notify.ts";
import { publishWaiting } from "../../../uploader/publish-waiting.ts";
import { reportStored } from "../../../uploader/report-runs.ts";
import { openSetState } from "../../../uploader/set-state.ts";
import { VALID } from "../config/invalid-samples.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";
import { openScene, THIS, type SpoolScene } from "./spool-scene.ts";

export interface RunnerScene extends Disposable {
  readonly scene: SpoolScene;
  readonly store: MemoryStore;
  readonly runner: Runner;
  readonly told: RunReport[];
  nowMs: number;
  /** The same spool, as another process sees it. */
  as(owner: string): Runner;
  /** Publishes all that waits and is free, and says so. */
  send(): Promise<number>;
}

/** @param sets as the configuration has them, below `sets:` */
export function openRunnerScene(sets: string): RunnerScene {
  const stack = new DisposableStack();
  const scene = stack.use(openScene());
  const store = createMemoryStore();
  const told: RunReport[] = [];
  const config = parseConfig(
    [...Object.values(VALID.uploader), "encrypt: none", "compress: none", `sets:\n${sets}`]
      .filter((line) => !line.startsWith("encrypt: {"))
      .join("\n"),
    "uploader.yaml",
    uploaderSchema,
  );
  const timing: Timing = {
    now: () => opened.nowMs,
    random: () => 0,
    sleep: (durationMs, signal) => {
      if (durationMs < 86_400_000) opened.nowMs += durationMs;
      else return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
      return Promise.resolve();
    },
  };
  const as = (owner: string): Runner => {
    const { state, spool, context } = stack.use(scene.open(store, { owner, timing }));
    return {
      config,
      io: {
        env: process.env,
        kill: (pid, name) => process.kill(pid, name),
        stdin: new PassThrough(),
        log: context.log,
      },
      context,
      spool,
      sets: openSetState({ database: state.database, bucket: "acme-dropzone", host: "web1", owner }),
      notifier: {
        tell: (_, report) => void told.push(report),
        settle: () => Promise.resolve(),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      },
    };
  };
  const opened: RunnerScene = {
    scene,
    store,
    told,
    nowMs: Date.parse("2026-11-21T02:15:00.000Z"),
    get runner() {
      return runner;
    },
    as,
    async send() {
      let sent = 0;
      for (let object = runner.spool.claimNext(); object !== null; object = runner.spool.claimNext()) {
        const published = await publishWaiting(object, runner.spool, runner.context, (one) =>
          runner.sets.markStoredAlongside(one),
        );
        if (object.note !== null) reportStored(object.note, published, runner);
        sent++;
      }
      return sent;
    },
    [Symbol.dispose]: () => stack[Symbol.dispose](),
  };
  const runner = as(THIS);
  return opened;
}
