import { lstatSync, unlinkSync } from "node:fs";
import { AirlockError, toAirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import type { Runner } from "./open-runner.ts";
import type { Published } from "./publish-context.ts";
import { collectLog } from "./run-log.ts";
import type { FileIdentity, MadeRun } from "./set-state.ts";
import { identityOf, pathOf } from "./watched-file.ts";

const LEFT_AT_ONCE = 100;

/** Errors that have been told; who meets one further up need not tell it again. */
const told = new WeakSet<AirlockError>();

/** What nobody was told of yet, and somebody should be: neither how a program is ended nor that a set is at work already. */
export function isUntold(error: AirlockError, set: string): boolean {
  return !told.has(error) && error.code !== "interrupted" && !isSetAtWork(error, set);
}

/** That the state is locked has the same code and another subject. */
export function isSetAtWork(error: AirlockError, set: string): boolean {
  return error.code === "locked" && error.subject === set;
}

/** A run that could not even be begun. */
export function reportNotBegun(set: string, error: AirlockError, runner: Runner): void {
  const { log, host, timing } = runner.context;
  const startedAt = new Date(timing.now());
  const runLog = collectLog(log, () => timing.now());
  runLog.log.failure("run-failed", error, { host, set });
  reportFailure({ set, error, startedAt, tail: runLog.tail() }, runner);
}

/** A run that has come to nothing: remembered for `status`, and told. */
export function reportFailure(
  run: { readonly set: string; readonly error: AirlockError; readonly startedAt: Date; readonly tail: string },
  runner: Runner,
): void {
  const { sets, context, notifier } = runner;
  const { set, error, startedAt, tail } = run;
  const endedAt = new Date(context.timing.now());
  const { code, message } = error;
  told.add(error);
  try {
    sets.noteFailure(set, { at: endedAt, code, message });
  } catch (thrown) {
    // told all the same: a full disk is why backups fail
    context.log.failure("failed", toAirlockError(thrown), { host: context.host, set });
  }
  const nothing = { bytes: null, key: null, seq: null, sha256: null };
  const report = { set, outcome: "failure", code, message, startedAt, endedAt, tail, ...nothing } as const;
  notifier.tell(addressesOf(set, runner), report);
}

/** The store has confirmed a run's object: told, its file cleared away where the set says so, and done with. */
export function reportStored(id: string, published: Published | null, runner: Runner): void {
  const { sets, context, config, notifier } = runner;
  const run = sets.readRun(id);
  if (run === null) return;
  const { host, timing } = context;
  const { set, startedAt, file, key, seq, sizeBytes: bytes } = run;
  const endedAt = new Date(timing.now());
  const sha256 = published?.sha256 ?? null;
  const runLog = collectLog(context.log, () => timing.now(), run.tail);
  const durationMs = endedAt.getTime() - startedAt.getTime();
  runLog.log.info("run-done", { host, set, run: id, key, bytes, seq, durationMs, outcome: "stored" });
  const setConfig = config.sets.get(set);
  const watched = setConfig?.kind === "watch" ? setConfig : null;
  if (file !== null && watched?.after === "delete") removeFile(watched.folder, file, runner, set);
  const report = { set, outcome: "success", code: null, message: null, startedAt, endedAt } as const;
  notifier.tell(addressesOf(set, runner), { ...report, bytes, key, seq, sha256, tail: runLog.tail() });
  sets.closeRun(id, file !== null && watched?.after !== "delete");
}

/** What processes had stored that ended before they could say so. */
export function reportLeft(runner: Runner): void {
  for (const { id } of runner.sets.listStored(LEFT_AT_ONCE)) reportStored(id, null, runner);
}

/** Runs whose object has waited long: each is told of once, though nothing is lost. */
export function reportDelayed(before: Date, runner: Runner): void {
  const { sets, context } = runner;
  for (const run of sets.takeDelayed(before)) tellDelayed(run, delayed(run), runner, context.host);
}

/** A failure that time alone does not mend, of an object that waits; told once. */
export function reportHeld(id: string, error: AirlockError, runner: Runner): void {
  const run = runner.sets.takeToTell(id);
  if (run !== null) tellDelayed(run, error, runner, runner.context.host);
}

function tellDelayed(run: MadeRun, error: AirlockError, runner: Runner, host: string): void {
  const { set, startedAt, tail } = run;
  const runLog = collectLog(runner.context.log, () => runner.context.timing.now(), tail);
  runLog.log.failure("run-delayed", error, { host, set, run: run.id });
  reportFailure({ set, error, startedAt, tail: runLog.tail() }, runner);
}

function delayed({ startedAt }: MadeRun): AirlockError {
  return new AirlockError("store-unavailable", "it waits in the spool: the store has not taken it yet", {
    subject: startedAt.toISOString(),
    remedy: "see to the network and the store; what waits is sent once it answers",
  });
}

function addressesOf(set: string, { config }: Runner) {
  return config.sets.get(set)?.notify ?? config.notify;
}

/** Removes a file that is stored, if it still is the one that was: nothing else may go. */
export function removeFile(folder: string, given: FileIdentity, { context, config }: Runner, set: string): void {
  const path = pathOf(folder, given.file);
  const left = (reason: string): void =>
    context.log.warn("file-left", { host: config.host, set, path: path.toString(), reason });
  try {
    // Nothing else runs in this process between the two calls. A file that is moved here in just these microseconds is
    // the one thing that could be removed unseen: no call of POSIX removes a name on a condition.
    const info = lstatSync(path, { bigint: true });
    if (identityOf(info) === given.identity) unlinkSync(path);
    else left("it is another file by now, and is taken anew");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    left(errorCode(error) ?? String(error));
  }
}
