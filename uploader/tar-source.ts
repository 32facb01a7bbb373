import { AirlockError, isAirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { readProgram, type Kill } from "./program-output.ts";

const VERSION_LIMIT_MS = 30_000;
const MAX_VERSION_BYTES = 4_096;

interface ProgramSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly kill: Kill;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface TarOptions extends ProgramSurroundings {
  readonly paths: readonly string[];
  readonly exclude: readonly string[];
}

/**
 * Others (busybox's, bsdtar) exit with 1 for options that they don't know, which GNU's says of files that changed: an
 * archive of nothing would count as a backup.
 * @throws {AirlockError} `source-unreadable` where there is none, or another
 */
export async function requireGnuTar({ signal, ...surroundings }: ProgramSurroundings): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(VERSION_LIMIT_MS)]);
  const program = { file: "tar", args: ["--version"], stdin: "ignore", ...surroundings, signal: limit } as const;
  let said = "";
  try {
    for await (const chunk of readProgram({ ...program, isWorthLogging: () => false, judge: () => undefined })) {
      if (said.length < MAX_VERSION_BYTES) said += Buffer.from(chunk).toString("latin1");
    }
  } catch (error) {
    if (signal.aborted || !isAirlockError(error)) throw error;
    throw noGnuTar("tar can't be run", error);
  }
  const [line = ""] = said.split("\n");
  if (!line.startsWith("tar (GNU tar)")) throw noGnuTar(`the tar of this machine is another: ${line.slice(0, 80)}`);
}

function noGnuTar(what: string, cause?: unknown): AirlockError {
  const remedy = "install GNU tar under the name tar (most Linux systems have it; Alpine: apk add tar)";
  return new AirlockError("source-unreadable", `${what}; folders are archived by GNU tar`, {
    subject: "tar",
    remedy,
    cause,
  });
}

/**
 * A GNU tar archive of files and folders: pax, so that names, sizes and times of any kind fit; with extended
 * attributes and ACLs; holes of sparse files left out. Names are stored as they are given, less their leading slash.
 * @throws {AirlockError} `source-unreadable` when tar could not read everything
 */
export async function* readTar({
  paths,
  exclude,
  ...surroundings
}: TarOptions): AsyncGenerator<Uint8Array, void, undefined> {
  await requireGnuTar(surroundings);
  const { env, kill, log, signal } = surroundings;
  yield* readProgram({
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
