import { open, rm, type FileHandle } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { formatBytes } from "../shared/config/units.ts";
import { AirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import type { PartBody } from "../shared/stores.ts";
import type { ByteReader } from "./byte-reader.ts";

const COPY_BYTES = 1024 * 1024;
/** Fewer than this at once is not worth the memory: then they wait in a file. */
const MIN_PARTS_IN_MEMORY = 4;

/** One part's bytes, kept until the store has them. */
export interface HeldPart extends AsyncDisposable {
  readonly body: PartBody;
}

/** How many parts of this size may be under way at once in so much memory, which has to hold the next one as well. */
export function maxPartsInFlight(sizeBytes: number, memoryBytes: number): number {
  return fitsMemory(sizeBytes, memoryBytes) ? Math.floor(memoryBytes / sizeBytes) - 1 : 1;
}

function fitsMemory(sizeBytes: number, memoryBytes: number): boolean {
  return sizeBytes * MIN_PARTS_IN_MEMORY <= memoryBytes;
}

/** Takes up to `sizeBytes` from a reader; less only at its end. */
export type HoldPart = (reader: ByteReader, sizeBytes: number) => Promise<HeldPart>;

/** For the parts of one upload, whose memory is used again for later ones: new memory costs as much as hashing it. */
export function createPartHolder(spoolFolder: string, memoryBytes: number): HoldPart {
  const unused: Buffer[] = [];
  return async (reader, sizeBytes) => {
    if (!fitsMemory(sizeBytes, memoryBytes)) return holdInFile(reader, sizeBytes, spoolFolder);
    // those of smaller parts are of no more use
    if (unused.at(-1)?.length !== sizeBytes) unused.length = 0;
    const buffer = unused.pop() ?? Buffer.allocUnsafeSlow(sizeBytes);
    const length = await reader.read(buffer);
    return {
      body: buffer.subarray(0, length),
      [Symbol.asyncDispose]() {
        unused.push(buffer);
        return Promise.resolve();
      },
    };
  };
}

async function holdInFile(reader: ByteReader, sizeBytes: number, spoolFolder: string): Promise<HeldPart> {
  const file = await openUnnamed(spoolFolder);
  try {
    const buffer = Buffer.allocUnsafeSlow(COPY_BYTES);
    let length = 0;
    while (length < sizeBytes) {
      const read = await reader.read(buffer.subarray(0, Math.min(COPY_BYTES, sizeBytes - length)));
      if (read === 0) break;
      await writeAll(file, buffer.subarray(0, read), length);
      length += read;
    }
    return { body: { file, offset: 0, length }, [Symbol.asyncDispose]: () => file.close() };
  } catch (error) {
    await file.close();
    throw explain(error, sizeBytes, spoolFolder);
  }
}

/** EDQUOT and EFBIG: limits of a user, or of a process, on the same thing. */
function explain(cause: unknown, sizeBytes: number, spoolFolder: string): unknown {
  const code = errorCode(cause);
  if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "EFBIG") return cause;
  return new AirlockError("disk-full", `the spool has no room for a part of ${formatBytes(sizeBytes)} (${code})`, {
    subject: spoolFolder,
    remedy: "free some space there, or let `spool` name a folder on a larger disk, then run this again",
    cause,
  });
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

/** A file without a name: however this process ends, the disk gets its space back. */
async function openUnnamed(folder: string): Promise<FileHandle> {
  const name = join(folder, `part-${randomBytes(8).toString("hex")}`);
  const file = await open(name, "wx+", 0o600);
  try {
    await rm(name);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
