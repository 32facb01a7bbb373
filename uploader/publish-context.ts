import type { SigningKey } from "../shared/keys.ts";
import type { Log } from "../shared/log.ts";
import type { Backoff, Timing } from "../shared/retry.ts";
import type { EncodingStep } from "../shared/statement.ts";
import type { DropZoneWriter } from "../shared/stores.ts";
import type { UploaderState } from "./state.ts";

/** What publishing works with; the same for all uploads of a process. */
export interface PublishContext {
  readonly host: string;
  readonly signingKey: SigningKey;
  readonly writer: DropZoneWriter;
  readonly state: UploaderState;
  /** Parts too large for memory wait here, in files without a name. */
  readonly spoolFolder: string;
  /** What one upload's parts under way may hold; by default, 48 MiB. */
  readonly memoryBytes?: number;
  readonly log: Log;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  /** Called for each piece of stored bytes as it is read to be sent: progress. */
  readonly onBytes: (sizeBytes: number) => void;
  /** How long to go on with one request; by default, for the length of an ordinary outage. */
  readonly retry?: Attempts;
}

export interface Attempts extends Backoff {
  readonly attempts: number;
}

/** What a statement says of stored bytes beside their size and digest. */
export interface Described {
  readonly set: string;
  /** The object's, with its suffixes. */
  readonly name: string;
  readonly encoding: readonly EncodingStep[];
  readonly startedAt: Date;
}

/** Stored bytes to be, as they come out of the encoding. */
export interface UploadSource extends Described {
  /** Of the stored bytes, where it is known before: only the size of the parts depends on it. */
  readonly expectedBytes: number | null;
  /** Whether {@link open} gives the same bytes each time. */
  readonly isRepeatable: boolean;
  /** Throws instead of ending where the bytes are not whole (a program that fails, a file that can't be read). */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** An object that the store has confirmed. */
export interface Published {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly epoch: string;
  readonly seq: number;
  readonly encoding: readonly EncodingStep[];
}
