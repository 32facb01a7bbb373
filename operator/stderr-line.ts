import type { Io } from "../shared/cli.ts";
import { shorten } from "../shared/printable.ts";

const DRAW_MS = 100;
const CLEAR = "\r\u001B[K";

/** One line on a terminal's standard error that is drawn anew while something takes long; nothing elsewhere. */
export interface StderrLine {
  /** The line is {@link printable}. */
  show(line: () => string): void;
  /** Removes the line, before something else is written or for good. */
  clear(): void;
}

export function openStderrLine({ stderr, stderrIsTty }: Pick<Io, "stderr" | "stderrIsTty">): StderrLine {
  let drawnAtMs = -Infinity;
  let isShown = false;
  return {
    show: (line) => {
      const now = performance.now();
      if (!stderrIsTty || now - drawnAtMs < DRAW_MS) return;
      drawnAtMs = now;
      isShown = true;
      // one column is left free: a terminal wraps after its last
      stderr.write(`${CLEAR}${shorten(line(), (stderr.columns ?? 80) - 1)}`);
    },
    clear: () => {
      if (isShown) stderr.write(CLEAR);
      isShown = false;
    },
  };
}
