/**
 * A delete that succeeds while a conditional write of the same key is under way makes that write fail with 409
 * ConditionalRequestConflict (S3 User Guide, "Conditional writes", "Conditional write behavior").
 */
import { header, type Context } from "./context.ts";
import { S3Error } from "./errors.ts";
import type { Bucket, ConditionalWrite } from "./model.ts";

/** Runs a write, which is watched for conflicts if it carries a condition. */
export async function watchConflicts<Result>(
  context: Context,
  bucket: Bucket,
  key: string,
  write: (checkConflict: () => void) => Promise<Result>,
): Promise<Result> {
  const isConditional = header(context, "if-none-match") !== undefined || header(context, "if-match") !== undefined;
  if (!isConditional) return write(() => undefined);
  const mine: ConditionalWrite = { hasConflict: false };
  const writes = bucket.conditionalWrites.get(key) ?? new Set();
  bucket.conditionalWrites.set(key, writes.add(mine));
  try {
    return await write(() => {
      if (!mine.hasConflict) return;
      throw new S3Error(
        "ConditionalRequestConflict",
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
        { Condition: header(context, "if-none-match") === undefined ? "If-Match" : "If-None-Match" },
      );
    });
  } finally {
    writes.delete(mine);
    if (writes.size === 0) bucket.conditionalWrites.delete(key);
  }
}

/** Tells the conditional writes under way that the key's object was deleted. */
export function tellConflict(bucket: Bucket, key: string): void {
  for (const write of bucket.conditionalWrites.get(key) ?? []) write.hasConflict = true;
}
