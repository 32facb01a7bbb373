/**
 * What nobody else tidies up: multipart uploads that a mover left in the vault when it was killed. They have no name,
 * cost money and are shown by no listing of objects. Those in the drop-zone are hosts'; they are reported, since the
 * mover's key can't abort there, and one that is a day old may still be written to.
 */
import { toAirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import type { Timing } from "../shared/retry.ts";
import type { OpenUpload, StoreClock, UploadLister, VaultWriter } from "../shared/stores.ts";
import { hostOf } from "./admit.ts";

const STALE_MS = 24 * 3_600_000;
const EVERY_MS = 3_600_000;
/** Of uploads that can't be ended, in one look: one must not keep the others, and what concerns all of them ends it. */
const MAX_REFUSED = 10;
/** Of 1,000 uploads each: what is beyond is seen an hour later, when the first are gone. */
const MAX_PAGES = 20;

export interface UpkeepOptions {
  readonly mover: string;
  readonly vault: UploadLister & Pick<VaultWriter, "abortUpload"> & StoreClock;
  readonly dropZone: UploadLister & StoreClock;
  /** Whose objects this mover moves. */
  readonly isOurs: (host: string) => boolean;
  /** Uploads of this process. */
  readonly isKnown: (uploadId: string) => boolean;
  readonly timing: Timing;
  readonly log: Log;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  #waiting = 0;
  #reported = "";

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Uploads in the drop-zone that were begun over a day ago, as of the last look. */
  get staleUploads(): number {
    return this.#waiting;
  }

  /** At once, and then about every hour until the signal ends it. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { timing } = this.#options;
    while (!signal.aborted) {
      await this.once(signal);
      try {
        // apart from other movers, who were started at the same time
        await timing.sleep(EVERY_MS * (0.9 + 0.2 * timing.random()), signal);
      } catch {
        return; // nothing but the signal ends a sleep
      }
    }
  }

  /** One look at both stores. What fails is logged, and tried again the next time. */
  async once(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    for (const [store, step] of [
      ["vault", () => this.#tidyVault(signal)],
      ["drop-zone", () => this.#lookAtDropZone(signal)],
    ] as const) {
      try {
        await step();
      } catch (thrown) {
        if (!signal.aborted) log.failure("upkeep-failed", toAirlockError(thrown), { store });
      }
    }
  }

  /** Only below this mover's own probe and its own hosts' names: the others are other movers'. */
  async #tidyVault(signal: AbortSignal): Promise<void> {
    const { vault, mover, isOurs, isKnown, log } = this.#options;
    const refused: unknown[] = [];
    for (const prefix of ["archive/", `_airlock/probe/${mover}/`]) {
      for await (const upload of this.#stale(vault, prefix, signal)) {
        const { key, uploadId, begunAt } = upload;
        if (prefix === "archive/" && !isOurs(hostOf(key.slice(prefix.length)))) continue;
        if (isKnown(uploadId)) continue;
        try {
          await vault.abortUpload(upload, signal);
        } catch (thrown) {
          refused.push(thrown);
          if (signal.aborted || refused.length >= MAX_REFUSED) throw thrown;
          continue;
        }
        log.info("upload-aborted", { key, begunAt: begunAt.toISOString() });
      }
    }
    if (refused.length > 0) throw refused[0];
  }

  async #lookAtDropZone(signal: AbortSignal): Promise<void> {
    const found: OpenUpload[] = [];
    for await (const upload of this.#stale(this.#options.dropZone, "", signal)) {
      if (this.#options.isOurs(hostOf(upload.key))) found.push(upload);
    }
    this.#waiting = found.length;
    const [oldest] = found.toSorted((one, other) => one.begunAt.getTime() - other.begunAt.getTime());
    const report = oldest === undefined ? "" : `${found.length} ${oldest.key} ${oldest.uploadId}`;
    if (report === this.#reported) return;
    this.#reported = report;
    if (oldest === undefined) return;
    const { key, begunAt } = oldest;
    this.#options.log.warn("uploads-unfinished", { count: found.length, key, begunAt: begunAt.toISOString() });
  }

  async *#stale(
    store: UploadLister & StoreClock,
    prefix: string,
    signal: AbortSignal,
  ): AsyncGenerator<OpenUpload, void> {
    const beforeMs = this.#options.timing.now() + store.clockOffsetMs() - STALE_MS;
    let cursor: string | null = null;
    for (let page = 0; page < MAX_PAGES; page++) {
      const { uploads, next } = await store.listUploads({ prefix, cursor, limit: 1000, signal });
      for (const upload of uploads) if (upload.begunAt.getTime() < beforeMs) yield upload;
      if (next === null) return;
      cursor = next;
    }
  }
}
