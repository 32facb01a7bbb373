import { Worker } from "node:worker_threads";
import type { Compression } from "./compress.ts";
import { ENCODE_WORKER } from "./encode-worker-url.ts";
import { openPieceChannel, receivePieces, sendPieces, type PiecePort } from "./piece-port.ts";

export interface EncodeSteps {
  readonly compression: Compression | null;
  /** Of an age file; in shared memory. */
  readonly payloadKey: Uint8Array | null;
}

export interface EncodeWork extends EncodeSteps {
  readonly input: PiecePort;
  readonly output: PiecePort;
}

/**
 * Compresses and seals in a thread of its own, beside whatever reads the source and sends the result. Buffers that these
 * steps make are garbage of that thread, whose heap is small: collecting them among all that the program has loaded took
 * more time than the encoding.
 *
 * Each piece is there until the next one is asked for, and so may the source's be.
 */
export async function* encodeInThread(
  source: AsyncIterable<Uint8Array>,
  steps: EncodeSteps,
): AsyncGenerator<Uint8Array, void, undefined> {
  const [raw, encoded] = [openPieceChannel(), openPieceChannel()];
  const work: EncodeWork = { ...steps, input: raw.receiver, output: encoded.sender };
  const worker = new Worker(ENCODE_WORKER, { workerData: work, transferList: [work.input.port, work.output.port] });
  let failure: { readonly cause: unknown } | null = null;
  const crashed = Promise.withResolvers<void>();
  worker.on("error", (cause) => {
    failure ??= { cause };
    crashed.resolve();
  });
  const sent = sendPieces(source, raw.sender).catch(async (cause: unknown) => {
    failure ??= { cause };
    await worker.terminate();
  });
  try {
    yield* receivePieces(encoded.receiver);
  } catch (error) {
    // The port closes before it is known why.
    await worker.terminate();
    throw failureOr(error);
  } finally {
    raw.sender.port.close();
    encoded.receiver.port.close();
    await worker.terminate();
    // A source that waits for its next byte may not hear that the thread has crashed before its reader does.
    await Promise.race([sent, crashed.promise]);
  }

  function failureOr(error: unknown): unknown {
    return failure === null ? error : failure.cause;
  }
}
