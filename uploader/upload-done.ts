import type { PublishContext, Published } from "./publish-context.ts";

/** The one line that an object ends with. @param begunMs by the context's clock */
export function reportDone(published: Published, set: string, begunMs: number, context: PublishContext): void {
  context.log.info("upload-done", {
    host: context.host,
    set,
    key: published.key,
    bytes: published.sizeBytes,
    sha256: published.sha256,
    seq: published.seq,
    durationMs: context.timing.now() - begunMs,
    outcome: "stored",
  });
}
