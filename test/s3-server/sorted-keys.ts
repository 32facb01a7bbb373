/**
 * Keys in byte order. A key is held as a "byte string": its UTF-8 bytes, one per character (Latin-1), so that
 * JavaScript's own string comparison is exactly S3's order. Entries lie in chunks of an array of arrays: inserting
 * costs a splice of at most `maxChunk`, looking up two binary searches, and there is no node per key.
 */
import { Buffer } from "node:buffer";

const maxChunk = 1024;

export interface Keyed {
  readonly key: string;
}

/** The byte string of a key. For ASCII, the same string. */
export function toByteString(text: string): string {
  // oxlint-disable-next-line no-control-regex -- this is the test for ASCII
  return /^[\u0000-\u007f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

export function fromByteString(bytes: string): string {
  // oxlint-disable-next-line no-control-regex -- this is the test for ASCII
  return /^[\u0000-\u007f]*$/.test(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8");
}

/** The first byte string after all that begin with `prefix`; undefined where there is none. */
export function afterPrefix(prefix: string): string | undefined {
  let end = prefix.length;
  while (end > 0 && prefix.charCodeAt(end - 1) === 0xff) end--;
  if (end === 0) return undefined;
  return prefix.slice(0, end - 1) + String.fromCharCode(prefix.charCodeAt(end - 1) + 1);
}

export interface SortedKeys<Entry extends Keyed> {
  readonly size: number;
  get(key: string): Entry | undefined;
  add(entry: Entry): void;
  remove(key: string): void;
  /** Entries from the first whose key is >= `key`. The collection must not change while it is walked. */
  from(key: string): Generator<Entry, void>;
}

export function createSortedKeys<Entry extends Keyed>(): SortedKeys<Entry> {
  const chunks: Entry[][] = [];
  let size = 0;

  /** Index of the chunk in which the key lies or would lie. */
  const chunkOf = (key: string): number => {
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = chunks[middle]?.[0];
      if (first !== undefined && first.key <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  };
  return {
    get size() {
      return size;
    },
    get: (key) => {
      const chunk = chunks[chunkOf(key)];
      const entry = chunk?.[lowerBound(chunk, key)];
      return entry?.key === key ? entry : undefined;
    },
    add: (entry) => {
      size++;
      const index = chunkOf(entry.key);
      const chunk = chunks[index];
      if (chunk === undefined) {
        chunks.push([entry]);
        return;
      }
      chunk.splice(lowerBound(chunk, entry.key), 0, entry);
      // Appending in order (the usual case) leaves full chunks behind instead of half-empty ones.
      const at = index === chunks.length - 1 && chunk.at(-1) === entry ? maxChunk - 1 : maxChunk >>> 1;
      if (chunk.length > maxChunk) chunks.splice(index + 1, 0, chunk.splice(at));
    },
    remove: (key) => {
      const index = chunkOf(key);
      const chunk = chunks[index];
      if (chunk === undefined) return;
      const at = lowerBound(chunk, key);
      if (chunk[at]?.key !== key) return;
      chunk.splice(at, 1);
      size--;
      if (chunk.length === 0) chunks.splice(index, 1);
    },
    *from(key) {
      let index = chunkOf(key);
      let at = lowerBound(chunks[index] ?? [], key);
      for (let chunk = chunks[index]; chunk !== undefined; chunk = chunks[++index]) {
        for (; at < chunk.length; at++) {
          const entry = chunk[at];
          if (entry !== undefined) yield entry;
        }
        at = 0;
      }
    },
  };
}

function lowerBound(chunk: readonly Keyed[], key: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = chunk[middle];
    if (entry !== undefined && entry.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
