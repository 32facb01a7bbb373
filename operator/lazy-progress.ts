import type { Progress } from "../shared/progress.ts";

/** A progress line for work that only tells, once it is under way, how far it is and how much there is. */
export interface LazyProgress {
  readonly reached: (doneBytes: number, totalBytes: number) => void;
  readonly end: () => void;
}

export function startLazily(start: (totalBytes: number) => Progress): LazyProgress {
  let progress: Progress | null = null;
  let before = 0;
  return {
    reached: (doneBytes, totalBytes) => {
      progress ??= start(totalBytes);
      progress.add(doneBytes - before);
      before = doneBytes;
      if (doneBytes === totalBytes) progress.end();
    },
    end: () => progress?.end(),
  };
}
