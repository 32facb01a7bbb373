import { open, stat, realpath } from "node:fs/promises";
import { AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";

const READ_BYTES = 1024 * 1024;

/** What a PATH is, a symbolic link standing for what it points to. */
export interface PathInfo {
  readonly path: string;
  readonly isDirectory: boolean;
  /** null for what has no size before it is read: pipes, devices, files of /proc. */
  readonly sizeBytes: number | null;
}

/** @throws {AirlockError} `source-unreadable` */
export async function inspectPath(path: string): Promise<PathInfo> {
  try {
    const info = await stat(path);
    if (info.isSocket()) throw new AirlockError("source-unreadable", "a socket can't be stored", { subject: path });
    const isSized = info.isFile() && info.size > 0;
    // A pipe or descriptor (`/dev/fd/63`, of a shell's `<(…)`) has no other path than the one that was given.
    const resolved = info.isFile() || info.isDirectory() ? await realpath(path) : path;
    // A folder keeps the name that it was given, which is what tar stores; the slash makes tar follow a link to it.
    const folder = path.endsWith("/") || resolved === path ? path : `${path}/`;
    return {
      path: info.isDirectory() ? folder : resolved,
      isDirectory: info.isDirectory(),
      sizeBytes: isSized ? info.size : null,
    };
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/**
 * A file's bytes, each piece there until the next one is asked for. A file that changes while it is read is stored as it
 * was read, with a warning.
 */
export async function* readFile(
  info: PathInfo,
  log: Log,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { path } = info;
  try {
    const before = await stat(path);
    await using file = await open(path);
    // One buffer for all of it: a new one for each piece is garbage by the size of the file.
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) break;
      yield buffer.subarray(0, bytesRead);
    }
    const after = await stat(path);
    if (before.isFile() && (before.mtimeMs !== after.mtimeMs || before.size !== after.size))
      log.warn("source-changed", { path });
  } catch (cause) {
    if (signal.aborted) throw new AirlockError("interrupted", "interrupted", { cause: signal.reason });
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): unknown {
  if (cause instanceof AirlockError || !(cause instanceof Error) || !("code" in cause)) return cause;
  const code = String(cause.code);
  return new AirlockError(
    "source-unreadable",
    code === "ENOENT" ? "there is no such file or folder" : `it can't be read (${code})`,
    {
      subject: path,
      remedy: code === "ENOENT" ? "check the path" : "let the user that this runs as read it, or leave it out",
      cause,
    },
  );
}
