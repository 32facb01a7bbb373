import type { PublicKey } from "../shared/keys.ts";
import type { Entry } from "../shared/ledger.ts";
import { vaultNameOf } from "../shared/names.ts";
import type { Statement } from "../shared/statement.ts";
import type { Finding } from "./findings.ts";
import { checkStatement, storedObjectOf, type StoredObject } from "./stored-object.ts";

export interface CheckedEntry {
  /** null where the entry tells of no object. */
  readonly object: StoredObject | null;
  /** null where there is none that a key of its host signed. Stands for its number in the sequence. */
  readonly statement: Statement | null;
  readonly findings: readonly Finding[];
}

/**
 * Everything about one entry that can be known without the vault's objects: that it is whole, that the name is the one
 * that its source has, and that the host signed for exactly this.
 * @param signer which of the host's keys made the statement's signature (`findSigners`)
 */
export function checkEntry(
  entry: Entry,
  mover: string,
  segment: number,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
  signer: PublicKey | null,
): CheckedEntry {
  const findings: Finding[] = [];
  const subject = entry.vault?.name ?? entry.source?.key ?? `entry ${entry.index}`;
  const report = (code: Finding["code"], message: string): void => {
    findings.push({ code, subject, message: `entry ${entry.index}: ${message}`, mover, segment });
  };
  const incomplete = whatIsMissing(entry);
  if (incomplete !== null) report("entry-incomplete", incomplete);

  const object = storedObjectOf(entry, mover, segment);
  if (object === null) return { object, statement: signer === null ? null : entry.statement, findings };
  if (!hasNameOfSource(object)) {
    report("name-mismatch", "the vault name is not the one that this source has");
  }
  const checked = checkStatement(object, hosts, () => signer);
  switch (checked.result) {
    case "missing":
      report("statement-missing", `${object.host} signs its objects, and this one has no statement`);
      break;
    case "host-unknown":
      report("host-unknown", `no key of ${object.host} is configured to verify its statement with`);
      break;
    case "invalid":
      report(codeOf(checked.error.code), checked.error.message);
      break;
    case "verified":
    case "unsigned":
      break;
  }
  if (object.signed !== null && object.signed.statement.sha256 !== object.sha256) {
    report("digest-mismatch", "the digest recorded is not the one that the host signed");
  }
  const statement = checked.result === "verified" ? (object.signed?.statement ?? null) : null;
  return { object, statement, findings };
}

function codeOf(code: string): Finding["code"] {
  return code === "signature-invalid" || code === "size-mismatch" ? code : "statement-invalid";
}

/** What an entry of this disposition has to have and does not. */
function whatIsMissing(entry: Entry): string | null {
  const { source, vault, sha256, statement, signature } = entry;
  if ((statement === null) !== (signature === null)) return "it has one of statement and signature without the other";
  if (entry.disposition === "finding" || entry.disposition === "discarded-by-operator") return null;
  if (source === null) return "it names no source";
  // a duplicate may stand for an object that is recorded elsewhere
  if (entry.disposition === "duplicate" && vault === null) return null;
  if (vault === null) return "it names no object in the vault";
  return sha256 === null ? "it records no digest" : null;
}

/** An attempt (`~<id>.1`) is made where the vault was found to hold other bytes under the name before it. */
function hasNameOfSource(object: StoredObject): boolean {
  const attempt = Number(/\/~[0-9a-f]{32}\.([1-9]\d{0,3})(?:\/|$)/.exec(object.vaultName)?.[1] ?? 0);
  const { bucket, key, versionId, lastModified } = object;
  return vaultNameOf({ bucket, key, versionId, etag: object.etag, lastModified }, attempt) === object.vaultName;
}
