/** Spans of time that a chart has one mark for. All times are epoch ms, all days UTC. */
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export interface Buckets {
  readonly unit: "hour" | "day" | "week";
  readonly widthMs: number;
  /** Beginnings, without holes, ascending. */
  readonly starts: readonly number[];
  /** Which one a time falls into; -1: none. */
  find(timeMs: number): number;
}

/** As many as a chart can show, from the one with `fromMs` to the one with `toMs`. */
export function createBuckets(fromMs: number, toMs: number): Buckets {
  const span = toMs - fromMs;
  if (span <= 2 * DAY_MS) return bucketsOf("hour", HOUR_MS, fromMs, toMs);
  return span <= 120 * DAY_MS ? createDays(fromMs, toMs) : bucketsOf("week", 7 * DAY_MS, fromMs, toMs);
}

export function createDays(fromMs: number, toMs: number): Buckets {
  return bucketsOf("day", DAY_MS, fromMs, toMs);
}

function bucketsOf(unit: Buckets["unit"], widthMs: number, fromMs: number, toMs: number): Buckets {
  const first = Math.floor(fromMs / widthMs) * widthMs;
  const count = Math.floor((toMs - first) / widthMs) + 1;
  return {
    unit,
    widthMs,
    starts: Array.from({ length: count }, (_, index) => first + index * widthMs),
    find: (timeMs) => {
      const index = Math.floor((timeMs - first) / widthMs);
      return index >= 0 && index < count ? index : -1;
    },
  };
}
