/**
 * What the mover notices about a host's objects beyond what holds one, by code: recorded in the ledger, alerted, and
 * documented in `docs/operations.md`. A finding never holds an object.
 */
export const moverFindings = [
  // the host's chain
  "missing",
  "forked",
  "reordered",
  "replayed",
  "new-epoch",
  "object-missing",
  "statement-removed",
  "sequence-overflow",
  // freshness
  "expecting",
  "overdue",
  "recovered",
  // anomalies
  "size-anomaly",
  "compression-anomaly",
  // the vault, read again
  "vault-mismatch",
] as const;
export type MoverFinding = (typeof moverFindings)[number];

/** As it goes into the ledger; whom it is about is the entry's, or `host` and `set`. */
export interface Finding {
  readonly code: MoverFinding;
  readonly host?: string;
  readonly set?: string;
  readonly epoch?: string;
  readonly seq?: number;
  readonly detail?: string;
}

export function isMoverFinding(code: string): code is MoverFinding {
  // a list that is wider than its own members
  return (moverFindings as readonly string[]).includes(code);
}
