import { hash } from "node:crypto";
import { constants, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { AirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import { toTemporaryFile, UNFINISHED, type TemporaryFile } from "./place.ts";
import type { StoredObject } from "./stored-object.ts";

/** A download that the next attempt at the same object can go on with. */
export interface PartFile extends TemporaryFile {
  /** What an earlier attempt left: claimed, not proven. */
  readonly foundBytes: number;
  /** From now on it stays when it is disposed of. */
  keep(): void;
  /** Throws away what is in it. */
  restart(): Promise<void>;
}

/**
 * Opens the folder's file for this object's bytes. Two processes that download the same object into one
 * folder write the same bytes to the same places.
 * @throws {AirlockError} `target-exists` when something else has its name
 */
export async function openPartFile(
  folder: string,
  { vaultName, sha256 }: Pick<StoredObject, "vaultName" | "sha256">,
): Promise<PartFile> {
  const id = hash("sha256", `${vaultName}\n${sha256}`).slice(0, 32);
  const path = join(folder, `${UNFINISHED}${id}.part`);
  const handle = await open(
    path,
    constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    0o600,
  ).catch((cause: unknown) => {
    if (errorCode(cause) === "ELOOP" || errorCode(cause) === "EISDIR") throw notOurs(path, cause);
    throw cause;
  });
  try {
    const { mode, nlink, size } = await handle.stat();
    // more names than one: it is somebody's file, or has been put in place already
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || nlink !== 1) throw notOurs(path);
    const file = toTemporaryFile(path, handle, size);
    let kept = false;
    return {
      ...file,
      foundBytes: size,
      keep: () => {
        kept = true;
      },
      restart: async () => {
        await handle.truncate(0);
        file.rewind();
      },
      [Symbol.asyncDispose]: async () => {
        await handle.close();
        if (!kept) await rm(path, { force: true });
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function notOurs(path: string, cause?: unknown): AirlockError {
  return new AirlockError("target-exists", "something that is no unfinished download has its name", {
    subject: path,
    remedy: "move it out of the way",
    cause,
  });
}
