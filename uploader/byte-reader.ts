import { createHash } from "node:crypto";
import { AirlockError } from "../shared/errors.ts";

/** A stream read by as many bytes as its reader wants, counted and hashed in order as it goes. */
export interface ByteReader extends AsyncDisposable {
  /** Fills `target`; fewer bytes than that only at the stream's end. */
  read(target: Uint8Array): Promise<number>;
  /** Waits for the next byte, or for the end. */
  isAtEnd(): Promise<boolean>;
  /** Of all bytes read so far. */
  readonly sizeBytes: number;
  /** Hex SHA-256 of all bytes; the stream must be at its end. */
  digest(): string;
}

export interface ByteReaderOptions {
  readonly signal: AbortSignal;
  /** Sees each piece before it is handed out: progress. */
  readonly onBytes: (sizeBytes: number) => void;
}

/**
 * Disposing of it before the end ends the source as well, with whatever program stands behind it: through the signal
 * that the source is given, since a source that waits for its next byte hears of nothing else.
 */
export function readBytes(
  open: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
  options: ByteReaderOptions,
): ByteReader {
  const { onBytes } = options;
  const end = new AbortController();
  const iterator = open(AbortSignal.any([options.signal, end.signal]))[Symbol.asyncIterator]();
  const hash = createHash("sha256");
  let rest: Uint8Array = new Uint8Array(0);
  let sizeBytes = 0;
  let ended = false;

  /** False at the end. */
  const pull = async (): Promise<boolean> => {
    while (rest.length === 0 && !ended) {
      const next = await iterator.next();
      if (next.done === true) ended = true;
      else rest = next.value;
    }
    return rest.length > 0;
  };

  return {
    async read(target) {
      let filled = 0;
      while (filled < target.length && (await pull())) {
        const taken = rest.subarray(0, target.length - filled);
        rest = rest.subarray(taken.length);
        target.set(taken, filled);
        filled += taken.length;
        sizeBytes += taken.length;
        hash.update(taken);
        onBytes(taken.length);
      }
      return filled;
    },
    isAtEnd: async () => !(await pull()),
    get sizeBytes() {
      return sizeBytes;
    },
    digest() {
      if (!ended || rest.length > 0) throw new TypeError("a digest is of all bytes or of none");
      return hash.copy().digest("hex");
    },
    async [Symbol.asyncDispose]() {
      if (!ended) end.abort(new AirlockError("interrupted", "nobody reads on"));
      ended = true;
      rest = new Uint8Array(0);
      await iterator.return?.();
    },
  };
}
