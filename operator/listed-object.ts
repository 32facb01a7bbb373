import type { Code } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import type { EncodingStep } from "../shared/statement.ts";
import { checkStatement, type StatementResult, type StoredObject } from "./stored-object.ts";

/** What its statement turned out to be, verified anew with the operator's own keys. */
export type StatementWord = StatementResult["result"];

/** An object as `ls` and `report` show it: what the ledger tells of it, and what of its statement was verified. */
export interface ListedObject extends Omit<StoredObject, "signed"> {
  readonly statement: StatementWord;
  /** Why it is `invalid`; otherwise null. */
  readonly statementError: Code | null;
  /** Id of the host's key that signed it; null unless `verified`. */
  readonly hostKey: string | null;
  /** What the statement says, whether or not it could be verified; null without one. */
  readonly encoding: readonly EncodingStep[] | null;
  /** ISO 8601; by the host's clock. */
  readonly startedAt: string | null;
  readonly epoch: string | null;
  readonly seq: number | null;
}

/** @param signer which of its host's keys made the statement's signature (`findSigners`) */
export function toListedObject(
  { signed, ...object }: StoredObject,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
  signer: PublicKey | null,
): ListedObject {
  const checked = checkStatement({ ...object, signed }, hosts, () => signer);
  const { encoding = null, startedAt = null, epoch = null, seq = null } = signed?.statement ?? {};
  return {
    ...object,
    statement: checked.result,
    statementError: checked.result === "invalid" ? checked.error.code : null,
    hostKey: checked.result === "verified" ? checked.key.id : null,
    encoding,
    startedAt,
    epoch,
    seq,
  };
}
