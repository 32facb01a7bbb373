import { readBytes, type ByteReader } from "./byte-reader.ts";
import { publishOrAbandon, settleUnpublished } from "./issue-statement.ts";
import { SMALL_OBJECT_BYTES } from "./part-size.ts";
import type { PublishContext, Published, UploadSource } from "./publish-context.ts";
import { publishLarge } from "./publish-large.ts";
import { publishSmall } from "./publish-small.ts";
import { reportDone } from "./upload-done.ts";

/**
 * Stores a source as one object. Returns once the store has confirmed it and not before; whatever goes wrong earlier
 * leaves nothing that looks done.
 */
export async function publish(source: UploadSource, context: PublishContext): Promise<Published> {
  const begun = context.timing.now();
  await using reader = readBytes((signal) => source.open(signal), context);
  const head = Buffer.allocUnsafeSlow(SMALL_OBJECT_BYTES);
  const length = await reader.read(head);
  const isWhole = await reader.isAtEnd();
  await settleUnpublished(context);
  const published = await publishOrAbandon(context, (tracked) =>
    isWhole
      ? publishSmall(source, head.subarray(0, length), tracked)
      : publishLarge(source, continueWith(head, reader), tracked),
  );
  reportDone(published, source.set, begun, context);
  return published;
}

/** The reader with what was taken from it put back: counted and hashed already, still to be handed out. */
function continueWith(head: Uint8Array, reader: ByteReader): ByteReader {
  let rest = head;
  return {
    async read(target) {
      const taken = rest.subarray(0, target.length);
      rest = rest.subarray(taken.length);
      target.set(taken, 0);
      return taken.length + (taken.length < target.length ? await reader.read(target.subarray(taken.length)) : 0);
    },
    isAtEnd: async () => rest.length === 0 && (await reader.isAtEnd()),
    get sizeBytes() {
      return reader.sizeBytes;
    },
    digest: () => reader.digest(),
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  };
}
