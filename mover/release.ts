import { toAirlockError } from "../shared/errors.ts";
import { retry, type Timing } from "../shared/retry.ts";
import type { DropZoneSource, StoredVersion } from "../shared/stores.ts";

/** S3's limit for one DeleteObjects. */
const MAX_BATCH = 1000;

interface Waiting {
  readonly version: StoredVersion;
  readonly gone: () => void;
  readonly failed: (error: Error) => void;
}

/**
 * Deletes exact versions from the drop-zone in batches: one is sent whenever none is in flight, and what arrives
 * meanwhile forms the next. Deleting an exact version is safe to repeat, so an unknown outcome is asked again.
 */
export class Releaser {
  readonly #dropZone: DropZoneSource;
  readonly #timing: Timing;
  readonly #waiting: Waiting[] = [];
  #sending = false;

  constructor(dropZone: DropZoneSource, timing: Timing) {
    this.#dropZone = dropZone;
    this.#timing = timing;
  }

  /** Resolves when every one is gone. @throws {AirlockError} when one is not, after a few attempts */
  async release(versions: readonly StoredVersion[], signal: AbortSignal): Promise<void> {
    await Promise.all(
      versions.map((version) =>
        retry(
          () => this.#delete(version, signal),
          {
            attempts: 5,
            baseMs: 200,
            capMs: 5_000,
            retryable: (error) =>
              ["store-unavailable", "slow-down", "outcome-unknown"].includes(toAirlockError(error).code),
          },
          this.#timing,
          signal,
        ),
      ),
    );
  }

  #delete(version: StoredVersion, signal: AbortSignal): Promise<void> {
    return new Promise((gone, failed) => {
      this.#waiting.push({ version, gone, failed });
      if (!this.#sending) void this.#send(signal);
    });
  }

  async #send(signal: AbortSignal): Promise<void> {
    this.#sending = true;
    await Promise.resolve(); // let what was asked in the same turn come along
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      try {
        const outcomes = await this.#dropZone.deleteVersions(
          batch.map(({ version }) => version),
          signal,
        );
        // by the version itself: outcomes come in any order, and one key may be in a batch with several versions
        const outcomeOf = new Map(outcomes.map((outcome) => [outcome.version, outcome]));
        for (const { version, gone, failed } of batch) {
          const outcome = outcomeOf.get(version);
          if (outcome?.outcome === "gone") gone();
          else failed(outcome?.error ?? new Error("the store did not say what became of it"));
        }
      } catch (error) {
        for (const { failed } of batch) failed(toAirlockError(error));
      }
    }
    this.#sending = false;
  }
}
