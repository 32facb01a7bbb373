/** From the headers of a GET to an {@link OpenedObject}: what the store claims is checked before anyone relies on it. */
import type { ByteRange, OpenedObject } from "../stores.ts";
import { readAttributes } from "./attributes.ts";
import { nonsense, toStoreError, type Call } from "./errors.ts";

export interface GetAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: AsyncIterable<Uint8Array>;
  destroy(): void;
}

export function toOpenedObject(
  answer: GetAnswer,
  range: ByteRange | null,
  call: Call,
  signal: AbortSignal,
): OpenedObject {
  const { headers } = answer;
  try {
    const etag = headers.get("etag") ?? "";
    if (etag === "" || etag.length > 1024) throw nonsense(call, "it has no usable ETag");
    const lengthBytes = readCount(headers.get("content-length"));
    if (lengthBytes === null) throw nonsense(call, "it has no usable Content-Length");
    const sizeBytes = range === null ? lengthBytes : readTotal(answer, range, lengthBytes, call);
    if (range === null && answer.status !== 200) throw nonsense(call, `status ${answer.status} for a whole object`);
    const versionId = headers.get("x-amz-version-id") ?? "null";
    return {
      sizeBytes,
      attributes: readAttributes(headers),
      etag,
      versionId: versionId === "null" ? null : versionId,
      tagCount: readCount(headers.get("x-amz-tagging-count")) ?? 0,
      body: exactly(answer, lengthBytes, call, signal),
      close: () => answer.destroy(),
    };
  } catch (error) {
    answer.destroy();
    throw error;
  }
}

/** The whole object's size, from a Content-Range that is the one asked for. */
function readTotal(answer: GetAnswer, range: ByteRange, lengthBytes: number, call: Call): number {
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(answer.headers.get("content-range") ?? "");
  if (answer.status !== 206 || match === null) throw nonsense(call, `status ${answer.status} for a range`);
  const [first, last, total] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (first !== range.first || last !== Math.min(range.last, total - 1) || lengthBytes !== last - first + 1) {
    throw nonsense(call, "another range than the one asked for");
  }
  return total;
}

async function* exactly(
  answer: GetAnswer,
  lengthBytes: number,
  call: Call,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  let received = 0;
  try {
    for await (const chunk of answer.body) {
      received += chunk.length;
      if (received > lengthBytes) throw nonsense(call, `more than the ${lengthBytes} bytes it announced`);
      yield chunk;
    }
    if (received < lengthBytes) throw nonsense(call, `${received} of the ${lengthBytes} bytes it announced`);
  } catch (error) {
    throw toStoreError(error, call, signal);
  } finally {
    answer.destroy();
  }
}

function readCount(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
