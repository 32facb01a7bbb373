import { hash } from "node:crypto";

/**
 * Numbers texts 0, 1, 2, … in the order in which they are first seen, without keeping the texts: 128 bits of SHA-256
 * stand for each. A million names take about 32 MiB, where a Map of strings would take several times that.
 */
export interface HashIndex {
  readonly size: number;
  /** The text's number, or -1. */
  find(text: string): number;
  /** The text's number, given now when it is new. */
  insert(text: string): { readonly number: number; readonly isNew: boolean };
}

const WORDS = 4;

export function createHashIndex(): HashIndex {
  // Open addressing: slot → number + 1, at most half full; the digests lie densely, by number.
  let slots = new Uint32Array(1024);
  let digests = new Uint32Array(WORDS * 512);
  let size = 0;

  const isSame = (number: number, digest: Uint32Array): boolean => {
    for (let word = 0; word < WORDS; word++) if (digests[number * WORDS + word] !== digest[word]) return false;
    return true;
  };
  /** The slot that holds this digest, or the free one where it belongs. */
  const locate = (digest: Uint32Array): number => {
    const mask = slots.length - 1;
    let slot = (digest[0] ?? 0) & mask;
    for (let held = slots[slot] ?? 0; held !== 0; held = slots[slot] ?? 0) {
      if (isSame(held - 1, digest)) return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  };
  const grow = (): void => {
    const larger = new Uint32Array(digests.length * 2);
    larger.set(digests);
    digests = larger;
    slots = new Uint32Array(slots.length * 2);
    for (let number = 0; number < size; number++) {
      slots[locate(digests.subarray(number * WORDS, (number + 1) * WORDS))] = number + 1;
    }
  };

  return {
    get size() {
      return size;
    },
    find: (text) => (slots[locate(digestOf(text))] ?? 0) - 1,
    insert: (text) => {
      const digest = digestOf(text);
      const held = slots[locate(digest)] ?? 0;
      if (held !== 0) return { number: held - 1, isNew: false };
      if ((size + 1) * 2 > slots.length) grow();
      digests.set(digest, size * WORDS);
      slots[locate(digest)] = size + 1;
      size += 1;
      return { number: size - 1, isNew: true };
    },
  };
}

function digestOf(text: string): Uint32Array {
  const digest = hash("sha256", text, "buffer");
  return new Uint32Array(digest.buffer.slice(digest.byteOffset, digest.byteOffset + WORDS * 4));
}
