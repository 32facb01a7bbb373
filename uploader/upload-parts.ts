import { AirlockError, isAirlockError } from "../shared/errors.ts";
import type { MultipartUpload, UploadedPart } from "../shared/stores.ts";
import type { ByteReader } from "./byte-reader.ts";
import { repeatSafely, retryContextOf } from "./creating.ts";
import { createPartHolder, maxPartsInFlight, type HeldPart } from "./part-body.ts";
import { MAX_PARTS, partSizeAt } from "./part-size.ts";
import { createPartWindow } from "./part-window.ts";
import type { PublishContext } from "./publish-context.ts";

const DEFAULT_MEMORY_BYTES = 48 * 1024 * 1024;

/**
 * Sends all that the reader has, in parts, as many of them at once as gain something and memory allows. The first failure stops reading and
 * cancels the rest; when this returns or throws, nothing of it runs any more.
 */
export async function uploadParts(
  upload: MultipartUpload,
  reader: ByteReader,
  expectedBytes: number | null,
  context: PublishContext,
): Promise<UploadedPart[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const failure = Promise.withResolvers<never>();
  // Whoever waits for it gets it; when nobody does any more, the loop has ended already.
  failure.promise.catch(() => undefined);
  const parts: UploadedPart[] = [];
  const inFlight = new Set<Promise<void>>();
  const { timing, memoryBytes = DEFAULT_MEMORY_BYTES } = context;
  const hold = createPartHolder(context.spoolFolder, memoryBytes);
  const window = createPartWindow(timing.now());

  const send = async (number: number, part: HeldPart): Promise<void> => {
    await using held = part;
    const attempt = () => context.writer.uploadPart(upload, number, held.body, signal);
    const retrying = retryContextOf(context, upload.key);
    const onRetry: typeof retrying.onRetry = (error, ...rest) => {
      if (isAirlockError(error, "slow-down")) window.slowDown();
      retrying.onRetry(error, ...rest);
    };
    parts.push(await repeatSafely(attempt, { ...retrying, signal, onRetry }));
    window.done(held.body.length, timing.now());
  };
  const start = (number: number, part: HeldPart): void => {
    const task = send(number, part)
      .catch((error: unknown) => failure.reject(error))
      .finally(() => inFlight.delete(task));
    inFlight.add(task);
  };
  const unlessFailed = <T>(work: Promise<T>): Promise<T> => Promise.race([failure.promise, work]);

  try {
    for (let number = 1; !(await unlessFailed(reader.isAtEnd())); number++) {
      if (number > MAX_PARTS) throw tooLarge(upload.key, reader.sizeBytes);
      const sizeBytes = partSizeAt(number, expectedBytes);
      window.limitTo(maxPartsInFlight(sizeBytes, memoryBytes));
      start(number, await unlessFailed(hold(reader, sizeBytes)));
      while (inFlight.size >= window.size) {
        window.wait();
        await unlessFailed(Promise.race(inFlight));
      }
    }
    await unlessFailed(Promise.all(inFlight));
    return parts;
  } finally {
    stop.abort(new AirlockError("interrupted", "another part of this upload failed"));
    await Promise.allSettled(inFlight);
  }
}

function tooLarge(key: string, sizeBytes: number): AirlockError {
  return new AirlockError(
    "object-too-large",
    `after ${MAX_PARTS} parts and ${sizeBytes} bytes there is still more to come`,
    {
      subject: key,
      remedy: "store it as several objects: several folders, or a dump per database",
    },
  );
}
