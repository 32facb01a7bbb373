/** What `verify` can find, and what each means in a few words; `docs/operations.md` says what to do. */
export const FINDINGS = {
  // the ledger itself
  "segment-missing": "a segment is not there, and later ones are",
  "segment-damaged": "what lies there is no segment",
  "segment-unsigned": "no listed key of the mover signed it",
  "chain-broken": "it does not follow the segment before",
  "ledger-rolled-back": "its end was cut off since it was seen",
  "ledger-rewritten": "it is another than was seen",
  "mover-unknown": "a ledger of a mover that is not configured",
  "mover-silent": "a configured mover without a ledger",
  "checkpoint-invalid": "a mover's checkpoint that can't be believed",
  // what an entry says
  "entry-incomplete": "an entry lacks what it needs",
  "name-mismatch": "the vault name is not the source's",
  "entry-conflict": "one name with two sizes or digests",
  // whose objects these are
  "statement-missing": "a host that signs did not sign this",
  "statement-invalid": "the statement is not about this object",
  "signature-invalid": "no listed key of the host signed it",
  "size-mismatch": "another size than was signed",
  "digest-mismatch": "another digest than was signed",
  "host-unknown": "no key of the host is listed",
  // a host's sequence
  "sequence-hole": "statements are missing",
  "sequence-fork": "one number, two statements",
  "sequence-overflow": "more than can be followed",
  // what the vault holds
  "object-missing": "recorded, and not in the vault",
  "object-size": "of another size than recorded",
  "object-replaced": "another version than was recorded",
  "object-versions": "more than one version of a name",
  "object-hidden": "hidden by a delete marker",
  "object-unrecorded": "no ledger records it",
  "object-corrupt": "other bytes than were recorded",
  "object-unreadable": "its bytes can't be read",
  // what keeps it there
  "lock-missing": "nothing keeps it from being deleted",
  "lock-short": "its lock ends too early, or is weaker",
} as const satisfies Record<string, string>;

export type FindingCode = keyof typeof FINDINGS;

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
