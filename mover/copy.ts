import { createHash, hash } from "node:crypto";
import { AirlockError } from "../shared/errors.ts";
import type {
  ByteRange,
  DropZoneSource,
  MultipartUpload,
  OpenedObject,
  StoredVersion,
  UploadedPart,
  VaultWriter,
} from "../shared/stores.ts";
import type { CopyPlan } from "./parts.ts";

/** Bytes in memory, or parts in the vault, that bear no name yet. */
export type Staged =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "parts"; readonly upload: MultipartUpload; readonly parts: readonly UploadedPart[] };

export interface Copied {
  readonly staged: Staged;
  /** Hex, of all bytes in order, each read once. */
  readonly sha256: string;
}

export interface CopySource {
  readonly version: StoredVersion;
  /** Opened with {@link firstRange}: its body is the first part. */
  readonly opened: OpenedObject;
  readonly dropZone: DropZoneSource;
}

/** The range to open an object with, so that the request that shows its headers also brings its first part. */
export function firstRange(plan: CopyPlan): ByteRange | null {
  return plan.kind === "single" ? null : { first: 0, last: plan.partBytes - 1 };
}

export async function copyWhole({ version, opened }: CopySource, signal: AbortSignal): Promise<Copied> {
  const bytes = Buffer.allocUnsafeSlow(version.sizeBytes);
  await readExactly(opened, bytes, version.key, signal);
  return { staged: { kind: "bytes", bytes }, sha256: hash("sha256", bytes, "hex") };
}

/**
 * Reads ranges in parallel and uploads each as a part. A lane holds one part: it fetches, waits for its turn in the
 * digest, uploads, and takes the next number; so memory is `lanes` parts and the digest sees every byte once, in order.
 * The lane with the lowest number waits for nobody, so lanes cannot wait for each other in a circle. Only uploads are
 * repeated (below this), from the very bytes that the digest has seen: no part is read twice.
 */
export async function copyInParts(
  { version, opened, dropZone }: CopySource,
  plan: CopyPlan & { readonly kind: "parts" },
  upload: MultipartUpload,
  vault: VaultWriter,
  signal: AbortSignal,
): Promise<Copied> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const digest = createHash("sha256");
  const parts: UploadedPart[] = [];
  let nextIndex = 0;
  let hashed: Promise<void> = Promise.resolve();

  const copyPart = async (index: number, buffer: Buffer): Promise<void> => {
    const first = index * plan.partBytes;
    const last = Math.min(first + plan.partBytes, version.sizeBytes) - 1;
    const bytes = buffer.subarray(0, last - first + 1);
    const before = hashed;
    const turn = Promise.withResolvers<void>();
    hashed = turn.promise;
    try {
      const range = index === 0 ? opened : await dropZone.openVersion(version, { first, last }, either);
      await readExactly(range, bytes, version.key, either);
      await before;
      either.throwIfAborted(); // a failed part passes its turn on too
      digest.update(bytes);
    } catch (error) {
      failure.abort(error);
      throw error;
    } finally {
      turn.resolve();
    }
    parts.push(await vault.uploadPart(upload, index + 1, bytes, either));
  };
  const lane = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafeSlow(plan.partBytes);
    try {
      while (nextIndex < plan.partCount) await copyPart(nextIndex++, buffer);
    } catch (error) {
      failure.abort(error); // the first failure is the reason that all lanes end with
      throw error;
    }
  };
  await Promise.allSettled(Array.from({ length: plan.lanes }, lane));
  if (failure.signal.aborted) throw failure.signal.reason;
  signal.throwIfAborted();
  parts.sort((a, b) => a.number - b.number);
  return { staged: { kind: "parts", upload, parts }, sha256: digest.digest("hex") };
}

/** Fills the buffer from the body, which has to have exactly its length. */
async function readExactly(opened: OpenedObject, buffer: Buffer, key: string, signal: AbortSignal): Promise<void> {
  let length = 0;
  for await (const chunk of opened.body) {
    signal.throwIfAborted();
    if (length + chunk.length > buffer.length) {
      opened.close();
      throw new AirlockError("source-changed", `more than the ${buffer.length} bytes that were asked for came`, {
        subject: key,
      });
    }
    buffer.set(chunk, length);
    length += chunk.length;
  }
  if (length !== buffer.length) {
    throw new AirlockError("store-unavailable", `${length} of ${buffer.length} bytes came`, { subject: key });
  }
}
