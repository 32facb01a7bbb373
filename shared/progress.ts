import { formatBytes, formatDuration } from "./config/units.ts";
import { printable, shorten } from "./printable.ts";

/** How often the line is drawn at most, and over how long the rate is taken. */
const DRAW_MS = 100;
const RATE_MS = 10_000;
/** Back to the line's start, and clear it. */
const CLEAR = "\r\u001B[K";

export interface ProgressOptions {
  readonly label: string;
  /** null: unknown, so no share and no remaining time are shown. */
  readonly totalBytes: number | null;
  readonly stream: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  /** Milliseconds that never go back, such as `performance.now()`. */
  readonly now: () => number;
}

export interface Progress {
  /** `bytes` more are done. */
  add(bytes: number): void;
  /** Removes the line, for good. */
  end(): void;
}

/** One line that is drawn anew on a terminal; nothing at all elsewhere. */
export function startProgress(options: ProgressOptions): Progress {
  const { stream, now } = options;
  if (stream.isTTY !== true) return { add: () => undefined, end: () => undefined };
  let samples: Sample[] = [{ at: now(), bytes: 0 }];
  let done = 0;
  let drawn = -Infinity;
  let ended = false;
  return {
    add(bytes) {
      done += bytes;
      const at = now();
      if (ended || at - drawn < DRAW_MS) return;
      drawn = at;
      samples = [...samples.filter((sample) => sample.at >= at - RATE_MS), { at, bytes: done }];
      const line = formatProgress(options.label, done, options.totalBytes, rateOf(samples));
      // one column is left free: a terminal wraps after its last
      stream.write(`${CLEAR}${shorten(line, Math.max(1, (stream.columns ?? 80) - 1))}`);
    },
    end() {
      if (!ended && drawn !== -Infinity) stream.write(CLEAR);
      ended = true;
    },
  };
}

interface Sample {
  readonly at: number;
  readonly bytes: number;
}

/** Bytes per second over the samples; null while there is nothing to tell it from. */
function rateOf(samples: readonly Sample[]): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < DRAW_MS) return null;
  return ((last.bytes - first.bytes) * 1000) / (last.at - first.at);
}

/** `shop.dump  35.0 MiB of 70.0 MiB  50%  12.5 MiB/s  3s left` */
export function formatProgress(label: string, done: number, total: number | null, rate: number | null): string {
  const name = printable(label);
  const parts = [shorten(name, 30)];
  parts.push(total === null ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`);
  if (total !== null && total > 0) parts.push(`${Math.min(100, Math.floor((done / total) * 100))}%`);
  if (rate !== null) parts.push(`${formatBytes(rate)}/s`);
  if (rate !== null && rate > 0 && total !== null && total > done) {
    parts.push(`${formatDuration(((total - done) / rate) * 1000)} left`);
  }
  return parts.join("  ");
}
