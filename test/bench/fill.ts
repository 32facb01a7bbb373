/** Fills a drop-zone as an uploader does: every object with its signed statement, under the host's own key. */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { formatDropZoneName, newToken, STATEMENT_SUFFIX } from "../../shared/names.ts";
import { NO_ATTRIBUTES } from "../../shared/s3/attributes.ts";
import { openDropZoneWriter } from "../../shared/s3/drop-zone-writer.ts";
import {
  formatStatement,
  inlineStatement,
  signStatement,
  STATEMENT_METADATA,
  statementDigest,
  type SignedStatement,
} from "../../shared/statement.ts";
import type { UploadedPart } from "../../shared/stores.ts";
import type { Scene } from "./scene.ts";

const PARALLEL = 32;
const PART_BYTES = 16 * 1024 * 1024;
const PARTS_IN_FLIGHT = 2;

type Host = Scene["host"];

export async function putSmallObjects(
  host: Host,
  count: number,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  await using writer = await openDropZoneWriter(host.dropZone, { maxConnections: PARALLEL });
  const sign = createSigner(host);
  let left = count;
  const put = async (): Promise<void> => {
    while (left-- > 0) {
      const body = randomBytes(sizeBytes);
      const key = nameFor(host, "small.bin");
      const inline = inlineStatement(sign(key, sizeBytes, createHash("sha256").update(body).digest("hex")));
      if (inline === null) throw new RangeError("the statement does not fit into metadata");
      await writer.createObject(key, body, {
        attributes: { metadata: new Map([[STATEMENT_METADATA, inline]]) },
        signal,
      });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, put));
}

/** In parts, so that the statement lies beside; bytes that do not repeat, in the memory of a few parts. */
export async function putLargeObject(host: Host, sizeBytes: number, signal: AbortSignal): Promise<void> {
  await using writer = await openDropZoneWriter(host.dropZone);
  const key = nameFor(host, "large.bin");
  const upload = await writer.beginUpload(key, { attributes: NO_ATTRIBUTES, signal });
  const noise = createCipheriv("aes-256-ctr", randomBytes(32), randomBytes(16));
  const zeros = Buffer.alloc(PART_BYTES);
  const hash = createHash("sha256");
  const parts: UploadedPart[] = [];
  let begun = 0;
  const put = async (): Promise<void> => {
    while (begun * PART_BYTES < sizeBytes) {
      const bytes = noise.update(zeros.subarray(0, Math.min(PART_BYTES, sizeBytes - begun * PART_BYTES)));
      hash.update(bytes); // in order: nothing was awaited since the number was read
      parts.push(await writer.uploadPart(upload, ++begun, bytes, signal));
    }
  };
  await Promise.all(Array.from({ length: PARTS_IN_FLIGHT }, put));
  const statement = Buffer.from(formatStatement(createSigner(host)(key, sizeBytes, hash.digest("hex"))));
  await writer.createObject(key + STATEMENT_SUFFIX, statement, { attributes: NO_ATTRIBUTES, signal });
  await writer.completeUpload(upload, parts, signal);
}

export function nameFor(host: Host, name: string): string {
  return formatDropZoneName({ host: host.name, set: "bench", at: new Date(), token: newToken(), name });
}

/** Numbers and chains the statements of one host, as its spool does. */
export function createSigner(host: Host): (key: string, size: number, sha256: string) => SignedStatement {
  const epoch = randomBytes(16).toString("base64url");
  let last: { readonly seq: number; readonly prev: string | null } = { seq: 0, prev: null };
  return (key, size, sha256) => {
    const seq = last.seq + 1;
    const signed = signStatement(
      {
        v: 1,
        bucket: host.dropZone.bucket,
        key,
        host: host.name,
        set: "bench",
        epoch,
        seq,
        prev: last.prev,
        size,
        sha256,
        encoding: [],
        startedAt: new Date().toISOString(),
      },
      host.key,
    );
    last = { seq, prev: statementDigest(signed.statement) };
    return signed;
  };
}
