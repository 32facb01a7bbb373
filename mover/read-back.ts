import { createHash } from "node:crypto";
import { AirlockError } from "../shared/errors.ts";
import type { VaultName } from "../shared/names.ts";
import type { VaultReadbackWriter, VaultWriter } from "../shared/stores.ts";

export interface ReadBack {
  /** Hex. */
  readonly sha256: string;
  /** Of what was read; null where the vault keeps no versions. */
  readonly versionId: string | null;
}

/** Whether what is archived has to be read again, `verify: readback`: only then is the vault handed over with a read. */
export function readsBack(vault: VaultWriter | VaultReadbackWriter): vault is VaultReadbackWriter {
  return "openArchived" in vault;
}

/** The digest of what the vault now holds under this name, read once through whatever its size. */
export async function readBack(
  vault: VaultReadbackWriter,
  name: VaultName,
  versionId: string | null,
  signal: AbortSignal,
): Promise<ReadBack> {
  const opened = await vault.openArchived(name, versionId, signal);
  try {
    const digest = createHash("sha256");
    for await (const chunk of opened.body) {
      signal.throwIfAborted();
      digest.update(chunk);
    }
    return { sha256: digest.digest("hex"), versionId: opened.versionId ?? versionId };
  } finally {
    opened.close();
  }
}

/** The vault holds other bytes than were sent, and they can't be removed: what was read stays where it is. */
export function vaultMismatch(key: string, name: VaultName): AirlockError {
  return new AirlockError("vault-mismatch", `read again, the vault holds other bytes under ${name}`, {
    subject: key,
    remedy:
      "the vault, or somebody on the way to it, alters what is stored: the object stays and is tried again under another name; look into the vault",
  });
}
