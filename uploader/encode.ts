import type { EncodingStep } from "../shared/statement.ts";
import { beginAge } from "./age-payload.ts";
import type { Compression } from "./compress.ts";
import { encodeInThread } from "./encode-thread.ts";

export interface Encoding {
  readonly compress: Compression | null;
  /** null: stored unencrypted. Never empty. */
  readonly recipients: readonly string[] | null;
}

/** What the statement says of the bytes: the steps in the order in which {@link encodeStream} takes them. */
export function encodingSteps(encoding: Encoding, isTar: boolean): EncodingStep[] {
  const steps: EncodingStep[] = [];
  if (isTar) steps.push("tar");
  if (encoding.compress !== null) steps.push("zstd");
  if (encoding.recipients !== null) steps.push("age");
  return steps;
}

/**
 * The stored bytes of a source, with no more of it in memory than the steps' own buffers. Each piece is there until the
 * next one is asked for. What the source throws reaches the reader instead of an end.
 */
export async function* encodeStream(
  source: AsyncIterable<Uint8Array>,
  { compress, recipients }: Encoding,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (compress === null && recipients === null) {
    for await (const piece of source) yield piece;
    return;
  }
  const age = recipients === null ? null : await beginAge(recipients);
  try {
    if (age !== null) yield age.opening;
    yield* encodeInThread(source, { compression: compress, payloadKey: age?.payloadKey ?? null });
  } finally {
    age?.payloadKey.fill(0);
  }
}
