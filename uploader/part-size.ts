const MIB = 1024 * 1024;

/** S3's limits on a multipart upload. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const MAX_PARTS = 10_000;
const MAX_PART_BYTES = 5 * 1024 * MIB;

/** Up to here an object is one PUT; from here on it is parts of at least this size. */
export const SMALL_OBJECT_BYTES = 8 * MIB;

/** A stream of unknown length doubles its parts after every so many: 10,000 of them hold 7.8 TiB, the last 4 GiB each. */
const PARTS_PER_STEP = 1_000;
/** A file of known size is cut for fewer parts than there may be, so that one that grows while it is read still fits. */
const PLANNED_PARTS = 9_000;

/**
 * The size in bytes of part `number` (from 1). Sizes never shrink from one part to the next, since S3 refuses a short
 * part that is not the last.
 */
export function partSizeAt(number: number, knownSizeBytes: number | null): number {
  if (knownSizeBytes === null) return SMALL_OBJECT_BYTES * 2 ** Math.floor((number - 1) / PARTS_PER_STEP);
  const wholeMiB = Math.ceil(knownSizeBytes / PLANNED_PARTS / MIB) * MIB;
  return Math.min(MAX_PART_BYTES, Math.max(SMALL_OBJECT_BYTES, wholeMiB));
}
