import { lstat, mkdtemp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isAirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import { lockFolder } from "../shared/process-lock.ts";
import { ensureFolder } from "./place.ts";
import { removeTree } from "./remove-tree.ts";

const PREFIX = "airlock-drill-";
/** One that is younger may be about to be locked. */
const LEFTOVER_MS = 600_000;

export interface Scratch extends AsyncDisposable {
  /** Empty but for the lock. */
  readonly path: string;
}

/**
 * A folder for what is restored to be looked at and thrown away: gone in the end, whatever that is. What a drill left behind
 * whose process or machine died is known by its lock, which nobody holds any more, and is removed by the next one.
 */
export async function openScratch(base: string, pid: number, now: number): Promise<Scratch> {
  await ensureFolder(base);
  const path = await mkdtemp(join(base, PREFIX));
  try {
    const lock = await lockFolder(path, pid);
    const { uid } = await lstat(path);
    await removeLeftovers(base, { pid, uid, now });
    return {
      path,
      [Symbol.asyncDispose]: async () => {
        await removeTree(path);
        lock.release();
      },
    };
  } catch (error) {
    await removeTree(path);
    throw error;
  }
}

interface Ours {
  readonly pid: number;
  readonly uid: number;
  readonly now: number;
}

async function removeLeftovers(base: string, ours: Ours): Promise<void> {
  for (const name of await readdir(base)) {
    const path = join(base, name);
    if (name.startsWith(PREFIX) && (await isOurLeftover(path, ours))) await removeTree(path);
  }
}

async function isOurLeftover(path: string, { pid, uid, now }: Ours): Promise<boolean> {
  try {
    // the folder may be one that all share
    const folder = await lstat(path);
    if (!folder.isDirectory() || folder.uid !== uid) return false;
    const lock = await lstat(join(path, "lock"));
    if (!lock.isFile() || now - lock.mtimeMs < LEFTOVER_MS) return false;
    (await lockFolder(path, pid)).release();
    return true;
  } catch (error) {
    if (
      isAirlockError(error, "locked", "config-invalid") ||
      ["ENOENT", "EACCES", "ENOTDIR"].includes(errorCode(error) ?? "")
    )
      return false;
    throw error;
  }
}
