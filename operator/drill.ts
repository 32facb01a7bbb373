import { randomInt } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { formatBytes } from "../shared/config/units.ts";
import { AirlockError, isAirlockError, toAirlockError } from "../shared/errors.ts";
import { awaitCopy, requestCopies } from "./archived-copies.ts";
import type { Candidate } from "./choose.ts";
import { createSetChooser } from "./choose-sets.ts";
import type { DrillResult } from "./drill-result.ts";
import { considerAll } from "./find-objects.ts";
import { removeTree } from "./remove-tree.ts";
import { fetchInto, placeAsFolder } from "./place-object.ts";
import { checkIdentities, planObject } from "./plan.ts";
import type { RestoreContext } from "./restore.ts";
import { runOnResult, type RunOptions } from "./run-on-result.ts";
import { formatSelector, isSelected, type Selector } from "./selector.ts";
import { requireGnuTar } from "./unpack.ts";

export interface DrillRequest {
  /** null: a random sample. */
  readonly named: Selector | null;
  /** How many sets are drawn; of a named one every set that it means is taken. */
  readonly sample: number;
  /** Sets whose newest object is stored larger are not drawn; null: all are. */
  readonly largestBytes: number | null;
  /** See `PlanOptions`. */
  readonly maxBytes: number | null;
  /** null: none. */
  readonly run: readonly string[] | null;
  readonly runLimitMs: number;
  /** An empty folder that nobody else uses. */
  readonly scratch: string;
}

export interface DrillContext extends RestoreContext {
  readonly vault: string;
  readonly kill: RunOptions["kill"];
}

export interface Drilled {
  readonly result: DrillResult;
  /** The first thing that went wrong; null where nothing did. */
  readonly failure: AirlockError | null;
}

type DrilledObject = DrillResult["objects"][number];

/**
 * Restores the newest object of some sets as on the worst day, and says how each went. What was restored is removed before
 * the next one is. Fails as a whole only where nothing could be drawn, and that is a result, too.
 * @throws {AirlockError} `interrupted`, and faults of the command line
 */
export async function drill(request: DrillRequest, context: DrillContext): Promise<Drilled> {
  const startedAt = new Date(context.timing.now()).toISOString();
  const objects: DrilledObject[] = [];
  const failures: AirlockError[] = [];
  let setsInVault = 0;
  let error: AirlockError | null = null;
  try {
    await requireGnuTar(context);
    const drawn = await draw(request, context);
    setsInVault = drawn.setsInVault;
    const identities = await context.readIdentities();
    for (const candidate of drawn.candidates) {
      const { object, failure } = await drillObject(candidate, identities, request, context);
      objects.push(object);
      if (failure !== null) failures.push(failure);
    }
  } catch (thrown) {
    context.signal.throwIfAborted();
    // whoever calls it like this will do so tomorrow
    if (isAirlockError(thrown, "usage", "key-file")) throw thrown;
    error = toAirlockError(thrown);
    failures.unshift(error);
  }
  const [failure = null] = failures;
  const result: DrillResult = {
    v: 1,
    startedAt,
    endedAt: new Date(context.timing.now()).toISOString(),
    vault: context.vault,
    outcome: failure === null ? "passed" : "failed",
    error: error === null ? null : describe(error),
    named: request.named === null ? null : formatSelector(request.named),
    setsInVault,
    run: request.run === null ? null : [...request.run],
    objects,
  };
  return { result, failure };
}

async function draw(
  { named, sample, largestBytes }: DrillRequest,
  context: DrillContext,
): Promise<{ readonly candidates: readonly Candidate[]; readonly setsInVault: number }> {
  const chooser = createSetChooser(named?.host ?? null, null);
  await considerAll(context, (candidate) => chooser.consider(candidate));
  const sets = chooser.choose();
  const meant = named === null ? sets : sets.filter(({ object }) => isSelected(object.key, named));
  const fit = meant.filter(({ object }) => largestBytes === null || object.sizeBytes <= largestBytes);
  if (fit.length === 0) {
    const name = named === null ? "the vault" : formatSelector(named);
    const message =
      meant.length === 0
        ? `the ledger records no set of ${name}`
        : `every set of ${name} is stored larger than ${formatBytes(largestBytes ?? 0)}`;
    throw new AirlockError("entry-missing", message, {
      subject: name,
      remedy: "see `airlock ls` for what the vault holds",
    });
  }
  const candidates = named === null ? shuffle(fit).slice(0, sample) : fit;
  return { candidates, setsInVault: sets.length };
}

/** Fisher and Yates; nobody shall know beforehand what will be looked at. */
function shuffle<Item>(items: readonly Item[]): readonly Item[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    const [a, b] = [shuffled[last], shuffled[other]];
    if (a !== undefined && b !== undefined) [shuffled[last], shuffled[other]] = [b, a];
  }
  return shuffled;
}

async function drillObject(
  candidate: Candidate,
  identities: readonly string[],
  request: DrillRequest,
  context: DrillContext,
): Promise<{ readonly object: DrilledObject; readonly failure: AirlockError | null }> {
  const { object } = candidate;
  const begun = performance.now();
  const folder = join(request.scratch, "restored");
  let placed = { restoredBytes: 0, files: 0 };
  let command: DrilledObject["command"] = null;
  let error: AirlockError | null = null;
  try {
    const { maxBytes } = request;
    const plan = planObject(
      candidate,
      { raw: false, unverified: false, only: [], devices: false, maxBytes },
      context.hosts,
    );
    const pending = await requestCopies([object], context);
    await awaitCopy(pending.get(object.vaultName), context);
    await checkIdentities(plan, identities, context);
    await mkdir(folder, { mode: 0o700 });
    const result = join(folder, "it");
    {
      await using stored = await fetchInto(plan, folder, context);
      placed = await placeAsFolder(plan, stored, result, identities, context);
    }
    if (request.run !== null) {
      const env = { ...context.env, AIRLOCK_HOST: object.host, AIRLOCK_SET: object.set ?? "" };
      const { signal, kill } = context;
      const now = (): number => performance.now();
      const ended = await runOnResult(request.run, {
        folder: result,
        env,
        limitMs: request.runLimitMs,
        signal,
        kill,
        now,
      });
      command = { exit: ended.exit, durationMs: ended.durationMs };
      error = ended.error;
    }
  } catch (thrown) {
    context.signal.throwIfAborted();
    error = toAirlockError(thrown);
  } finally {
    await removeTree(folder);
  }
  const drilled: DrilledObject = {
    host: object.host,
    set: object.set ?? "",
    key: object.key,
    at: object.at.toISOString(),
    storedBytes: object.sizeBytes,
    sha256: object.sha256,
    restoredBytes: placed.restoredBytes,
    files: placed.files,
    durationMs: Math.round(performance.now() - begun),
    outcome: error === null ? "passed" : "failed",
    error: error === null ? null : describe(error),
    command,
  };
  return { object: drilled, failure: error };
}

const MAX_MESSAGE = 2000;

function describe({ code, message }: AirlockError): { code: string; message: string } {
  return { code, message: message.slice(0, MAX_MESSAGE) };
}
