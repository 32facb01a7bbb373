import { spawn, type ChildProcessByStdio } from "node:child_process";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";

const MAX_STDERR_CHARACTERS = 2000;
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

export interface UnpackOptions {
  /** The environment to find `tar` in; its TAR_OPTIONS don't count, which could undo what keeps an archive inside. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/**
 * Unpacks an archive into a fresh folder. GNU tar is what keeps an archive inside it: leading slashes are stripped,
 * members with `..` are refused, and links that lead out are made only after everything else, so that nothing is
 * written through them. https://www.gnu.org/software/tar/manual/html_node/Integrity.html
 * @param into an empty folder that nobody else uses; what is in it after a failure is to be thrown away
 * @returns what tar said of what this user, file system or machine could not take (an attribute, an ACL's user); the
 * files themselves are whole
 * @throws {AirlockError} `command-failed`, or what the archive's own stream throws
 */
export async function unpackTar(
  archive: AsyncIterable<Uint8Array>,
  into: string,
  options: UnpackOptions,
): Promise<readonly string[]> {
  await using tar = startTar([...EXTRACT, `--directory=${into}`], options);
  // Both are waited for: the archive's own error says more than that of a tar which saw its input end.
  const [fed, ended] = await Promise.allSettled([
    pipeline(Readable.from(archive, { objectMode: false }), tar.stdin, { signal: options.signal }),
    tar.ended,
  ]);
  options.signal.throwIfAborted();
  if (fed.status === "rejected" && !isClosedPipe(fed.reason)) throw fed.reason;
  if (ended.status === "rejected") throw ended.reason;
  if (fed.status === "rejected") throw fed.reason;
  const said = tar.stderrText();
  return said === "" ? [] : said.split("\n");
}

/** What writing to a program that has ended gives: why it ended is the error to tell. */
function isClosedPipe(error: unknown): boolean {
  return ["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"].includes(errorCode(error) ?? "");
}

/** @throws {AirlockError} `command-failed` where `tar` is missing or another one than GNU's, which promises less */
export async function requireGnuTar(options: UnpackOptions): Promise<void> {
  await using tar = startTar(["--version"], options);
  tar.stdin.end();
  await tar.ended;
  if (!tar.stdoutText().includes("GNU tar")) {
    throw new AirlockError("command-failed", "the `tar` on this machine is not GNU tar", {
      subject: "tar",
      remedy: "install GNU tar and put it first in PATH, or unpack it yourself from --to -",
    });
  }
}

interface RunningTar extends AsyncDisposable {
  readonly stdin: Writable;
  readonly ended: Promise<void>;
  stdoutText(): string;
  stderrText(): string;
}

function startTar(args: readonly string[], { env, signal }: UnpackOptions): RunningTar {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn("tar", args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...env, TAR_OPTIONS: undefined, LC_ALL: "C" },
    signal,
    killSignal: "SIGKILL",
  });
  const stdout = collectText(child.stdout);
  const stderr = collectText(child.stderr);
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", (cause) =>
      reject(
        new AirlockError("command-failed", `tar could not be run: ${cause.message}`, {
          subject: "tar",
          remedy: "install GNU tar, or unpack it yourself from --to -",
          cause,
        }),
      ),
    );
    child.once("close", (code, killedBy) => {
      if (code === 0) return resolve();
      reject(
        new AirlockError("command-failed", `tar ended with ${killedBy ?? `exit ${code}`}: ${stderr()}`, {
          subject: "tar",
          remedy: "look at the archive with --to - | tar -tv, and unpack by hand what you need of it",
        }),
      );
    });
  });
  void Promise.allSettled([ended]);
  return {
    stdin: child.stdin,
    ended,
    stdoutText: stdout,
    stderrText: stderr,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await Promise.allSettled([ended]);
    },
  };
}

/** The end of what was printed, bounded: an archive can make tar print a line for each of its members. */
function collectText(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (piece: string) => {
    text = (text + piece).slice(-MAX_STDERR_CHARACTERS);
  });
  return () => text.trim();
}
