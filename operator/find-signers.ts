import { verify } from "node:crypto";
import { keysValidAt, type PublicKey } from "../shared/keys.ts";
import type { Entry } from "../shared/ledger.ts";
import { canonicalBytes } from "../shared/statement.ts";

/**
 * Which of its host's keys signed each entry's statement, by the entry's index; absent where none did. Signatures are
 * by far the dearest part of verifying a ledger, so they are left to the thread pool, all of a segment at once.
 */
export async function findSigners(
  entries: readonly Entry[],
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
): Promise<ReadonlyMap<number, PublicKey>> {
  const signers = new Map<number, PublicKey>();
  await Promise.all(
    entries.map(async ({ index, at, source, statement, signature }) => {
      const keys = statement === null ? undefined : hosts.get(statement.host);
      if (statement === null || signature === null || keys === undefined) return;
      // The drop-zone's own time of the object; a statement whose object never came has the ledger's only.
      const valid = keysValidAt(keys, new Date(source?.lastModified ?? at));
      const signer = await findInPool(valid, canonicalBytes(statement), Buffer.from(signature, "base64"));
      if (signer !== null) signers.set(index, signer);
    }),
  );
  return signers;
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
