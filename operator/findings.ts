/** What `verify` can find; documented in `docs/operations.md`. */
export const findingCodes = [
  // the ledger itself
  "segment-missing",
  "segment-damaged",
  "segment-unsigned",
  "chain-broken",
  "ledger-rolled-back",
  "ledger-rewritten",
  "mover-unknown",
  "mover-silent",
  // what an entry says
  "entry-incomplete",
  "name-mismatch",
  "entry-conflict",
  // whose objects these are
  "statement-missing",
  "statement-invalid",
  "signature-invalid",
  "size-mismatch",
  "digest-mismatch",
  "host-unknown",
  // a host's sequence
  "sequence-hole",
  "sequence-fork",
  "sequence-overflow",
  // what the vault holds
  "object-missing",
  "object-size",
  "object-replaced",
  "object-versions",
  "object-hidden",
  "object-unrecorded",
  "object-corrupt",
] as const;
export type FindingCode = (typeof findingCodes)[number];

export interface Finding {
  readonly code: FindingCode;
  /** The vault's name of the object or segment, the key, or the host, that it is about. May hold host text. */
  readonly subject: string;
  readonly message: string;
  /** Where the ledger speaks of it; null where it does not. */
  readonly mover: string | null;
  readonly segment: number | null;
}

/** Findings are handed on as they are made: there may be as many as there are objects. */
export type Report = (finding: Finding) => void;
