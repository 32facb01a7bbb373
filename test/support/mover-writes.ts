import type { FaultKind, OperationName } from "../s3-server/server.ts";
import { DROP_ZONE, VAULT, type World } from "./world.ts";

/** One remote write of the mover, told by its place among those of the same kind. */
export interface RemoteWrite {
  readonly operation: OperationName;
  readonly bucket: string;
  /** From 1, start-up probes included. */
  readonly nth: number;
}

const WRITES: ReadonlySet<string> = new Set([
  "PutObject",
  "CreateMultipartUpload",
  "UploadPart",
  "CompleteMultipartUpload",
  "AbortMultipartUpload",
  "DeleteObject",
  "DeleteObjects",
]);

/** Notes every write of the mover from now on; what the start-up probe writes is counted and left out. */
export function recordWrites(world: World): readonly RemoteWrite[] {
  const counts = new Map<string, number>();
  const writes: RemoteWrite[] = [];
  let started = false;
  world.server.onRequest(({ operation, bucket, principal, key }) => {
    if (!principal.endsWith("user/mover") || (bucket !== DROP_ZONE && bucket !== VAULT)) return;
    if (operation === "GetObject" && bucket === DROP_ZONE) started = true;
    if (!WRITES.has(operation)) return;
    const kind = `${operation} ${bucket}`;
    const nth = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, nth);
    if (started && key?.startsWith("_airlock/probe/") !== true)
      writes.push({ operation: operation as OperationName, bucket, nth }); // one of WRITES
  });
  return writes;
}

/** Lets a fault befall exactly this write. */
export function befall(world: World, write: RemoteWrite, fault: FaultKind): { readonly fired: number } {
  return world.server.faults.add({ ...write, principal: /user\/mover$/, times: 1, fault });
}
