import { randomBytes } from "node:crypto";
import { chmod, link, lstat, mkdir, mkdtemp, open, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { AirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import { removeTree } from "./remove-tree.ts";

/** Begins the name of everything that is not finished; whatever has such a name may be removed. */
export const UNFINISHED = ".airlock-restore-";

/** What a file system without hard links (FAT on a USB stick) says when asked for one. */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

export interface TemporaryFile extends AsyncDisposable {
  readonly path: string;
  readonly handle: FileHandle;
  /** All of it, at the end. */
  append(bytes: Uint8Array): Promise<void>;
}

/** A file of the folder's own file system, readable by its owner only, that is gone after use unless it was placed. */
export async function createTemporaryFile(folder: string): Promise<TemporaryFile> {
  const path = join(folder, `${UNFINISHED}${randomBytes(8).toString("hex")}`);
  return toTemporaryFile(path, await open(path, "wx+", 0o600), 0);
}

/** @param length of what is in it already */
export function toTemporaryFile(
  path: string,
  handle: FileHandle,
  length: number,
): TemporaryFile & { readonly rewind: () => void } {
  let end = length;
  return {
    path,
    handle,
    rewind: () => {
      end = 0;
    },
    append: async (bytes) => {
      for (let offset = 0; offset < bytes.length;) {
        const { bytesWritten } = await handle.write(bytes, offset, bytes.length - offset, end);
        offset += bytesWritten;
        end += bytesWritten;
      }
    },
    [Symbol.asyncDispose]: async () => {
      await handle.close();
      await rm(path, { force: true });
    },
  };
}

const PIECE_BYTES = 256 * 1024;

/** What is in a file, from its beginning. Not by a stream: one that is left early closes the file. */
export async function* readBack(handle: FileHandle): AsyncGenerator<Buffer, void, undefined> {
  for (let position = 0; ;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

export async function createTemporaryFolder(folder: string): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(folder, UNFINISHED));
  return { path, [Symbol.asyncDispose]: () => removeTree(path) };
}

/** @throws {AirlockError} `target-exists` when something has that name, a dangling link included */
export async function requireFree(path: string | Buffer): Promise<void> {
  if (await exists(path)) throw targetExists(path);
}

/** The moment at which a restored file comes to be: under its final name, whole, and never over another. */
export async function placeFile(temporary: TemporaryFile, path: string): Promise<void> {
  await temporary.handle.sync();
  try {
    await link(temporary.path, path);
  } catch (error) {
    if (errorCode(error) === "EEXIST") throw targetExists(path, error);
    if (!NO_LINKS.has(errorCode(error) ?? "")) throw error;
    // there, to look and to rename are two steps
    await requireFree(path);
    await rename(temporary.path, path);
  }
}

/**
 * Moves all that lies directly in one folder to another on the same file system: all of it, or after a failure none.
 * @returns the names that were moved
 * @throws {AirlockError} `target-exists` before anything was moved, when one of the names is taken
 */
export async function placeFolderContents(from: string, to: string): Promise<readonly string[]> {
  // An archive may have set the folder's own mode (as its member `./`) to one that forbids moving things out of it.
  await chmod(from, 0o700);
  // As bytes: not every file system's names are UTF-8.
  const names = await readdir(from, { encoding: "buffer" });
  const taken = new Set((await readdir(to, { encoding: "buffer" })).map((name) => name.toString("latin1")));
  const clash = names.find((name) => taken.has(name.toString("latin1")));
  if (clash !== undefined) throw targetExists(entryOf(to, clash));
  const moved: Buffer[] = [];
  try {
    for (const name of names) {
      await requireFree(entryOf(to, name));
      await moveEntry(entryOf(from, name), entryOf(to, name));
      moved.push(name);
    }
  } catch (error) {
    for (const name of moved) await moveEntry(entryOf(to, name), entryOf(from, name));
    throw error;
  }
  return names.map((name) => name.toString());
}

function entryOf(folder: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), name]);
}

/** Moving a folder writes its `..`, so without root's rights one that is write-protected has to be opened for it. */
async function moveEntry(from: Buffer, to: Buffer): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errorCode(error) !== "EACCES") throw error;
    const { mode } = await lstat(from);
    await chmod(from, 0o700);
    await rename(from, to);
    await chmod(to, mode & 0o7777);
  }
}

/** Makes the folder and what leads to it. @returns whether it was there already */
export async function ensureFolder(path: string): Promise<boolean> {
  const made = await mkdir(path, { recursive: true });
  return made === undefined;
}

async function exists(path: string | Buffer): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

function targetExists(path: string | Buffer, cause?: unknown): AirlockError {
  return new AirlockError("target-exists", "there is something of that name already, and nothing is overwritten", {
    subject: path.toString(),
    remedy: "restore into another folder with --to, or move what is there out of the way",
    cause,
  });
}
