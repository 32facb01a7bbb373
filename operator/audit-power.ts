/** One power that `airlock audit` tries, and what its ways of trying have in common. */
import type { AuditProbe } from "../shared/s3/audit-probe.ts";
import type { Attempt } from "../shared/s3/key-probe.ts";
import type { Role } from "./audit-choices.ts";
import type { Scene } from "./audit-scene.ts";

export interface Power {
  /** Stable, for programs. */
  readonly id: string;
  readonly power: string;
  readonly expected: "allowed" | "denied";
  /** What gives the power, in IAM's words. */
  readonly actions: readonly string[];
  /** Instead of giving the key its role's policy. */
  readonly remedy?: string;
  /** A power whose denial includes this one: where that is denied and this is not, the store does not enforce it. */
  readonly impliedBy?: string;
  readonly ifUnenforced?: string;
  readonly attempt: (probe: AuditProbe, signal: AbortSignal) => Promise<Attempt>;
}

/** "allowed" for the given roles. */
export function may({ intended }: Scene, ...roles: readonly Role[]): Power["expected"] {
  return roles.includes(intended.role) ? "allowed" : "denied";
}

/** A name's refusal says nothing where the name may just not be there. */
const NOTHING_THERE = "nothing is there that it could be tried with";

export function atThere(
  { there, nobodys }: Scene,
  attempt: (probe: AuditProbe, key: string, versionId: string | null, signal: AbortSignal) => Promise<Attempt>,
): Power["attempt"] {
  return async (probe, signal) => {
    const tried = await attempt(probe, there?.key ?? nobodys, there?.versionId ?? null, signal);
    return there === null && tried.verdict === "denied" ? { verdict: "unknown", detail: NOTHING_THERE } : tried;
  };
}

export function idOf(what: string): string {
  return what.toLowerCase().replaceAll(/\W+/g, "-");
}
