/** One process of the mover: the real daemon with its real tools, between stores in memory. */
import { Books } from "../../../mover/books.ts";
import type { HostPolicy } from "../../../mover/config.ts";
import { runDaemon, type Outcome } from "../../../mover/daemon.ts";
import { LedgerWriter } from "../../../mover/ledger-writer.ts";
import { MemoryWindow } from "../../../mover/memory.ts";
import { Releaser } from "../../../mover/release.ts";
import type { Status } from "../../../mover/status.ts";
import { toAirlockError, type AirlockError } from "../../../shared/errors.ts";
import type { Event, Fields, Log } from "../../../shared/log.ts";
import { signingKeyOf } from "./book.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { MOVER } from "./inspector.ts";
import { openCheckpoints, openDropZone, openLedger, openVault, type Truth } from "./stores.ts";

export interface MoverSettings {
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  readonly concurrency: number;
  readonly memoryBytes: number;
  readonly pollMs: number;
  readonly missingAfterMs: number;
  /** Segments. */
  readonly checkpointEvery: number;
}

export interface MoverOptions extends Omit<ConnectionOptions, "onKilled"> {
  readonly settings: MoverSettings;
  readonly truth: Truth;
  readonly once: boolean;
  readonly onEvent: (event: Event, code: string | null, fields: Fields) => void;
  readonly onEnded: (ended: Ended) => void;
}

/** How a process came to its end. */
export type Ended =
  | { readonly how: "killed" }
  | { readonly how: "done"; readonly outcome: Outcome }
  | { readonly how: "failed"; readonly error: AirlockError };

export class MoverProcess {
  readonly connection: Connection;
  readonly #drain = new AbortController();
  readonly #abort = new AbortController();
  /** As it would lie in the state folder. */
  status: Status | null = null;
  hasEnded = false;

  constructor(options: MoverOptions) {
    const end = (ended: Ended): void => {
      if (this.hasEnded) return;
      this.hasEnded = true;
      options.onEnded(ended);
    };
    this.connection = new Connection({ ...options, onKilled: () => end({ how: "killed" }) });
    void this.#run(options).then(
      (outcome) => end({ how: "done", outcome }),
      (thrown: unknown) => end({ how: "failed", error: toAirlockError(thrown) }),
    );
  }

  /** `SIGTERM` */
  stop(): void {
    this.#drain.abort();
  }

  /** A second `SIGTERM` */
  abort(): void {
    this.#drain.abort();
    this.#abort.abort();
  }

  async #run({ settings, truth, once, onEvent }: MoverOptions): Promise<Outcome> {
    const { connection } = this;
    const { timing } = connection;
    const log = createLog(connection, onEvent);
    const dropZone = openDropZone(connection, truth);
    const ledgerStore = openLedger(connection, truth.vault);
    const ledger = await LedgerWriter.open({
      mover: MOVER,
      key: signingKeyOf(MOVER),
      store: ledgerStore,
      books: new Books(settings.hosts),
      checkpoints: openCheckpoints(connection, truth.vault),
      checkpointEvery: settings.checkpointEvery,
      timing,
      log,
      signal: this.#abort.signal,
    });
    return runDaemon({
      mover: MOVER,
      dropZone,
      vault: openVault(connection, truth.vault),
      ledgerStore,
      ledger,
      releaser: new Releaser(dropZone, timing),
      memory: new MemoryWindow(settings.memoryBytes),
      hosts: settings.hosts,
      concurrency: settings.concurrency,
      pollMs: settings.pollMs,
      missingAfterMs: settings.missingAfterMs,
      once,
      timing,
      dropZoneClockMs: () => -connection.skewMs,
      log,
      drain: this.#drain.signal,
      abort: this.#abort.signal,
      pid: 1,
      publish: async (status) => {
        if (!connection.isKilled) this.status = status;
        await connection.wait(0, this.#abort.signal);
      },
    });
  }
}

function createLog(connection: Connection, onEvent: MoverOptions["onEvent"]): Log {
  const note = (event: Event, code: string | null, fields: Fields = {}): void => {
    if (!connection.isKilled) onEvent(event, code, fields);
  };
  return {
    debug: () => undefined,
    info: (event, fields) => note(event, null, fields),
    warn: (event, fields) => note(event, null, fields),
    error: (event, fields) => note(event, null, fields),
    failure: (event, error, fields) => note(event, error.code, { ...fields, reason: error.message }),
    flush: () => undefined,
  };
}
