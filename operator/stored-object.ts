import { isAirlockError, type AirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import type { Disposition, Entry, ExposureOrigin } from "../shared/ledger.ts";
import { parseDropZoneName } from "../shared/names.ts";
import {
  statementDigest,
  verifyStatement,
  type findStatementSigner,
  type SignedStatement,
} from "../shared/statement.ts";

/** One object in the vault, as the ledger tells of it. */
export interface StoredObject {
  readonly host: string;
  /** null: a foreign object, whose key does not have Airlock's form. */
  readonly set: string | null;
  /** `host/set`; of a foreign object the first folders of its key. */
  readonly group: string;
  /** The file's own name with its suffixes; of a foreign object the rest of its key. Host text: may hold anything. */
  readonly name: string;
  /** The ledger's time: when it was recorded. */
  readonly at: Date;
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | null;
  readonly etag: string;
  /** The drop-zone's own time of the object. */
  readonly lastModified: Date;
  /** Of the stored bytes. */
  readonly sizeBytes: number;
  /** Hex, of the stored bytes. */
  readonly sha256: string;
  readonly vaultName: string;
  readonly vaultVersionId: string | null;
  readonly signed: SignedStatement | null;
  readonly exposureMs: number | null;
  readonly exposureFrom: ExposureOrigin | null;
  readonly disposition: Disposition;
  readonly mover: string;
  readonly segment: number;
  readonly index: number;
}

/** The object that an entry tells of, or null where it tells of none (a finding, something discarded). */
export function storedObjectOf(entry: Entry, mover: string, segment: number): StoredObject | null {
  const { source, vault, sha256, statement, signature } = entry;
  if (source === null || vault === null || sha256 === null) return null;
  if (entry.disposition === "finding" || entry.disposition === "discarded-by-operator") return null;
  const parsed = parseDropZoneName(source.key);
  const [host = "", folder = "", ...rest] = source.key.split("/");
  const group = parsed !== null || rest.length > 0 ? `${host}/${folder}` : host;
  return {
    host,
    set: parsed?.set ?? null,
    group,
    name: parsed?.name ?? source.key.slice(group.length + 1),
    at: new Date(entry.at),
    bucket: source.bucket,
    key: source.key,
    versionId: source.versionId,
    etag: source.etag,
    lastModified: new Date(source.lastModified),
    sizeBytes: source.size,
    sha256,
    vaultName: vault.name,
    vaultVersionId: vault.versionId,
    signed: statement === null || signature === null ? null : { statement, signature },
    exposureMs: entry.exposureMs,
    exposureFrom: entry.exposureFrom,
    disposition: entry.disposition,
    mover,
    segment,
    index: entry.index,
  };
}

/**
 * What two entries of one object have in common: an uploader that was unsure stores it again with the very same
 * statement, and a mover that was unsure records the same vault name again.
 * @param digest its statement's, for who has it already
 */
export function identityOf(object: StoredObject, digest?: string): string {
  if (object.signed === null) return `name ${object.vaultName}`;
  // not the signature's text, which has several forms
  return `statement ${digest ?? statementDigest(object.signed.statement)}`;
}

export type StatementResult =
  | { readonly result: "verified"; readonly key: PublicKey }
  /** Foreign, or of a host that the operator lists no keys for: nothing was to be expected. */
  | { readonly result: "unsigned" }
  /** Of a host whose objects are signed. */
  | { readonly result: "missing" }
  | { readonly result: "host-unknown" }
  | { readonly result: "invalid"; readonly error: AirlockError };

/** Verifies the statement anew, with the operator's own keys: what the ledger says of it is the vault box's word. */
export function checkStatement(
  object: StoredObject,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
  find?: typeof findStatementSigner,
): StatementResult {
  const keys = hosts.get(object.host);
  if (object.signed === null) return { result: keys !== undefined && object.set !== null ? "missing" : "unsigned" };
  if (keys === undefined) return { result: "host-unknown" };
  try {
    return { result: "verified", key: verifyStatement(object.signed, object, keys, object.lastModified, find) };
  } catch (error) {
    if (isAirlockError(error)) return { result: "invalid", error };
    throw error;
  }
}
