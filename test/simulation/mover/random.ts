/** Chance from a seed (sfc32): the same seed draws the same numbers, on every machine. */
export interface Random {
  /** 0 to below 1. */
  next(): number;
  /** Both ends included. */
  int(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  bytes(sizeBytes: number): Buffer;
}

export function createRandom(seed: number, stream: string): Random {
  let [a, b, c, counter] = [seed | 0, Math.floor(seed / 2 ** 32) | 0, hashText(stream), 1];
  const draw = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) draw();
  const next = (): number => draw() / 2 ** 32;
  const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: <T>(list: readonly T[]): T => {
      const index = int(0, list.length - 1);
      if (index >= list.length) throw new RangeError("nothing to pick from");
      return list[index] as T; // within the list
    },
    bytes: (sizeBytes) => {
      const words = new Uint32Array(Math.ceil(sizeBytes / 4));
      for (let word = 0; word < words.length; word++) words[word] = draw();
      return Buffer.from(words.buffer, 0, sizeBytes);
    },
  };
}

/** FNV-1a */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}
