import type { Io } from "../shared/cli.ts";
import { formatBytes } from "../shared/config/units.ts";
import { openCourier } from "../shared/courier.ts";
import { AirlockError, toAirlockError } from "../shared/errors.ts";
import { readSecretFile } from "../shared/files.ts";
import { parseSigningKey, type SigningKey } from "../shared/keys.ts";
import { lockFolder } from "../shared/process-lock.ts";
import { realTiming, type Timing } from "../shared/retry.ts";
import { openEventQueue } from "../shared/s3/event-queue.ts";
import { alertsOf, type Alert } from "./alerts.ts";
import { Books } from "./books.ts";
import { readMoverConfig, refuseUnservedMoverKeys, type HostPolicy, type MoverConfig } from "./config.ts";
import { runDaemon, type Changes, type Outcome } from "./daemon.ts";
import { trackUploads } from "./known-uploads.ts";
import { LedgerWriter } from "./ledger-writer.ts";
import { MemoryWindow } from "./memory.ts";
import { openStores, type Connecting, type Stores } from "./open-stores.ts";
import { OperatorsView } from "./operators-view.ts";
import { Releaser } from "./release.ts";
import { Reloader, type Reloaded } from "./reload.ts";
import { openRequestBox } from "./requests.ts";
import { connectServiceManager, type ServiceManager } from "./service-manager.ts";
import { isInShare } from "./share.ts";
import { Upkeep } from "./upkeep.ts";

export interface RunOptions {
  readonly once?: true;
}

/** What is the machine's own, for whoever runs this from code: how connections are made, and time. */
export interface Surroundings {
  readonly connecting: Connecting;
  readonly timing: Timing;
  /** Segments between two checkpoints. */
  readonly checkpointEvery: number;
  /** The system's clock that is never set. */
  readonly monotonicNs: () => bigint;
}

const MISSING_AFTER_MS = 3_600_000;

export async function runRun(
  io: Io,
  options: RunOptions,
  pid: number,
  surroundings: Partial<Surroundings> = {},
): Promise<void> {
  // Small buffers are cut from pieces of this size, and one that lives on keeps the whole piece (Node's own: 64 KiB).
  Buffer.poolSize = 8 * 1024;
  const config = await readServedConfig(io);
  const key = parseSigningKey(await readSecretFile(config.signingKeyFile), config.signingKeyFile);
  using _lock = await lockFolder(config.state, pid);
  const serviceManager = connectServiceManager({ env: io.env, pid, log: io.log });
  let outcome: Outcome;
  try {
    outcome = await runMover(io, config, key, serviceManager, { ...surroundings, once: options.once === true, pid });
  } finally {
    serviceManager.stopping();
    await serviceManager.close();
  }
  if (options.once !== true) return;
  io.print(
    outcome,
    `moved ${outcome.objects} objects, ${formatBytes(outcome.bytes)}; ${outcome.held} held, ${outcome.failed} failed`,
  );
  if (outcome.failed > 0 && !io.drain.aborted) {
    throw new AirlockError(
      "store-unavailable",
      `${outcome.failed} objects could not be moved and are still in the drop-zone`,
      {
        remedy: "the log says why for each; run it again",
      },
    );
  }
}

async function readServedConfig(io: Io): Promise<MoverConfig> {
  const config = await readMoverConfig(io.configFile);
  refuseUnservedMoverKeys(config, io.configFile);
  return config;
}

/** Those of this mover's share. */
function hostsOf({ hosts, discover }: MoverConfig): [string, HostPolicy][] {
  return Array.from(hosts).filter(([host]) => isInShare(host, discover.share));
}

type Running = Partial<Surroundings> & { readonly once: boolean; readonly pid: number };

async function runMover(
  io: Io,
  config: MoverConfig,
  key: SigningKey,
  serviceManager: ServiceManager,
  { connecting = {}, timing = realTiming, checkpointEvery, monotonicNs, once, pid }: Running,
): Promise<Outcome> {
  const { drain, abort } = io;
  const { id: mover, discover, state } = config;
  let slowDown = (): void => undefined; // until there is anything to slow down
  await using stores = await openStores(config, io.log, abort, { ...connecting, onSlowDown: () => slowDown() });
  await using courier = openCourier({ program: "airlock-mover", timing });
  await using ended = new AsyncDisposableStack();
  /** Everybody's: a reload changes what is in it. */
  const hosts = new Map(hostsOf(config));
  const memory = new MemoryWindow(config.memoryBytes);
  const { vault, isKnown } = trackUploads(stores.vault);
  const around = () => ({
    clockOffsetMs: { dropZone: stores.dropZone.clockOffsetMs(), vault: stores.vault.clockOffsetMs() },
    requests: { dropZone: stores.dropZone.requests(), vault: stores.vault.requests() },
    staleUploads: upkeep.staleUploads,
    memoryLimitBytes: memory.sizeBytes,
  });
  const seen = { mover, state, hosts, courier, serviceManager, around, timing, log: io.log, abort };
  const view = new OperatorsView(seen, config);
  ended.defer(() => view.close());
  const { log } = view;
  const isOurs = (host: string): boolean => hosts.has(host);
  const upkeep = new Upkeep({ ...stores, mover, isOurs, isKnown, timing, log });
  const ledger = await LedgerWriter.open({
    mover,
    key,
    store: stores.ledgerStore,
    checkpoints: stores.checkpointStore,
    ledgers: stores.ledgers,
    share: discover.share,
    ...(checkpointEvery === undefined ? {} : { checkpointEvery }),
    books: new Books(hosts),
    onEntry: (entry) => {
      for (const alert of alertsOf(entry)) view.raise(alert);
    },
    timing,
    log,
    signal: abort,
  });
  await using queue =
    discover.sqs === null ? null : openEventQueue(config.dropZone, { queueUrl: discover.sqs.queueUrl });

  const listeners: ((changes: Changes) => void)[] = [];
  const reloading = { config, hosts, stores, view, serviceManager, listeners, monotonicNs: monotonicNs ?? (() => 0n) };
  // where a person looks on, SIGHUP means that the terminal is gone
  if (!once && !io.stderrIsTty) reloadOnHangup(io, reloading);

  const tidyingEnded = new AbortController();
  const tidying = once ? null : upkeep.run(AbortSignal.any([drain, abort, tidyingEnded.signal]));
  ended.defer(async () => {
    tidyingEnded.abort();
    await tidying;
  });
  log.info("started", { mover, hosts: hosts.size, versioned: stores.dropZone.versioned });
  serviceManager.ready();
  try {
    const outcome = await runDaemon({
      ...stores,
      vault,
      mover,
      ledger,
      releaser: new Releaser(stores.dropZone, timing),
      memory,
      maxParts: config.maxParts,
      hosts,
      ...changesOf({ config, changedHosts: [] }),
      events: discover.sqs === null || queue === null ? null : { queue, sweep: discover.sqs.sweep },
      share: discover.share,
      once,
      timing,
      log,
      drain,
      abort,
      pid,
      alerts: view,
      requests: openRequestBox(state, () => Date.now()),
      dropZoneClockMs: () => stores.dropZone.clockOffsetMs(),
      observe: (...moved) => view.observe(...moved),
      onSlowDown: (listener) => void (slowDown = listener),
      onReload: (listener) => listeners.push(listener),
      publish: (status) => view.publish(status),
    });
    if (once) await upkeep.once(abort);
    log.info("stopped", { objects: outcome.objects, bytes: outcome.bytes, segment: ledger.head?.segment ?? 0 });
    return outcome;
  } catch (thrown) {
    if (!abort.aborted) view.raise(halted(toAirlockError(thrown), timing));
    throw thrown;
  }
}

interface Reloading {
  readonly config: MoverConfig;
  readonly hosts: Map<string, HostPolicy>;
  readonly stores: Stores;
  readonly view: OperatorsView;
  readonly serviceManager: ServiceManager;
  readonly listeners: readonly ((changes: Changes) => void)[];
  readonly monotonicNs: () => bigint;
}

function reloadOnHangup(
  io: Io,
  { config, hosts, stores, view, serviceManager, listeners, monotonicNs }: Reloading,
): void {
  const reloader = new Reloader({
    config,
    read: () => readServedConfig(io),
    judge: (merged) => stores.refuseUnsafe(merged),
    apply(reloaded) {
      hosts.clear();
      for (const [host, policy] of hostsOf(reloaded.config)) hosts.set(host, policy);
      view.configure(reloaded.config);
      for (const listener of listeners) listener(changesOf(reloaded));
    },
    log: view.log,
  });
  const reload = async (): Promise<void> => {
    serviceManager.reloading(monotonicNs() / 1000n);
    await reloader.reload();
    serviceManager.ready();
  };
  io.onHangup(() => void reload());
}

function changesOf({ config, changedHosts }: Pick<Reloaded, "config" | "changedHosts">): Changes {
  const { concurrency, discover, alerts } = config;
  return {
    concurrency,
    pollMs: discover.pollMs,
    missingAfterMs: alerts?.missingAfterMs ?? MISSING_AFTER_MS,
    changedHosts,
  };
}

function halted({ code, message }: AirlockError, timing: Timing): Alert {
  const at = new Date(timing.now()).toISOString();
  return { kind: "halted", at, host: "*", set: null, detail: `${code}: ${message}` };
}
