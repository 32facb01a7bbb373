import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AirlockError, toAirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import { awaitCopy, requestCopies, type PendingCopy } from "./archived-copies.ts";
import { createSetChooser } from "./choose-sets.ts";
import { considerAll } from "./find-objects.ts";
import type { PartFile } from "./part-file.ts";
import { ensureFolder, UNFINISHED } from "./place.ts";
import { fetchInto, placeAsFolder, type Placed } from "./place-object.ts";
import { checkIdentities, planObject, type Plan, type PlanOptions } from "./plan.ts";
import { prefetch } from "./prefetch.ts";
import type { RestoreContext } from "./restore.ts";
import { requireGnuTar } from "./unpack.ts";

/** One set is decoded while the next ones are read: each reader has 40 MiB in memory. */
const SETS_AHEAD = 2;

export interface RestoreHostRequest extends PlanOptions {
  readonly host: string;
  readonly at: Date | null;
  /** Each set becomes a folder of its name in it. */
  readonly to: string;
  /** Sets that come first, in this order; the others follow by their names. */
  readonly order: readonly string[];
}

export type SetOutcome = { readonly set: string } & (
  | { readonly outcome: "restored"; readonly plan: Plan; readonly placed: Placed }
  /** An earlier attempt restored the very same object. */
  | { readonly outcome: "there-already"; readonly plan: Plan }
  | { readonly outcome: "failed"; readonly error: AirlockError }
);

export interface RestoredHost {
  readonly sets: readonly SetOutcome[];
  /** Objects of the host that belong to no set: they are restored one by one. */
  readonly foreign: number;
}

/**
 * Restores the newest object of each set of a host, in order. One that fails does not keep the others back; an
 * interruption does, and the next attempt passes over what is done.
 * @throws {AirlockError} `entry-missing` for a host without any set
 */
export async function restoreHost(request: RestoreHostRequest, context: RestoreContext): Promise<RestoredHost> {
  const { host, to } = request;
  const chooser = createSetChooser(host, request.at);
  await considerAll(context, (candidate) => chooser.consider(candidate));
  const bySet = new Map(chooser.choose().map((candidate) => [candidate.object.set ?? "", candidate]));
  if (bySet.size === 0) {
    throw new AirlockError("entry-missing", `the ledger records no set of ${host}`, {
      subject: host,
      remedy: "see `airlock ls` for what the vault holds",
    });
  }
  const names = orderSets([...bySet.keys()], request.order);
  const plans = names.map((set): Attempt => {
    const candidate = bySet.get(set);
    if (candidate === undefined) {
      const remedy = "look for it with `airlock ls`, or take it out of `restoreOrder`";
      return failed(
        set,
        new AirlockError("entry-missing", "`restoreOrder` names it, and the ledger records nothing of it", {
          subject: `${host}/${set}`,
          remedy,
        }),
      );
    }
    try {
      return { set, plan: planObject(candidate, request, context.hosts) };
    } catch (error) {
      return failed(set, error);
    }
  });
  const objects = plans.flatMap((attempt) => ("plan" in attempt ? [attempt.plan.object] : []));
  const pending = await requestCopies(objects, context);
  const isEncrypted = plans.some((attempt) => "plan" in attempt && attempt.plan.encoding.includes("age"));
  const identities = isEncrypted ? await context.readIdentities() : [];
  await ensureFolder(to);
  await requireGnuTar(context);
  const sets = await restoreInOrder(plans, to, { identities, pending }, context);
  if (sets.every(({ outcome }) => outcome !== "failed")) {
    for (const { set } of sets) await rm(markerOf(to, set), { force: true });
  }
  return { sets, foreign: chooser.foreign };
}

/** Those that are named first, then the others by their names; names of which there is nothing are kept. */
export function orderSets(sets: readonly string[], order: readonly string[]): readonly string[] {
  const first = new Set(order);
  return [...first, ...sets.filter((set) => !first.has(set)).toSorted()];
}

type Attempt = { readonly set: string; readonly plan: Plan } | (SetOutcome & { readonly outcome: "failed" });

interface Fetched {
  readonly set: string;
  readonly plan: Plan;
  readonly stored: PartFile;
}

async function restoreInOrder(
  attempts: readonly Attempt[],
  to: string,
  {
    identities,
    pending,
  }: { readonly identities: readonly string[]; readonly pending: ReadonlyMap<string, PendingCopy> },
  context: RestoreContext,
): Promise<readonly SetOutcome[]> {
  const load = async (attempt: Attempt, signal: AbortSignal): Promise<SetOutcome | Fetched> => {
    if (!("plan" in attempt)) return attempt;
    const { set, plan } = attempt;
    try {
      if (await isThereAlready(to, set, plan)) return { set, outcome: "there-already", plan };
      await awaitCopy(pending.get(plan.object.vaultName), { ...context, signal });
      await checkIdentities(plan, identities, { ...context, signal });
      return { set, plan, stored: await fetchInto(plan, to, { ...context, signal }) };
    } catch (error) {
      signal.throwIfAborted();
      return failed(set, error);
    }
  };
  const outcomes: SetOutcome[] = [];
  for await (const loaded of prefetch(attempts, SETS_AHEAD, load, context.signal)) {
    outcomes.push("stored" in loaded ? await placeSet(loaded, to, identities, context) : loaded);
  }
  return outcomes;
}

async function placeSet(
  { set, plan, stored: file }: Fetched,
  to: string,
  identities: readonly string[],
  context: RestoreContext,
): Promise<SetOutcome> {
  await using stored = file;
  try {
    // before the folder: a marker without one means nothing
    await writeFile(markerOf(to, set), plan.object.sha256, { mode: 0o600 });
    return {
      set,
      outcome: "restored",
      plan,
      placed: await placeAsFolder(plan, stored, join(to, set), identities, context),
    };
  } catch (error) {
    context.signal.throwIfAborted();
    await rm(markerOf(to, set), { force: true });
    return failed(set, error);
  }
}

/** Says which object a set's folder was made of, until all sets are done. */
function markerOf(to: string, set: string): string {
  return join(to, `${UNFINISHED}done-${set}`);
}

async function isThereAlready(to: string, set: string, { object }: Plan): Promise<boolean> {
  try {
    await stat(join(to, set));
    return (await readFile(markerOf(to, set), "utf8")) === object.sha256;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

function failed(set: string, error: unknown): SetOutcome & { readonly outcome: "failed" } {
  return { set, outcome: "failed", error: toAirlockError(error) };
}
