/**
 * Bodies on disk. Small ones are packed into append-only files and written and read synchronously (page cache:
 * a few microseconds, cheaper than a trip through the thread pool); larger ones are a file each. A blob never changes.
 * Nothing is synced: this store need not outlive its process.
 */
import { Buffer } from "node:buffer";
import { closeSync, openSync, readSync, rmSync, unlink, writeSync } from "node:fs";
import { mkdir, mkdtemp, open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { ConnectionGone } from "./errors.ts";

const packedMaxBytes = 8 * 1024;
const packMaxBytes = 64 * 1024 * 1024;
const readChunkBytes = 256 * 1024;
/** What is gathered before it is written. */
const writeBytes = 512 * 1024;

/** A body, or one part of a multipart body. `pack` is undefined for a file of its own. */
export interface Blob {
  readonly id: number;
  readonly pack: Pack | undefined;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Versions, uploads and readers that need it. */
  references: number;
}

interface Pack {
  readonly path: string;
  readonly fd: number;
  lengthBytes: number;
  liveBlobs: number;
}

/** Takes one body; ends by `commit` (the blob has one reference) or `discard`. */
export interface BlobWriter {
  write(chunk: Buffer): Promise<void> | undefined;
  commit(): Promise<Blob>;
  discard(): Promise<void>;
}

export interface BlobStore {
  createWriter(): BlobWriter;
  retain(blob: Blob): void;
  release(blob: Blob): void;
  /** The bytes from `start` to before `end`. The blob must be retained until the generator has ended. */
  read(blob: Blob, start: number, end: number): AsyncGenerator<Buffer, void>;
  /** The same for a packed blob, at once; undefined for others. */
  readPacked(blob: Blob, start: number, end: number): Buffer | undefined;
  close(): void;
}

export async function openBlobStore(parent: string): Promise<BlobStore> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "s3-"));
  let nextId = 1;
  let current: Pack | undefined;
  const packs = new Set<Pack>();

  let isClosed = false;
  /** A request that outlives the server must not write to a descriptor that may be another file's by now. */
  const checkOpen = (): void => {
    if (isClosed) throw new ConnectionGone("the server was closed");
  };

  const pathOf = (id: number): string => join(folder, `${id}.body`);
  const openPack = (): Pack => {
    const path = join(folder, `${nextId++}.pack`);
    const pack = { path, fd: openSync(path, "w+"), lengthBytes: 0, liveBlobs: 0 };
    packs.add(pack);
    return pack;
  };
  const closePack = (pack: Pack): void => {
    closeSync(pack.fd);
    packs.delete(pack);
    unlink(pack.path, ignoreGone);
  };
  const packBody = (body: Buffer): Blob => {
    checkOpen();
    if (current === undefined || current.lengthBytes >= packMaxBytes) {
      if (current?.liveBlobs === 0) closePack(current);
      current = openPack();
    }
    const pack = current;
    const offset = pack.lengthBytes;
    if (body.length > 0) writeSync(pack.fd, body, 0, body.length, offset);
    pack.lengthBytes += body.length;
    pack.liveBlobs++;
    return { id: nextId++, pack, offset, sizeBytes: body.length, references: 1 };
  };
  const readPacked = (blob: Blob, start: number, end: number): Buffer | undefined => {
    if (blob.pack === undefined) return undefined;
    checkOpen();
    const buffer = Buffer.allocUnsafe(end - start);
    if (end > start) readSync(blob.pack.fd, buffer, 0, end - start, blob.offset + start);
    return buffer;
  };

  return {
    createWriter: () => createWriter(packBody, () => nextId++, pathOf),
    retain: (blob) => {
      blob.references++;
    },
    release: (blob) => {
      if (--blob.references > 0 || isClosed) return;
      if (blob.pack === undefined) unlink(pathOf(blob.id), ignoreGone);
      else if (--blob.pack.liveBlobs === 0 && blob.pack !== current) closePack(blob.pack);
    },
    async *read(blob, start, end) {
      const packed = readPacked(blob, start, end);
      if (packed !== undefined) {
        yield packed;
        return;
      }
      const file = await open(pathOf(blob.id), "r");
      try {
        for (let at = start; at < end;) {
          const buffer = Buffer.allocUnsafe(Math.min(readChunkBytes, end - at));
          const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
          if (bytesRead === 0) throw new Error(`blob ${blob.id} is shorter than recorded`);
          at += bytesRead;
          yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    },
    readPacked,
    close: () => {
      isClosed = true;
      for (const pack of packs) closeSync(pack.fd);
      packs.clear();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The folder may have been removed already when a late unlink comes: a body that is gone is what was wanted. */
function ignoreGone(error: NodeJS.ErrnoException | null): void {
  if (error !== null && error.code !== "ENOENT") throw error;
}

function createWriter(
  packBody: (body: Buffer) => Blob,
  takeId: () => number,
  pathOf: (id: number) => string,
): BlobWriter {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let sizeBytes = 0;
  let id = 0;
  let file: FileHandle | undefined;

  const flush = async (): Promise<void> => {
    const chunks = held;
    held = [];
    heldBytes = 0;
    if (file === undefined) {
      id = takeId();
      file = await open(pathOf(id), "w");
    }
    if (chunks.length > 0) await writeAll(file, chunks);
  };
  return {
    write: (chunk) => {
      sizeBytes += chunk.length;
      heldBytes += chunk.length;
      held.push(chunk);
      return heldBytes >= writeBytes ? flush() : undefined;
    },
    commit: async () => {
      if (sizeBytes <= packedMaxBytes) return packBody(Buffer.concat(held));
      await flush();
      await file?.close();
      return { id, pack: undefined, offset: 0, sizeBytes, references: 1 };
    },
    discard: async () => {
      held = [];
      if (file === undefined) return;
      await file.close();
      unlink(pathOf(id), ignoreGone);
    },
  };
}

async function writeAll(file: FileHandle, chunks: readonly Buffer[]): Promise<void> {
  const { bytesWritten } = await file.writev(chunks);
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (bytesWritten === total) return;
  const rest = Buffer.concat(chunks).subarray(bytesWritten);
  for (let at = 0; at < rest.length;) at += (await file.write(rest, at, rest.length - at)).bytesWritten;
}
