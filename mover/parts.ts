/** How an object's bytes cross: in one PUT, or in parts through a few lanes. Pure. */

const MiB = 1024 * 1024;
/** Up to here an object is held whole and stored by one PUT. */
export const MAX_SINGLE_PUT_BYTES = 8 * MiB;
const MIN_PART_BYTES = 8 * MiB;
/** S3's own limits. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const MAX_PARTS = 10_000;
const MAX_PART_BYTES = 5 * 1024 * MiB;
const MAX_LANES = 4;
/** What a move costs beside its bytes: sockets, headers, the entry. */
const OVERHEAD_BYTES = 64 * 1024;
/** What an object that crosses whole takes at most. */
export const MAX_SINGLE_WINDOW_BYTES = MAX_SINGLE_PUT_BYTES + OVERHEAD_BYTES;

export type CopyPlan =
  | { readonly kind: "single"; readonly windowBytes: number }
  | {
      readonly kind: "parts";
      readonly partBytes: number;
      readonly partCount: number;
      /** Parts in memory at once. */
      readonly lanes: number;
      readonly windowBytes: number;
    };

/**
 * The plan for an object of this size within this memory, or null when no part of it would fit. All parts but the last
 * have one size, since some stores (Cloudflare R2) insist on that.
 */
export function planCopy(sizeBytes: number, memoryBytes: number, maxParts = MAX_PARTS): CopyPlan | null {
  if (sizeBytes <= MAX_SINGLE_PUT_BYTES) return { kind: "single", windowBytes: sizeBytes + OVERHEAD_BYTES };
  const partBytes = Math.max(MIN_PART_BYTES, Math.ceil(sizeBytes / maxParts / MiB) * MiB);
  const partCount = Math.ceil(sizeBytes / partBytes);
  // half of the memory at most for one object, so that a large one never stops the small ones
  const lanes = Math.min(MAX_LANES, partCount, Math.max(1, Math.floor(memoryBytes / 2 / partBytes)));
  const windowBytes = lanes * partBytes + OVERHEAD_BYTES;
  if (partBytes > MAX_PART_BYTES || windowBytes > memoryBytes) return null;
  return { kind: "parts", partBytes, partCount, lanes, windowBytes };
}
