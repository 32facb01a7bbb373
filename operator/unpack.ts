import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AirlockError } from "../shared/errors.ts";
import { inspectTree } from "./inspect-tree.ts";
import { isAboutDevices, readComplaints, type TarComplaints } from "./tar-complaints.ts";

/**
 * What `airlock-uploader` asks tar to store, it is asked here to give back. Owners go by number: whose names these are
 * is the host's to say, and this may be another machine.
 */
const EXTRACT = [
  "--extract",
  "--file=-",
  "--preserve-permissions",
  "--numeric-owner",
  "--xattrs",
  "--xattrs-include=*",
  "--acls",
  "--warning=no-timestamp",
];
/** Names with control characters in them are shown escaped. */
const LIST = ["--list", "--file=-", "--numeric-owner", "--quoting-style=escape"];

export interface TarOptions {
  /** The environment to find `tar` in; its TAR_OPTIONS don't count, which could undo what keeps an archive inside. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

export interface Unpacked {
  /** Everything that is not a folder. */
  readonly files: number;
  /**
   * What tar said of what this user, file system or machine could not take (an attribute, an ACL's user), and what was left
   * out; the files themselves are whole.
   */
  readonly remarks: readonly string[];
}

export interface UnpackOptions extends TarOptions {
  /** Whether device nodes may come to be, which only root can make. */
  readonly devices: boolean;
  /** Members, and what lies below them; all when there are none. */
  readonly only: readonly string[];
}

/**
 * Unpacks an archive into a fresh folder. GNU tar is what keeps an archive inside it: leading slashes are stripped,
 * members with `..` are refused, and links that lead out are made only after everything else, so that nothing is
 * written through them. https://www.gnu.org/software/tar/manual/html_node/Integrity.html
 * @param into an empty folder that nobody else uses; what is in it after a failure is to be thrown away
 * @throws {AirlockError} `command-failed`, `entry-missing` when there is no such member, or what the archive's own
 * stream throws
 */
export async function unpackTar(
  archive: AsyncIterable<Uint8Array>,
  into: string,
  options: UnpackOptions,
): Promise<Unpacked> {
  const { devices, only } = options;
  await using tar = startTar([...EXTRACT, `--directory=${into}`, "--", ...only], options);
  await feed(archive, tar, options.signal);
  const said = tar.stderr.lastLines();
  const { failures, missing, devicesRefused } = tar.stderr.counts();
  const status = tar.status();
  if (missing > 0) {
    throw new AirlockError("entry-missing", `the archive does not have all of ${only.join(", ")}`, {
      subject: "--only",
      remedy: "give members as --list shows them, each whole; a folder brings what is in it",
    });
  }
  if (status !== "exit 0" && !(status === "exit 2" && !devices && failures === 0 && devicesRefused > 0)) {
    throw tarFailed(status, said);
  }
  const found = await inspectTree(into, { removeDevices: !devices });
  const leftOut = devicesRefused + found.devicesRemoved;
  const remarks = [
    ...said.filter((line) => !isAboutDevices(line)),
    ...(leftOut > 0 ? [`${leftOut} device nodes were left out: --devices, as root, restores them`] : []),
  ];
  return { files: found.files, remarks };
}

/** Names of members as tar shows them, long or short, to the stream. Nothing is unpacked. */
export async function listTar(
  archive: AsyncIterable<Uint8Array>,
  to: Writable,
  { isLong, ...options }: TarOptions & { readonly isLong: boolean },
): Promise<void> {
  await using tar = startTar([...LIST, ...(isLong ? ["--verbose", "--full-time"] : [])], { ...options, stdout: to });
  await feed(archive, tar, options.signal);
  if (tar.status() !== "exit 0") throw tarFailed(tar.status(), tar.stderr.lastLines());
}

/**
 * Reads the archive's stream to its end even where tar has seen the archive's own end before: that nothing was cut off or
 * altered is known only there.
 */
async function feed(archive: AsyncIterable<Uint8Array>, tar: RunningTar, signal: AbortSignal): Promise<void> {
  const write = (piece: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      // an error says that tar has ended, and its exit says why
      tar.stdin.write(piece, () => resolve());
    });
  let written: Promise<void> | null = null;
  for await (const piece of archive) {
    signal.throwIfAborted();
    await written;
    if (tar.hasFailed()) break;
    if (!tar.stdin.destroyed) written = write(piece);
  }
  tar.stdin.end();
  await tar.ended.catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  signal.throwIfAborted();
}

function tarFailed(status: string, said: readonly string[]): AirlockError {
  return new AirlockError("command-failed", `tar ended with ${status}: ${said.join("; ")}`, {
    subject: "tar",
    remedy: "look at the archive with --list, and unpack by hand (--to - | tar -x) what you need of it",
  });
}

/** @throws {AirlockError} `command-failed` where `tar` is missing or another one than GNU's, which promises less */
export async function requireGnuTar(options: TarOptions): Promise<void> {
  await using tar = startTar(["--version"], options);
  tar.stdin.end();
  await tar.ended;
  if (tar.status() !== "exit 0" || !tar.stdoutText().includes("GNU tar")) {
    throw new AirlockError("command-failed", "the `tar` on this machine is not GNU tar", {
      subject: "tar",
      remedy: "install GNU tar and put it first in PATH, or unpack it yourself from --to -",
    });
  }
}

interface RunningTar extends AsyncDisposable {
  readonly stdin: Writable;
  /** Rejects only where it could not be run. */
  readonly ended: Promise<void>;
  /** `exit 2`, or the signal's name. */
  status(): string;
  /** Whether it has ended, and not well. */
  hasFailed(): boolean;
  stdoutText(): string;
  readonly stderr: TarComplaints;
}

function startTar(
  args: readonly string[],
  { env, signal, stdout }: TarOptions & { readonly stdout?: Writable },
): RunningTar {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn("tar", args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...env, TAR_OPTIONS: undefined, LC_ALL: "C" },
    signal,
    killSignal: "SIGKILL",
  });
  const written = stdout === undefined ? null : pipeline(child.stdout, stdout, { end: false, signal });
  const text = stdout === undefined ? collectText(child.stdout) : () => "";
  const stderr = readComplaints(child.stderr);
  const unfinished = "no exit";
  let status: string = unfinished;
  child.stdin.on("error", () => {
    // it reads no more; why is told by its exit
  });
  const closed = new Promise<void>((resolve, reject) => {
    child.once("error", (cause) => {
      status = "no start";
      reject(
        new AirlockError("command-failed", `tar could not be run: ${cause.message}`, {
          subject: "tar",
          remedy: "install GNU tar, or unpack it yourself from --to -",
          cause,
        }),
      );
    });
    child.once("close", (code, killedBy) => {
      status = killedBy ?? `exit ${code}`;
      resolve();
    });
  });
  const ended = Promise.all([closed, written]).then(() => undefined);
  void Promise.allSettled([closed, written, ended]);
  return {
    stdin: child.stdin,
    ended,
    status: () => status,
    hasFailed: () => status !== unfinished && status !== "exit 0",
    stdoutText: text,
    stderr,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await Promise.allSettled([closed, written]);
    },
  };
}

const MAX_STDOUT_CHARACTERS = 2000;

function collectText(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (piece: string) => {
    text = (text + piece).slice(-MAX_STDOUT_CHARACTERS);
  });
  return () => text.trim();
}
