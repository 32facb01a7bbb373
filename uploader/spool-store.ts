import { randomBytes } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { formatBytes } from "../shared/config/units.ts";
import { AirlockError, toAirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import { readBytes, type ByteReader } from "./byte-reader.ts";
import { publishOrAbandon, settleUnpublished } from "./issue-statement.ts";
import { publish } from "./publish.ts";
import type { PublishContext, UploadSource } from "./publish-context.ts";
import { publishLarge } from "./publish-large.ts";
import type { SpoolFiles } from "./spool-files.ts";
import type { StraightThrough, WaitingObject } from "./spool.ts";
import { reportDone } from "./upload-done.ts";
import type { WaitingTable } from "./waiting-table.ts";

const MIB = 1024 * 1024;
const COPY_BYTES = MIB;
/** Room is taken in steps that double, since each is a transaction. */
const MAX_STEP_BYTES = 64 * MIB;

export interface StoreParts {
  readonly table: WaitingTable;
  readonly files: SpoolFiles;
  readonly limitBytes: number;
  readonly abandoned: Set<string>;
  readonly removeLeftovers: () => Promise<void>;
  /** Removes file and row of what is done. */
  readonly discard: (id: string) => Promise<void>;
}

/** See {@link Spool.store}. */
export async function storeInSpool(
  source: UploadSource,
  note: string | null,
  parts: StoreParts,
  context: PublishContext,
): Promise<WaitingObject | StraightThrough> {
  if ((await readRoom(parts)) === 0) {
    // what others are writing fills it for now: nobody's backup is to fail for that
    reportBypass(source, 0, parts, context);
    return { kind: "published", published: await publish(source, context) };
  }
  const begun = context.timing.now();
  // Bytes on their way to the disk are no transfer; those that go straight through are.
  let isTransfer = false;
  const onBytes = (sizeBytes: number): void => (isTransfer ? context.onBytes(sizeBytes) : undefined);
  await using reader = readBytes((signal) => source.open(signal), { signal: context.signal, onBytes });
  const { id, waiting } = await write(source, note, reader, parts, context);
  if (waiting !== null) return waiting;

  try {
    reportBypass(source, reader.sizeBytes, parts, context);
    isTransfer = true;
    await settleUnpublished(context);
    await using file = await parts.files.open(id);
    const whole = readFileFirst(file, reader, () => dropBody(id, parts, context), context);
    const published = await publishOrAbandon(context, (tracked) => publishLarge(source, whole, tracked));
    reportDone(published, source.set, begun, context);
    return { kind: "published", published };
  } finally {
    await dropBody(id, parts, context);
  }
}

/** @throws {AirlockError} `spool-full` */
async function readRoom({ table, limitBytes, files, removeLeftovers }: StoreParts): Promise<number> {
  if (table.readRoom().usedBytes >= limitBytes) await removeLeftovers();
  const { usedBytes, waitingBytes } = table.readRoom();
  if (waitingBytes >= limitBytes) {
    throw new AirlockError("spool-full", `${formatBytes(waitingBytes)} wait already, and that is the spool's limit`, {
      subject: files.folder,
      remedy: "see to the store: what waits is sent once it answers; or give the spool more room with `spoolLimit`",
    });
  }
  return Math.max(0, limitBytes - usedBytes);
}

interface Written {
  readonly id: string;
  /** null: there was no room for all of it; what the reader has handed out is in the file. */
  readonly waiting: WaitingObject | null;
}

async function write(
  source: UploadSource,
  note: string | null,
  reader: ByteReader,
  parts: StoreParts,
  context: PublishContext,
): Promise<Written> {
  const { table, files } = parts;
  const id = randomBytes(16).toString("hex");
  table.insert(id, source, note);
  try {
    await using file = await files.create(id);
    const buffer = Buffer.allocUnsafeSlow(COPY_BYTES);
    let roomBytes = 0;
    let stepBytes = COPY_BYTES;
    while (!(await reader.isAtEnd())) {
      if (roomBytes === 0) {
        roomBytes = table.reserve(id, stepBytes, parts.limitBytes);
        stepBytes = Math.min(MAX_STEP_BYTES, stepBytes * 2);
        if (roomBytes === 0) return { id, waiting: null };
      }
      const length = await reader.read(buffer.subarray(0, Math.min(buffer.length, roomBytes)));
      await file.append(buffer.subarray(0, length));
      roomBytes -= length;
    }
    await file.sync();
    const body = { sizeBytes: reader.sizeBytes, sha256: reader.digest() };
    const waiting = table.finish(id, body, new Date(context.timing.now()));
    context.log.info("spooled", {
      host: context.host,
      set: source.set,
      id,
      bytes: body.sizeBytes,
      sha256: body.sha256,
    });
    return { id, waiting };
  } catch (error) {
    await dropBody(id, parts, context);
    throw explain(error, files.folder);
  }
}

/** EDQUOT and EFBIG: limits of a user, or of a process, on the same thing. */
function explain(cause: unknown, folder: string): unknown {
  const code = errorCode(cause);
  if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "EFBIG") return cause;
  return new AirlockError("disk-full", `the disk has no room for what is to wait in the spool (${code})`, {
    subject: folder,
    remedy: "free some space there, or let `spool` name a folder on a larger disk, then run this again",
    cause,
  });
}

/** Of a body that will not wait, with no error of its own: what fails is left to {@link StoreParts.removeLeftovers}. */
async function dropBody(
  id: string,
  { table, files, abandoned, discard }: StoreParts,
  { log }: PublishContext,
): Promise<void> {
  try {
    // Whatever failed, it failed too late: the object waits. Or there is nothing left to drop.
    if (!table.isWriting(id)) return;
    abandoned.add(id);
    // first the bytes: where the disk is full, the row can go only after them
    await files.remove(id);
    table.giveUp(id);
    await discard(id);
  } catch (error) {
    log.failure("spool-leftover", toAirlockError(error), { id });
  }
}

function reportBypass(source: UploadSource, bytes: number, { limitBytes }: StoreParts, context: PublishContext): void {
  context.log.warn("spool-bypassed", { host: context.host, set: source.set, bytes, limitBytes });
}

/** What is in the file, counted and hashed already, and then the rest of the stream. */
function readFileFirst(
  file: FileHandle,
  reader: ByteReader,
  onFileRead: () => Promise<void>,
  context: PublishContext,
): ByteReader {
  const fileBytes = reader.sizeBytes;
  let position = 0;
  const readFromFile = async (target: Uint8Array): Promise<number> => {
    const { bytesRead } = await file.read(target, 0, Math.min(target.length, fileBytes - position), position);
    if (bytesRead === 0) throw new RangeError("the spool's file is shorter than what was written");
    position += bytesRead;
    context.onBytes(bytesRead);
    // the room is for others from here on
    if (position === fileBytes) await onFileRead();
    return bytesRead;
  };
  return {
    async read(target) {
      for (let filled = 0; ;) {
        const rest = target.subarray(filled);
        if (rest.length === 0) return filled;
        if (position === fileBytes) return filled + (await reader.read(rest));
        filled += await readFromFile(rest);
      }
    },
    isAtEnd: async () => position === fileBytes && (await reader.isAtEnd()),
    get sizeBytes() {
      return reader.sizeBytes;
    },
    digest: () => reader.digest(),
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  };
}
