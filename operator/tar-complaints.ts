import type { Readable } from "node:stream";

/** An archive can make tar print a line for each of its members: only the last ones are kept, the others counted. */
const MAX_LINES = 20;
const MAX_LINE_CHARACTERS = 400;

/** What GNU tar says on standard error, in the C locale, each line by what it means for the one who unpacks. */
export interface TarComplaints {
  counts(): ComplaintCounts;
  lastLines(): readonly string[];
}

export interface ComplaintCounts {
  /** Lines that go with a failure of any other kind. */
  readonly failures: number;
  /** Names that were asked for and are not there. */
  readonly missing: number;
  /** Device nodes that this user may not make. */
  readonly devicesRefused: number;
}

// Names stand before these words and never behind them, and are printed with their newlines escaped: no archive can
// make another complaint look like one of these.
const NO_DEVICE = /: Cannot mknod: Operation not permitted$/;
const NOT_FOUND = /: Not found in archive$/;
const CLOSING = /^tar: (?:Exiting with failure status due to previous errors|Error is not recoverable: exiting now)$/;
/** Said of archives that are unpacked all the same. */
const HARMLESS = /^tar: (?:Removing leading `.*' from (?:member names|hard link targets)|A lone zero block at \d+)$/;

export function readComplaints(stream: Readable): TarComplaints {
  const lines: string[] = [];
  const counts = { failures: 0, missing: 0, devicesRefused: 0 };
  let rest = "";
  const take = (line: string): void => {
    if (line === "" || CLOSING.test(line)) return;
    if (NO_DEVICE.test(line)) counts.devicesRefused += 1;
    else if (NOT_FOUND.test(line)) counts.missing += 1;
    else if (!HARMLESS.test(line)) counts.failures += 1;
    lines.push(line.slice(0, MAX_LINE_CHARACTERS));
    if (lines.length > MAX_LINES) lines.shift();
  };
  stream.setEncoding("utf8").on("data", (piece: string) => {
    const parts = (rest + piece).split("\n");
    // a name may be long; of what stands before the end of a line only the end says what it is about
    rest = (parts.pop() ?? "").slice(-64 * 1024);
    for (const line of parts) take(line);
  });
  return {
    counts: () => {
      take(rest);
      rest = "";
      return { ...counts };
    },
    lastLines: () => [...lines],
  };
}

export function isAboutDevices(line: string): boolean {
  return NO_DEVICE.test(line);
}
