/** Two programs side by side, in turns, so that whatever else the machine does meets both. */

export interface Compared<T> {
  readonly ours: readonly T[];
  readonly theirs: readonly T[];
}

/** One round to warm up, which does not count, then `rounds` that do: A B A B … */
export async function runInTurns<T>(
  rounds: number,
  ours: () => Promise<T>,
  theirs: () => Promise<T>,
): Promise<Compared<T>> {
  const compared: { readonly ours: T[]; readonly theirs: T[] } = { ours: [], theirs: [] };
  for (let round = 0; round <= rounds; round++) {
    const [a, b] = [await ours(), await theirs()];
    if (round === 0) continue;
    compared.ours.push(a);
    compared.theirs.push(b);
  }
  return compared;
}

/** Of an even number of values: the lower of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[Math.ceil(sorted.length / 2) - 1];
  if (middle === undefined) throw new RangeError("nothing has no median");
  return middle;
}
