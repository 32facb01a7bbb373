/** What every role does with files: read a secret, replace or create a file whole. See also `process-lock.ts`. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants as flags,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
} from "node:fs";
import { constants, link, open, rename, rm } from "node:fs/promises";
import { userInfo } from "node:os";
import { basename, dirname, join } from "node:path";
import { AirlockError, isAirlockError } from "./errors.ts";

const MAX_SECRET_BYTES = 65_536;
const GROUP_OR_OTHERS = 0o077;
/** What a group may not have even on root's files. */
const GROUP_WRITE_OR_OTHERS = 0o037;

/**
 * Reads a key or another secret as text. Nobody but its owner may have any access to it; a file of root's may be
 * readable by a group, so that a service can read what it cannot replace (and as systemd hands over credentials).
 * @throws {AirlockError} `key-file`
 */
export async function readSecretFile(
  file: string,
  remedy = "make one with `init`, or let the user that this runs as read it",
): Promise<string> {
  try {
    // a named pipe would keep us waiting for somebody who writes to it
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    // of what was opened: the name may stand for another file by now
    const { mode, uid, size } = await handle.stat();
    const forbidden = uid === 0 && !isRoot() ? GROUP_WRITE_OR_OTHERS : GROUP_OR_OTHERS;
    if ((mode & 0o170000) !== 0o100000) throw keyFile(file, "it is not a file", "name the file that holds the key");
    if ((mode & forbidden) !== 0) {
      const shown = (mode & 0o7777).toString(8).padStart(4, "0");
      throw keyFile(file, `others than its owner have access to it (mode ${shown})`, `chmod 600 ${file}`);
    }
    if (size > MAX_SECRET_BYTES) throw keyFile(file, "it is larger than 64 KiB", "name the file that holds the key");
    return await handle.readFile("utf8");
  } catch (cause) {
    if (isAirlockError(cause)) throw cause;
    const code = errorCode(cause);
    const what = code === "ENOENT" ? "there is no such file" : `it cannot be read: ${code ?? String(cause)}`;
    throw keyFile(file, what, remedy, cause);
  }
}

function keyFile(file: string, what: string, remedy: string, cause?: unknown): AirlockError {
  return new AirlockError("key-file", `the key file cannot be used: ${what}`, { subject: file, remedy, cause });
}

function isRoot(): boolean {
  try {
    return userInfo().uid === 0;
  } catch {
    return false; // a container's user without an entry in passwd; root has one
  }
}

export interface WriteOptions {
  /** Permission bits, whatever the umask. */
  readonly mode: number;
}

/**
 * Replaces the file whole: whoever opens it, after a power cut too, finds the old content or the new. When this
 * returns, the new one is on the disk.
 */
export async function replaceFile(file: string, content: string | Uint8Array, { mode }: WriteOptions): Promise<void> {
  await writeWhole(file, content, mode, (temporary) => rename(temporary, file));
}

/**
 * Like {@link replaceFile}, for a file that must not be there yet (a key).
 * @throws {AirlockError} `target-exists`
 */
export async function createFile(file: string, content: string | Uint8Array, { mode }: WriteOptions): Promise<void> {
  await writeWhole(file, content, mode, async (temporary) => {
    try {
      await link(temporary, file); // unlike rename, fails when the name is taken
    } catch (cause) {
      if (errorCode(cause) !== "EEXIST") throw cause;
      const remedy = "move it away first, if it really is to be replaced";
      throw new AirlockError("target-exists", "the file is there already", { subject: file, remedy, cause });
    }
    await rm(temporary);
  });
}

async function writeWhole(
  file: string,
  content: string | Uint8Array,
  mode: number,
  publish: (temporary: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(file);
  const temporary = join(folder, `.${basename(file)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await using handle = await open(temporary, "wx", 0o600);
    giveToOwnerOf(folder, handle.fd);
    await handle.writeFile(content);
    await handle.chmod(mode);
    await handle.sync();
    await publish(temporary);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/**
 * Makes the folder, and what is missing above it, for its owner alone; a power cut does not take it away again. Node's own
 * `recursive` never returns where the system takes no folders (below /proc) and syncs nothing.
 * @throws what the system says: of a file in its place, EEXIST; of one above it, ENOTDIR
 */
export function makeFolder(folder: string): void {
  if (isFolder(folder)) return;
  const parent = dirname(folder);
  if (statSync(parent, { throwIfNoEntry: false }) === undefined) makeFolder(parent);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) === "EEXIST" && isFolder(folder)) return; // another process was faster
    throw error;
  }
  const descriptor = openSync(folder, flags.O_DIRECTORY | flags.O_NOFOLLOW);
  try {
    giveToOwnerOf(parent, descriptor);
  } finally {
    closeSync(descriptor);
  }
  syncFolderNow(parent);
}

/** Makes an empty file for its owner alone where there is none: for libraries that would make one by their own rules. */
export function makeEmptyFile(file: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, "wx", 0o600);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    throw error;
  }
  try {
    giveToOwnerOf(dirname(file), descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * For what was made in the folder just now. Root works in a service's folder too (`airlock-uploader put` beside the
 * agent, `airlock-mover release`): what it leaves there is the service's, which could not go on with it otherwise.
 */
export function giveToOwnerOf(folder: string, descriptor: number): void {
  if (fstatSync(descriptor).uid !== 0) return;
  const { uid, gid } = statSync(folder);
  if (uid === 0) return;
  try {
    fchownSync(descriptor, uid, gid);
  } catch (error) {
    if (errorCode(error) !== "EPERM") throw error; // a root without CAP_CHOWN keeps what it made, and goes on with it
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function syncFolderNow(folder: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(folder, "r");
  } catch (error) {
    if (errorCode(error) === "EACCES") return; // who may write into a folder and not read it can't ask for this
    throw error;
  }
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes what was created, renamed or removed in a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
