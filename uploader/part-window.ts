/**
 * How many parts are under way at once: as many as gain something. Whether more do is tried, not guessed: on a fast line
 * with long ways they do, on a busy disk next door they don't.
 *
 * Pure: who sends the parts says what happened, and when.
 */

const FIRST_SIZE = 4;
const GROWTH = 1.5;
/** A larger window stays only when it is faster by this much; less is what rates differ by anyway. */
const MIN_GAIN = 1.1;
/** So many windows of parts pass before what gained nothing is tried again: lines change. */
const PATIENCE = 16;

export interface PartWindow {
  /** How many parts may be under way now; from 1 up to the limit. */
  readonly size: number;
  /** Parts that there is memory for, at least 1: fewer once they are larger. */
  limitTo(parts: number): void;
  /** There is another part to send, and no room for it. */
  wait(): void;
  /** A part is stored. @param atMs on a clock that goes on */
  done(sizeBytes: number, atMs: number): void;
  /** The store asks for less. */
  slowDown(): void;
}

export function createPartWindow(startedAtMs: number): PartWindow {
  let limit = FIRST_SIZE;
  let size = FIRST_SIZE;
  /** Since the last decision. A window that nobody waited for says nothing: the source is what is slow. */
  let seen = { parts: 0, bytes: 0, sinceMs: startedAtMs, isFull: false };
  /** What a smaller window achieved, while a larger one is on trial. */
  let former: { readonly size: number; readonly bytesPerMs: number } | null = null;
  let patience = 0;

  const decide = (bytesPerMs: number): void => {
    if (former !== null && bytesPerMs < former.bytesPerMs * MIN_GAIN) {
      size = Math.min(limit, former.size);
      former = null;
      patience = PATIENCE;
    } else if (patience > 0) {
      patience--;
    } else {
      const larger = Math.min(limit, Math.ceil(size * GROWTH));
      former = larger > size ? { size, bytesPerMs } : null;
      size = larger;
    }
  };

  return {
    get size() {
      return size;
    },
    limitTo(parts) {
      limit = parts;
      size = Math.min(size, limit);
    },
    wait() {
      seen.isFull = true;
    },
    done(sizeBytes, atMs) {
      seen.parts++;
      seen.bytes += sizeBytes;
      if (seen.parts < size) return;
      const { bytes, sinceMs, isFull } = seen;
      seen = { parts: 0, bytes: 0, sinceMs: atMs, isFull: false };
      if (isFull && atMs > sinceMs) decide(bytes / (atMs - sinceMs));
    },
    slowDown() {
      size = Math.max(1, Math.floor(size / 2));
      former = null;
      patience = PATIENCE;
    },
  };
}
