/** Restores in this process, from a vault in memory: for what does not need the program and a store. */
import { realTiming } from "../../../shared/retry.ts";
import { restore, type Restored, type RestoreRequest } from "../../../operator/restore.ts";
import { createHost, createLedger, createMemoryVault, keysOf, type ObjectOptions } from "./fixture.ts";

export type RestoreHereRequest = Partial<Omit<RestoreRequest, "to" | "selector">> & {
  readonly to: RestoreRequest["to"];
};

/** Puts one object into a fresh vault, restores it, and says what became of it. */
export async function restoreHere(
  object: ObjectOptions,
  request: RestoreHereRequest,
  identities: readonly string[] = [],
): Promise<Restored> {
  const web = createHost("web1");
  const mover = createLedger("mover-a");
  const vault = createMemoryVault();
  const stored = web.next({ set: "etc", ...object });
  mover.append([stored.entry]);
  vault.putLedger(mover);
  vault.putObject(stored);
  return restore(
    {
      selector: { host: "web1", path: "etc" },
      at: null,
      raw: false,
      unverified: false,
      only: [],
      devices: false,
      maxBytes: null,
      list: null,
      ...request,
    },
    {
      reader: vault.reader,
      movers: keysOf(["mover-a", mover.key]),
      hosts: keysOf(["web1", web.key]),
      timing: realTiming,
      signal: AbortSignal.timeout(600_000),
      env: process.env,
      readIdentities: () => Promise.resolve(identities),
      onLedgerProblem: () => undefined,
      onProgress: () => undefined,
      onKept: () => undefined,
      // a vault in memory has one class
      archived: { readReadability: async () => ({ state: "readable" }), requestCopy: async () => undefined },
      thawDays: null,
      tier: "standard",
      waits: false,
      tell: () => undefined,
    },
  );
}
