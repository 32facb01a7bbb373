/** A drop-zone in memory that keeps S3's rules for creating, and does to requests what a script says. */
import { createHash } from "node:crypto";
import { AirlockError } from "../../../shared/errors.ts";
import type { DropZoneWriter, PartBody } from "../../../shared/stores.ts";

export type Operation = "put-statement" | "put" | "begin" | "part" | "complete";

/** `before`: fails and nothing happened. `after`: it happened, and fails all the same. */
export interface Mishap {
  readonly operation: Operation;
  /** The first match that fails, from 1. Default: 1. */
  readonly nth?: number;
  /** Default: 1. */
  readonly times?: number;
  readonly when: "before" | "after";
  readonly error: AirlockError;
}

export interface MemoryStore extends DropZoneWriter {
  readonly objects: ReadonlyMap<string, { readonly body: Buffer; readonly metadata: ReadonlyMap<string, string> }>;
  /** Every creating request that arrived, in order. */
  readonly requests: readonly { readonly operation: Operation; readonly key: string; readonly digest: string }[];
  readonly maxPartsAtOnce: number;
  take(key: string): void;
  /** Forgets an upload, as a lifecycle rule does. */
  loseUploads(): void;
}

/** What stores say to a second CompleteMultipartUpload of an upload that is complete. AWS: the same again, for a while. */
export type RepeatedComplete = "same" | "exists" | "missing";

export function createMemoryStore(
  mishaps: readonly Mishap[] = [],
  repeatedComplete: RepeatedComplete = "same",
): MemoryStore {
  const finished = new Set<string>();
  const objects = new Map<string, { body: Buffer; metadata: ReadonlyMap<string, string> }>();
  const uploads = new Map<string, { key: string; parts: Map<number, Buffer> }>();
  const requests: { operation: Operation; key: string; digest: string }[] = [];
  const counts = mishaps.map(() => 0);
  let nextUpload = 1;
  let partsAtOnce = 0;
  let maxPartsAtOnce = 0;

  const strike = (when: Mishap["when"], hits: readonly boolean[]): void => {
    for (const [index, mishap] of mishaps.entries()) {
      if (hits[index] === true && mishap.when === when) throw mishap.error;
    }
  };
  const run = async <T>(operation: Operation, key: string, bytes: Uint8Array, effect: () => T): Promise<T> => {
    requests.push({ operation, key, digest: createHash("sha256").update(bytes).digest("hex") });
    const hits = mishaps.map((mishap, index) => {
      if (mishap.operation !== operation) return false;
      const { nth = 1, times = 1 } = mishap;
      const count = (counts[index] = (counts[index] ?? 0) + 1);
      return count >= nth && count < nth + times;
    });
    await Promise.resolve();
    strike("before", hits);
    const result = effect();
    strike("after", hits);
    return result;
  };
  const create = (key: string, body: Buffer, metadata: ReadonlyMap<string, string>): void => {
    if (objects.has(key)) throw new AirlockError("already-exists", "412", { subject: key });
    objects.set(key, { body, metadata });
  };
  const uploadOf = (uploadId: string): { key: string; parts: Map<number, Buffer> } => {
    const upload = uploads.get(uploadId);
    if (upload === undefined) throw new AirlockError("upload-missing", "404 NoSuchUpload");
    return upload;
  };

  return {
    bucket: "acme-dropzone",
    objects,
    requests,
    get maxPartsAtOnce() {
      return maxPartsAtOnce;
    },
    take: (key) => void objects.delete(key),
    loseUploads: () => uploads.clear(),
    createObject: (key, body, { attributes }) => {
      const operation = key.endsWith(".airlock.json") ? "put-statement" : "put";
      const copy = Buffer.from(body);
      const signed = attributes.metadata.get("airlock") ?? "";
      return run(operation, key, Buffer.concat([copy, Buffer.from(signed)]), () =>
        create(key, copy, attributes.metadata),
      );
    },
    beginUpload: (key) =>
      run("begin", key, Buffer.alloc(0), () => {
        const uploadId = String(nextUpload++);
        uploads.set(uploadId, { key, parts: new Map() });
        return { key, uploadId };
      }),
    uploadPart: async ({ key, uploadId }, number, body) => {
      maxPartsAtOnce = Math.max(maxPartsAtOnce, ++partsAtOnce);
      try {
        const bytes = await readBody(body);
        await new Promise((resolve) => setImmediate(resolve));
        return await run("part", key, bytes, () => {
          uploadOf(uploadId).parts.set(number, bytes);
          return { number, etag: `"${number}"`, checksum: null };
        });
      } finally {
        partsAtOnce--;
      }
    },
    completeUpload: ({ key, uploadId }, parts) =>
      run("complete", key, Buffer.alloc(0), () => {
        if (finished.has(uploadId) && repeatedComplete === "same") return;
        if (finished.has(uploadId) && repeatedComplete === "exists") throw new AirlockError("already-exists", "412");
        const upload = uploadOf(uploadId);
        const chosen = parts
          .toSorted((one, other) => one.number - other.number)
          .map(({ number }) => upload.parts.get(number));
        create(key, Buffer.concat(chosen.map((part) => part ?? Buffer.alloc(0))), new Map());
        uploads.delete(uploadId);
        finished.add(uploadId);
      }),
  };
}

async function readBody(body: PartBody): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const bytes = Buffer.alloc(body.length);
  const { bytesRead } = await body.file.read(bytes, 0, body.length, body.offset);
  return bytes.subarray(0, bytesRead);
}
