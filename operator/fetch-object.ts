import { createHash } from "node:crypto";
import { AirlockError } from "../shared/errors.ts";
import type { Timing } from "../shared/retry.ts";
import type { VaultReader } from "../shared/stores.ts";
import { readStoredObject } from "./download.ts";
import { readBack } from "./place.ts";
import type { PartFile } from "./part-file.ts";
import type { StoredObject } from "./stored-object.ts";

export interface FetchContext {
  readonly reader: VaultReader;
  readonly timing: Timing;
  readonly signal: AbortSignal;
}

/**
 * Stored bytes into the file, and the proof that they are the ones that the ledger recorded: what an earlier attempt left
 * there is read and counts as much as what comes now. Where the whole is wrong and began with something found, all of it
 * is read from the vault once.
 * @throws {AirlockError} `object-corrupt`
 */
export async function fetchObject(
  object: StoredObject,
  file: PartFile,
  { reader, timing, signal }: FetchContext,
  onProgress: (doneBytes: number) => void,
): Promise<void> {
  const attempt = async (found: number): Promise<string> => {
    const hash = createHash("sha256");
    let doneBytes = 0;
    const take = (piece: Uint8Array): void => {
      hash.update(piece);
      doneBytes += piece.length;
      onProgress(doneBytes);
    };
    if (found > 0) {
      for await (const piece of readBack(file.handle)) {
        signal.throwIfAborted();
        take(piece);
      }
    }
    if (doneBytes < object.sizeBytes || object.sizeBytes === 0) {
      const options = { fromByte: doneBytes };
      for await (const piece of readStoredObject(reader, object, timing, signal, options)) {
        await file.append(piece);
        take(piece);
      }
    }
    return hash.digest("hex");
  };
  let found = file.foundBytes;
  if (found > object.sizeBytes) {
    await file.restart();
    found = 0;
  }
  let digest = await attempt(found);
  if (digest !== object.sha256 && found > 0) {
    await file.restart();
    digest = await attempt(0);
  }
  if (digest === object.sha256) return;
  throw new AirlockError(
    "object-corrupt",
    `its bytes have the digest ${digest}, the ledger recorded ${object.sha256}`,
    {
      subject: object.vaultName,
      remedy: "run `airlock verify --read`, and restore another object with --at",
    },
  );
}
