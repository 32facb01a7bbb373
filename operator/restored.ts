import type { Restored } from "./restore.ts";

/** One restored object as a value for programs. Sizes in bytes, times in ISO 8601 UTC. */
export function restoredValue({
  object,
  paths,
  files,
  signer,
  waived,
  encoding,
  remarks,
  restoredBytes,
}: Restored): object {
  return {
    host: object.host,
    set: object.set,
    key: object.key,
    at: object.at.toISOString(),
    size: object.sizeBytes,
    sha256: object.sha256,
    encoding,
    hostKey: signer?.id ?? null,
    unverified: waived,
    mover: object.mover,
    segment: object.segment,
    paths,
    files,
    restoredBytes,
    remarks,
  };
}
