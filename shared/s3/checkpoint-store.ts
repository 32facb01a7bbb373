import type { StoreConfig } from "../config/store-config.ts";
import { AirlockError } from "../errors.ts";
import { checkpointName, checkpointPrefix } from "../ledger.ts";
import type { CheckpointStore } from "../stores.ts";
import { openS3, type S3Options } from "./client.ts";
import { listLatest } from "./list.ts";
import { createObject } from "./uploads.ts";

const CHECKPOINT_NAME = /^(?!0{12})(\d{12})\.json$/;
const MAX_CHECKPOINT_BYTES = 128 * 2 ** 20;
const PAGE = 1000;

export async function openCheckpointStore(
  config: StoreConfig,
  mover: string,
  options: S3Options = {},
): Promise<CheckpointStore & AsyncDisposable> {
  const store = await openS3(config, options);
  const prefix = checkpointPrefix(mover);
  return {
    async listCheckpoints(signal) {
      const segments: number[] = [];
      let cursor: string | null = null;
      do {
        const page = await listLatest(store, { prefix, cursor, limit: PAGE, signal });
        for (const { key } of page.versions) {
          const segment = Number(CHECKPOINT_NAME.exec(key.slice(prefix.length))?.[1] ?? 0);
          if (segment > 0) segments.push(segment); // a name that is not a checkpoint's must not hide the others
        }
        cursor = page.next;
      } while (cursor !== null);
      return segments;
    },
    readCheckpoint(segment, signal) {
      const key = checkpointName(mover, segment);
      return store.repeat(signal, async () => {
        const opened = await store.bytes.getObject({ key, versionId: null, range: null, ifMatch: null, signal });
        if (opened.sizeBytes > MAX_CHECKPOINT_BYTES) {
          opened.close();
          throw new AirlockError("ledger-corrupt", `a checkpoint of ${opened.sizeBytes} bytes`, {
            subject: `s3://${store.config.bucket}/${key}`,
          });
        }
        return Buffer.concat(await Array.fromAsync(opened.body));
      });
    },
    async createCheckpoint(segment, bytes, signal) {
      const attributes = { metadata: new Map<string, string>(), contentType: "application/json" };
      await createObject(store, checkpointName(mover, segment), bytes, { attributes, signal }, "STANDARD");
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
