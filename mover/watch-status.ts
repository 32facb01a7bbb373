/** `status --watch`: the page again and again, on one screen. */
import type { Io } from "../shared/cli.ts";
import { isAirlockError } from "../shared/errors.ts";
import { printable, shorten } from "../shared/printable.ts";
import { realTiming } from "../shared/retry.ts";
import { readStatus, type Status } from "./status.ts";

const INTERVAL_MS = 1000;
// ECMA-48 and xterm's control sequences
const ENTER = "\u001b[?1049h\u001b[?25l"; // the alternate screen, without a cursor
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const END_OF_LINE = "\u001b[K";
const END_OF_SCREEN = "\u001b[J";

export type FormatPage = (status: Status, nowMs: number, width: number) => string;

/** Until a signal comes, which is how this ends well. Without a terminal: what is new, one page or value after another. */
export async function watchStatus(io: Io, stateFolder: string, format: FormatPage): Promise<void> {
  const { drain, abort } = io;
  const ended = AbortSignal.any([drain, abort]);
  const onScreen = io.stdoutIsTty && !io.json;
  if (onScreen) io.stdout.write(ENTER);
  let shown = "";
  try {
    for (;;) {
      const status = await readStatus(stateFolder).catch((error: unknown) => {
        if (isAirlockError(error, "usage")) return error; // it may be there in a second
        throw error;
      });
      const { columns = 80, rows = 24 } = io.stdout;
      if (onScreen) {
        const page = status instanceof Error ? `${status.message}; waiting` : format(status, Date.now(), columns);
        io.stdout.write(frameOf(page, columns, rows));
      } else if (!(status instanceof Error) && status.updatedAt !== shown) {
        shown = status.updatedAt;
        io.print(status, () => `${format(status, Date.now(), 80)}\n`);
      }
      if (ended.aborted) return;
      await realTiming.sleep(INTERVAL_MS, ended).catch(() => undefined); // nothing but the signal ends it early
      if (ended.aborted) return;
    }
  } finally {
    if (onScreen) io.stdout.write(LEAVE);
  }
}

/** Each line over the one that was there, so that nothing blinks; what does not fit is told. */
export function frameOf(page: string, columns: number, rows: number): string {
  const lines = page.trimEnd().split("\n");
  const fitting =
    lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
  const drawn = fitting.map((line) => shorten(printable(line), columns) + END_OF_LINE);
  return HOME + drawn.join("\r\n") + END_OF_SCREEN;
}
