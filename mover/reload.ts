/**
 * A configuration that is read again while the mover runs (SIGHUP). What it says of hosts, alerts, metrics and pace
 * counts at once; what the process was built on (its name, its stores, its keys) does not change under it.
 */
import { isDeepStrictEqual } from "node:util";
import { toAirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import type { MoverConfig } from "./config.ts";

export interface Reloaded {
  /** What counts from now on. */
  readonly config: MoverConfig;
  /** Keys whose new value counts. */
  readonly changed: readonly string[];
  /** Keys whose new value counts after a restart only. */
  readonly ignored: readonly string[];
  /** Those that are new, gone, or have another policy. */
  readonly changedHosts: readonly string[];
}

type Part = readonly [key: string, value: (config: MoverConfig) => unknown];

const CHANGEABLE: readonly Part[] = [
  ["hosts", ({ hosts }) => hosts],
  ["discover.poll", ({ discover }) => discover.pollMs],
  ["concurrency", ({ concurrency }) => concurrency],
  ["alerts", ({ alerts }) => alerts],
  ["metrics", ({ metrics }) => metrics],
];

const FIXED: readonly Part[] = [
  ["id", ({ id }) => id],
  ["signingKey", ({ signingKeyFile }) => signingKeyFile],
  ["dropZone", ({ dropZone }) => dropZone],
  ["vault", ({ vault }) => vault],
  ["vault.verify", ({ verify }) => verify],
  ["vault.storageClass", ({ storageClass }) => storageClass],
  ["vault.parts", ({ maxParts }) => maxParts],
  ["discover.sqs", ({ discover }) => discover.sqs],
  ["discover.share", ({ discover }) => discover.share],
  ["memory", ({ memoryBytes }) => memoryBytes],
  ["state", ({ state }) => state],
  ["report", ({ report }) => report],
];

export function mergeReload(current: MoverConfig, next: MoverConfig): Reloaded {
  const differ = ([, value]: Part): boolean => !isDeepStrictEqual(value(current), value(next));
  const names = new Set([...current.hosts.keys(), ...next.hosts.keys()]);
  const { hosts, concurrency, alerts, metrics, discover } = next;
  return {
    config: {
      ...current,
      hosts,
      concurrency,
      alerts,
      metrics,
      discover: { ...current.discover, pollMs: discover.pollMs },
    },
    changed: CHANGEABLE.filter(differ).map(([key]) => key),
    ignored: FIXED.filter(differ).map(([key]) => key),
    changedHosts: [...names].filter((name) => !isDeepStrictEqual(current.hosts.get(name), hosts.get(name))),
  };
}

export interface ReloaderOptions {
  readonly config: MoverConfig;
  /** @throws {AirlockError} with every fault */
  readonly read: () => Promise<MoverConfig>;
  /** @throws {AirlockError} why what would count from now on must not */
  readonly judge: (config: MoverConfig) => void;
  /** Called with what counts from now on. */
  readonly apply: (reloaded: Reloaded) => void;
  readonly log: Log;
}

/** Reads and applies one after the other, however many signals come. A file that is faulty changes nothing. */
export class Reloader {
  readonly #options: ReloaderOptions;
  #config: MoverConfig;
  #last: Promise<void> = Promise.resolve();

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  /** Resolves when it is done, well or not. Never rejects. */
  reload(): Promise<void> {
    this.#last = this.#last.then(() => this.#reload());
    return this.#last;
  }

  async #reload(): Promise<void> {
    const { read, judge, apply, log } = this.#options;
    try {
      const reloaded = mergeReload(this.#config, await read());
      judge(reloaded.config);
      this.#config = reloaded.config;
      apply(reloaded);
      const { changed, ignored } = reloaded;
      if (ignored.length === 0) log.info("reloaded", { changed });
      else log.warn("reloaded", { changed, ignored });
    } catch (thrown) {
      log.failure("reload-refused", toAirlockError(thrown));
    }
  }
}
