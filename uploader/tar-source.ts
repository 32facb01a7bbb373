import { AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { readProgram, type Kill } from "./program-output.ts";

export interface TarOptions {
  readonly paths: readonly string[];
  readonly exclude: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly kill: Kill;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * A GNU tar archive of files and folders: pax, so that names, sizes and times of any kind fit; with extended
 * attributes and ACLs; holes of sparse files left out. Names are stored as they are given, less their leading slash.
 * @throws {AirlockError} `source-unreadable` when tar could not read everything
 */
export function readTar({ paths, exclude, env, kill, log, signal }: TarOptions): AsyncIterable<Uint8Array> {
  return readProgram({
    file: "tar",
    args: [
      "--create",
      "--file=-",
      "--format=pax",
      "--xattrs",
      "--acls",
      "--sparse",
      ...exclude.map((pattern) => `--exclude=${pattern}`),
      "--",
      ...paths,
    ],
    // Messages are matched below. A name's bytes go into the archive as they are in every locale.
    env: { ...env, LC_ALL: "C", TAR_OPTIONS: undefined },
    stdin: "ignore",
    kill,
    log,
    signal,
    isWorthLogging: (line) => !/^tar: Removing leading `.*' from (member names|hard link targets)$/.test(line),
    judge: ({ exitCode, signalName, lastLines }) => {
      if (exitCode === 0) return;
      // 1: "some files differ", which is a file that changed or went away while it was read. GNU tar manual, "Return codes"
      if (exitCode === 1) return log.warn("source-changed", { lines: lastLines });
      const how = signalName === null ? `exited with ${exitCode}` : `was ended by ${signalName}`;
      const said = lastLines.find((line) => !line.startsWith("tar: Exiting with failure")) ?? "";
      throw new AirlockError("source-unreadable", `tar ${how}; nothing was stored\n${said}`.trimEnd(), {
        subject: paths.join(" "),
        remedy: "let the user that this runs as read all of it, or leave out what it can't",
      });
    },
  });
}
