import { constants, createReadStream, lstatSync, type BigIntStats } from "node:fs";
import { open, opendir, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { hasPassed } from "../shared/elapsed.ts";
import { AirlockError, isAirlockError, toAirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import { backoffMs } from "../shared/retry.ts";
import type { Runner } from "./open-runner.ts";
import { removeFile, reportNotBegun } from "./report-runs.ts";
import { runInput, type RunMade, type RunOptions } from "./run-set.ts";
import type { WatchSet } from "./set-config.ts";
import type { FileIdentity } from "./set-state.ts";
import { identityOf, pathOf } from "./watched-file.ts";

/** So many files are under observation at a time, whatever lies in the folder; the rest has its turn after them. */
const MAX_OBSERVED = 10_000;
/** Of a file that can't be read, by the number of its failures. */
const TROUBLE_BACKOFF = { baseMs: 120_000, capMs: 3_600_000 };
const KEPT_AT_ONCE = 1_000;

interface Observed {
  readonly identity: string;
  readonly sinceMs: number;
  look: number;
}

export interface Look {
  /** Not taken yet, since they have to stay as they are for a while first. */
  readonly unsettled: number;
  /** There was no room to look at all of them. */
  readonly isPartial: boolean;
}

export interface WatchedFolder {
  /**
   * Looks at all that lies in the folder, and hands over what has stayed as it is for long enough.
   * @throws {AirlockError} `source-unreadable` when the folder can't be read; what `take` throws
   */
  look(take: (file: FileIdentity) => Promise<void>, signal: AbortSignal): Promise<Look>;
  /** Puts a file off that can't be taken. */
  postpone(file: FileIdentity): void;
  /** Forgets kept files that are gone. */
  forgetGone(signal: AbortSignal): Promise<void>;
}

/** What is known of a folder from one look to the next. */
export function watchFolder(set: string, { folder, after, settleMs }: WatchSet, runner: Runner): WatchedFolder {
  const { sets, context } = runner;
  const { timing } = context;
  const observed = new Map<string, Observed>();
  const troubled = new Map<string, { readonly failures: number; readonly sinceMs: number; readonly waitMs: number }>();
  let looks = 0;

  const isTaken = (file: FileIdentity): boolean => {
    const phase = sets.readFile(set, file);
    if (phase === "kept" && after === "delete") removeFile(folder, file, runner, set);
    return phase === "waiting" || phase === "stored" || phase === "kept";
  };
  /** Whether it may be taken now; null: there is nothing to be taken. */
  const judge = (file: string, info: BigIntStats): "settled" | "unsettled" | "no-room" | null => {
    const identity = identityOf(info);
    const now = timing.now();
    const former = observed.get(file);
    if (former?.identity !== identity && isTaken({ file, identity })) return null;
    const trouble = troubled.get(file);
    if (trouble !== undefined && !hasPassed(trouble.sinceMs, trouble.waitMs, now)) return null;
    if (former === undefined && observed.size >= MAX_OBSERVED) return "no-room";
    // seen for the first time, as far as a clock that was set back can tell
    if (former?.identity !== identity || now < former.sinceMs) {
      observed.set(file, { identity, sinceMs: now, look: looks });
      return "unsettled";
    }
    former.look = looks;
    // a time of modification that lies ahead says nothing: that it was seen to stay as it is has to do
    const isSettled = now - former.sinceMs >= settleMs && hasPassed(Number(info.mtimeMs), settleMs, now);
    return isSettled ? "settled" : "unsettled";
  };

  return {
    async look(take, signal) {
      looks++;
      let unsettled = 0;
      let isPartial = false;
      for await (const { file, info } of listFiles(folder)) {
        if (signal.aborted) throw new AirlockError("interrupted", "interrupted", { cause: signal.reason });
        const verdict = judge(file, info);
        if (verdict === "unsettled") unsettled++;
        if (verdict === "no-room") isPartial = true;
        if (verdict !== "settled") continue;
        observed.delete(file);
        const identified = { file, identity: identityOf(info) };
        await take(identified);
        if (!troubled.has(file)) sets.forgetOthers(set, identified);
      }
      for (const [file, { look }] of observed) if (look !== looks) observed.delete(file);
      return { unsettled, isPartial };
    },
    postpone({ file }) {
      const failures = (troubled.get(file)?.failures ?? 0) + 1;
      const waitMs = TROUBLE_BACKOFF.baseMs / 2 + backoffMs(failures, TROUBLE_BACKOFF, timing.random);
      for (const [other, trouble] of troubled)
        if (hasPassed(trouble.sinceMs, trouble.waitMs + TROUBLE_BACKOFF.capMs, timing.now())) troubled.delete(other);
      if (troubled.size < MAX_OBSERVED) troubled.set(file, { failures, sinceMs: timing.now(), waitMs });
    },
    async forgetGone(signal) {
      let last = "";
      for (;;) {
        const files = sets.listKept(set, last, KEPT_AT_ONCE);
        for (const file of files) if (isGone(pathOf(folder, file))) sets.forgetKept(set, file);
        last = files.at(-1) ?? "";
        if (files.length < KEPT_AT_ONCE) return;
        await timing.sleep(0, signal);
      }
    },
  };
}

/** Regular files directly in the folder, whose names do not begin with a dot; no symbolic links. */
async function* listFiles(folder: string): AsyncGenerator<{ file: string; info: BigIntStats }, void, undefined> {
  try {
    // names are bytes, and this encoding has a character for each
    for await (const { name: file } of await opendir(folder, { encoding: "latin1", bufferSize: 256 })) {
      if (file.startsWith(".")) continue;
      const info = lstatSync(pathOf(folder, file), { bigint: true, throwIfNoEntry: false });
      if (info?.isFile() === true) yield { file, info };
    }
  } catch (cause) {
    const code = errorCode(cause);
    if (isAirlockError(cause) || code === undefined) throw cause;
    throw new AirlockError("source-unreadable", `the watched folder can't be read (${code})`, {
      subject: folder,
      remedy: "make it, and let the user that this runs as read it",
      cause,
    });
  }
}

/** Only a definite answer means that it is. */
function isGone(path: Buffer): boolean {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false }) === undefined;
}

/**
 * Takes one file, from the folder into the spool.
 * @returns null when it is not the file any more that was looked at, or somebody else has it in hand
 */
export async function takeFile(
  set: string,
  { folder }: WatchSet,
  file: FileIdentity,
  runner: Runner,
  options: Omit<RunOptions, "planned">,
): Promise<RunMade | null> {
  const path = pathOf(folder, file.file);
  await using handle = await openFile(path, folder, file.file).catch((thrown: unknown) => {
    const error = toAirlockError(thrown);
    reportNotBegun(set, error, runner);
    throw error;
  });
  if (handle === null) return null;
  const info = await handle.stat({ bigint: true });
  if (!info.isFile() || identityOf(info) !== file.identity) return null;
  const input = {
    kind: "open-file",
    name: Buffer.from(file.file, "latin1").toString("utf8"),
    sizeBytes: Number(info.size),
    read: (signal: AbortSignal) => readUnchanged(handle, file, signal),
  } as const;
  try {
    return await runInput({ set, input, givenName: null, file }, runner, { ...options, planned: null });
  } catch (error) {
    // it changed while it was read, or another process was faster: it has its turn when it has settled
    if (isAirlockError(error, "source-changed", "locked")) return null;
    throw error;
  }
}

async function openFile(path: Buffer, folder: string, name: string): Promise<FileHandle | null> {
  try {
    // O_NONBLOCK: it may have become a named pipe, which would keep us waiting
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT" || code === "ELOOP") return null;
    if (code === undefined) throw toAirlockError(cause);
    throw new AirlockError("source-unreadable", `it can't be read (${code})`, {
      subject: join(folder, Buffer.from(name, "latin1").toString("utf8")),
      remedy: "let the user that this runs as read it",
      cause,
    });
  }
}

/** @throws {AirlockError} `source-changed` unless the file is at the end what it was at the beginning */
async function* readUnchanged(
  handle: FileHandle,
  { identity }: FileIdentity,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = createReadStream("", { fd: handle, start: 0, autoClose: false, highWaterMark: 256 * 1024, signal });
  for await (const chunk of stream) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("a file is read as bytes");
    yield chunk;
  }
  if (identityOf(await handle.stat({ bigint: true })) === identity) return;
  throw new AirlockError("source-changed", "the file changed while it was read; it is taken when it has settled", {});
}
