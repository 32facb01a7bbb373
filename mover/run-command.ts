import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import { readSecretFile, replaceFile } from "../shared/files.ts";
import { formatBytes } from "../shared/config/units.ts";
import { parseSigningKey } from "../shared/keys.ts";
import { lockFolder } from "../shared/process-lock.ts";
import { realTiming, type Timing } from "../shared/retry.ts";
import { openEventQueue } from "../shared/s3/event-queue.ts";
import { readMoverConfig, refuseUnservedMoverKeys } from "./config.ts";
import { alertsOf, logAlerts } from "./alerts.ts";
import { Books } from "./books.ts";
import { runDaemon } from "./daemon.ts";
import { LedgerWriter } from "./ledger-writer.ts";
import { MemoryWindow } from "./memory.ts";
import { openStores, type Connecting } from "./open-stores.ts";
import { Releaser } from "./release.ts";
import { isInShare } from "./share.ts";
import { openRequestBox } from "./requests.ts";
import { statusFile, type Status } from "./status.ts";

export interface RunOptions {
  readonly once?: true;
}

/** What is the machine's own, for whoever runs this from code: how connections are made, and time. */
export interface Surroundings {
  readonly connecting: Connecting;
  readonly timing: Timing;
  /** Segments between two checkpoints. */
  readonly checkpointEvery: number;
}

export async function runRun(
  io: Io,
  options: RunOptions,
  pid: number,
  { connecting = {}, timing = realTiming, checkpointEvery }: Partial<Surroundings> = {},
): Promise<void> {
  // Small buffers are cut from pieces of this size, and one that lives on keeps the whole piece (Node's own: 64 KiB).
  Buffer.poolSize = 8 * 1024;
  const { drain, abort, log } = io;
  const config = await readMoverConfig(io.configFile);
  refuseUnservedMoverKeys(config, io.configFile);
  const key = parseSigningKey(await readSecretFile(config.signingKeyFile), config.signingKeyFile);
  using _lock = await lockFolder(config.state, pid);
  await using stores = await openStores(config, log, abort, connecting);
  const hosts = new Map(Array.from(config.hosts).filter(([host]) => isInShare(host, config.discover.share)));
  const alerts = logAlerts(log);
  const ledger = await LedgerWriter.open({
    mover: config.id,
    key,
    store: stores.ledgerStore,
    checkpoints: stores.checkpointStore,
    ...(checkpointEvery === undefined ? {} : { checkpointEvery }),
    books: new Books(hosts),
    onEntry: (entry) => {
      for (const alert of alertsOf(entry)) alerts.raise(alert);
    },
    timing,
    log,
    signal: abort,
  });
  const { sqs, share, pollMs } = config.discover;
  await using queue = sqs === null ? null : openEventQueue(config.dropZone, { queueUrl: sqs.queueUrl });
  log.info("started", { mover: config.id, hosts: hosts.size, versioned: stores.dropZone.versioned });
  const outcome = await runDaemon({
    ...stores,
    mover: config.id,
    ledger,
    releaser: new Releaser(stores.dropZone, timing),
    memory: new MemoryWindow(config.memoryBytes),
    hosts,
    concurrency: config.concurrency,
    pollMs,
    events: sqs === null || queue === null ? null : { queue, sweep: sqs.sweep },
    share,
    once: options.once === true,
    timing,
    log,
    drain,
    abort,
    pid,
    ...(config.alerts === null ? {} : { missingAfterMs: config.alerts.missingAfterMs }),
    alerts,
    requests: openRequestBox(config.state, () => Date.now()),
    publish: (status: Status) => replaceFile(statusFile(config.state), `${JSON.stringify(status)}\n`, { mode: 0o640 }),
  });
  log.info("stopped", { objects: outcome.objects, bytes: outcome.bytes, segment: ledger.head?.segment ?? 0 });
  if (options.once !== true) return;
  io.print(
    outcome,
    `moved ${outcome.objects} objects, ${formatBytes(outcome.bytes)}; ${outcome.held} held, ${outcome.failed} failed`,
  );
  if (outcome.failed > 0 && !drain.aborted) {
    throw new AirlockError(
      "store-unavailable",
      `${outcome.failed} objects could not be moved and are still in the drop-zone`,
      {
        remedy: "the log says why for each; run it again",
      },
    );
  }
}
