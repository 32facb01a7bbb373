import { ledgerPrefix, segmentName } from "../shared/ledger.ts";
import type { Checkpoint, Mark } from "./checkpoint.ts";
import type { Finding } from "./findings.ts";
import type { MoverRecord } from "./recorded.ts";

/** Holds each ledger against what an earlier checkpoint saw of it, after both were read. */
export function* compareCheckpoint(
  { takenAt, movers }: Checkpoint,
  recorded: ReadonlyMap<string, MoverRecord>,
): Generator<Finding, void, undefined> {
  const when = takenAt.toISOString();
  for (const [mover, marks] of movers) {
    const record = recorded.get(mover);
    const last = record?.end?.segment ?? 0;
    const highest = marks.at(-1)?.segment ?? 0;
    if (highest > last) {
      const message = `${last === 0 ? "there is no ledger" : `the ledger of ${mover} ends with segment ${last}`}; at ${when} it had segment ${highest}`;
      const subject = last === 0 ? ledgerPrefix(mover) : segmentName(mover, last + 1);
      yield { code: "ledger-rolled-back", subject, message, mover, segment: last + 1 };
    }
    const departed = record === undefined ? null : findDeparture(marks, record);
    if (departed === null) continue;
    const { segment, before } = departed;
    const since = before === 0 ? "it was written anew" : `segment ${before} still is; what follows it was written anew`;
    const message = `segment ${segment} of mover ${mover} is not the one that it was at ${when}: ${since}`;
    yield { code: "ledger-rewritten", subject: segmentName(mover, segment), message, mover, segment };
  }
}

/** The first segment that is another now, and the last before it that still is what it was (0: none is known). */
function findDeparture(
  marks: readonly Mark[],
  { wanted }: MoverRecord,
): { readonly segment: number; readonly before: number } | null {
  let before = 0;
  for (const { segment, digest } of marks) {
    const seen = wanted.get(segment) ?? null;
    if (seen === null) continue; // not there, or damaged: told by whoever read the ledger
    if (seen.digest !== digest) return { segment, before };
    before = segment;
  }
  return null;
}
