import type { FileHandle } from "node:fs/promises";
import { AirlockError } from "../shared/errors.ts";
import type { FileSlice, MultipartUpload } from "../shared/stores.ts";
import { repeatSafely, retryContextOf } from "./creating.ts";
import type { PublishContext } from "./publish-context.ts";
import { damaged, type WaitingObject } from "./spool.ts";
import type { WaitingTable } from "./waiting-table.ts";

/** Slices of a file take next to no memory. */
const PARTS_AT_ONCE = 4;
const READ_BYTES = 1024 * 1024;

interface Part extends Omit<FileSlice, "file"> {
  readonly number: number;
}

/**
 * Sends the parts that the store has not confirmed, each noted on the disk once it has. The first failure cancels the
 * rest; when this returns or throws, nothing of it runs any more.
 * @returns how many were sent
 */
export async function sendMissingParts(
  object: WaitingObject,
  file: FileHandle,
  table: WaitingTable,
  context: PublishContext,
): Promise<number> {
  const { upload, parts: confirmed } = table.readProgress(object.id);
  if (upload === null) throw new TypeError("parts belong to an upload that has begun");
  const numbers = new Set(confirmed.map(({ number }) => number));
  const missing = cut(object.sizeBytes, upload.partBytes).filter(({ number }) => !numbers.has(number));
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const failures: unknown[] = [];
  const queue = missing.values();
  const work = async (): Promise<void> => {
    for (const part of queue) {
      table.notePart(object.id, await sendPart(upload.begun, part, object, file, { ...context, signal }));
    }
  };
  const stopOthers = (error: unknown): void => {
    failures.push(error);
    stop.abort(new AirlockError("interrupted", "another part of this upload failed"));
  };
  await Promise.all(Array.from({ length: PARTS_AT_ONCE }, () => work().catch(stopOthers)));
  if (failures.length > 0) throw failures[0];
  return missing.length;
}

async function sendPart(
  upload: MultipartUpload,
  part: Part,
  object: WaitingObject,
  file: FileHandle,
  context: PublishContext,
) {
  const { signal, onBytes, writer } = context;
  const { number, length } = part;
  onBytes(length);
  const attempt = async () => {
    try {
      return await writer.uploadPart(upload, number, { file, ...part }, signal);
    } catch (error) {
      // A disk that fails reads like a connection that does.
      if (!signal.aborted) await readThrough(part, object, file);
      throw error;
    }
  };
  return repeatSafely(attempt, retryContextOf(context, upload.key));
}

async function readThrough({ offset, length }: Part, object: WaitingObject, file: FileHandle): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(length, READ_BYTES));
  for (let done = 0; done < length;) {
    const { bytesRead } = await file
      .read(buffer, 0, Math.min(buffer.length, length - done), offset + done)
      .catch((cause: unknown) => {
        throw damaged(object.id, "it can't be read", cause);
      });
    if (bytesRead === 0) throw damaged(object.id, "it has become shorter");
    done += bytesRead;
  }
}

function cut(sizeBytes: number, partBytes: number): Part[] {
  return Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, index) => {
    const offset = index * partBytes;
    return { number: index + 1, offset, length: Math.min(partBytes, sizeBytes - offset) };
  });
}
