/** Bins per power of ten: a value is told to within 1.2 %, and ten years in milliseconds take under 1,200 bins. */
const BINS_PER_DECADE = 100;

/** Durations, in ms, in memory that does not grow with their number. */
export interface Histogram {
  readonly count: number;
  /** Exactly; 0 without any. */
  readonly max: number;
  add(ms: number): void;
  /** @param share 0.5 for the median. To within a bin, never above {@link max}; 0 without any. */
  percentile(share: number): number;
}

export function createHistogram(): Histogram {
  const bins = new Map<number, number>();
  let count = 0;
  let max = 0;
  return {
    get count() {
      return count;
    },
    get max() {
      return max;
    },
    add: (ms) => {
      // bin 0 is for what is under a millisecond
      const bin = ms < 1 ? 0 : 1 + Math.floor(Math.log10(ms) * BINS_PER_DECADE);
      bins.set(bin, (bins.get(bin) ?? 0) + 1);
      count += 1;
      max = Math.max(max, ms);
    },
    percentile: (share) => {
      let rest = Math.ceil(share * count);
      for (const [bin, inBin] of [...bins].toSorted(([a], [b]) => a - b)) {
        rest -= inBin;
        // the middle of the bin, on the logarithmic scale
        if (rest <= 0) return bin === 0 ? 0 : Math.min(max, 10 ** ((bin - 0.5) / BINS_PER_DECADE));
      }
      return max;
    },
  };
}
