import type { Writable } from "node:stream";
import { AirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import { awaitCopy, requestCopies, type ArchiveContext } from "./archived-copies.ts";
import { findObject, type FindContext } from "./find-objects.ts";
import { listMembers, placeInFolder, placeInStream, type PlaceContext, type Placed } from "./place-object.ts";
import { checkIdentities, planObject, type Plan, type PlanOptions } from "./plan.ts";
import type { Selector } from "./selector.ts";

export interface RestoreRequest extends PlanOptions {
  readonly selector: Selector;
  readonly at: Date | null;
  /** A folder, where the decoded bytes go, or where an archive's members are named. */
  readonly to: string | Writable;
  /** Whether members are listed, and nothing restored. */
  readonly list: "long" | "short" | null;
}

export interface RestoreContext extends FindContext, PlaceContext, ArchiveContext {
  readonly hosts: ReadonlyMap<string, readonly PublicKey[]>;
  /** Asked once it is known that something is encrypted, and before it is read. */
  readonly readIdentities: () => Promise<readonly string[]>;
}

export interface Restored extends Plan, Placed {}

/**
 * Restores one object. Nothing gets its final name before all of this is proven: the ledger's signatures and chain, the
 * host's signature, the digest of every stored byte, each chunk of the encryption, and the end of the archive.
 */
export async function restore(request: RestoreRequest, context: RestoreContext): Promise<Restored> {
  const candidate = await findObject(request.selector, request.at, context);
  const plan = planObject(candidate, request, context.hosts);
  if (request.list !== null && !plan.encoding.includes("tar")) {
    throw new AirlockError("usage", "it is one file and no archive, so there are no members to list", {
      subject: plan.object.key,
      remedy: "restore it without --list",
    });
  }
  const pending = await requestCopies([plan.object], context);
  if (!context.waits) await awaitCopy(pending.get(plan.object.vaultName), context);
  // before the wait: whoever types them is here now
  const identities = plan.encoding.includes("age") ? await context.readIdentities() : [];
  await awaitCopy(pending.get(plan.object.vaultName), context);
  await checkIdentities(plan, identities, context);
  return { ...plan, ...(await place(plan, request, identities, context)) };
}

async function place(
  plan: Plan,
  { to, list }: RestoreRequest,
  identities: readonly string[],
  context: RestoreContext,
): Promise<Placed> {
  if (typeof to === "string") return placeInFolder(plan, to, identities, context);
  if (list === null) return placeInStream(plan, to, identities, context);
  await listMembers(plan, to, list === "long", identities, context);
  return { paths: [], files: 0, restoredBytes: 0, remarks: [] };
}
