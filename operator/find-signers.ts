import { hash, verify } from "node:crypto";
import { keysValidAt, type PublicKey } from "../shared/keys.ts";
import type { Entry } from "../shared/ledger.ts";
import { canonicalBytes } from "../shared/statement.ts";

/** What is known of one entry's statement without its object. */
export interface Signed {
  /** Which of its host's keys signed it; null: none did. */
  readonly signer: PublicKey | null;
  /** Hex SHA-256 of its canonical bytes, as the next statement names it. */
  readonly digest: string;
}

/**
 * Who signed each entry's statement, by the entry's index; absent where there is none. Signatures are by far the dearest
 * part of verifying a ledger, so they are left to the thread pool, all of a segment at once.
 */
export async function findSigners(
  entries: readonly Entry[],
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
): Promise<ReadonlyMap<number, Signed>> {
  const signed = new Map<number, Signed>();
  await Promise.all(
    entries.map(async ({ index, at, source, statement, signature }) => {
      if (statement === null || signature === null) return;
      const bytes = canonicalBytes(statement);
      // The drop-zone's own time of the object; a statement whose object never came has the ledger's only.
      const valid = keysValidAt(hosts.get(statement.host) ?? [], new Date(source?.lastModified ?? at));
      const signer = await findInPool(valid, bytes, Buffer.from(signature, "base64"));
      signed.set(index, { signer, digest: hash("sha256", bytes, "hex") });
    }),
  );
  return signed;
}

async function findInPool(
  keys: readonly PublicKey[],
  bytes: Uint8Array,
  signature: Uint8Array,
): Promise<PublicKey | null> {
  const [first, ...others] = keys;
  if (first === undefined) return null;
  const isSigner = await new Promise<boolean>((resolve, reject) => {
    verify(null, bytes, first.key, signature, (error, valid) => (error === null ? resolve(valid) : reject(error)));
  });
  return isSigner ? first : findInPool(others, bytes, signature);
}
