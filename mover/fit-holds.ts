import { MAX_HOLDS_LINE_BYTES, type Holds } from "../shared/ledger.ts";
import { UNKNOWN_HOST } from "./backlog.ts";

/** Room for what is around the hosts, and for the sum of those that do not fit. */
const FRAME_BYTES = 8 * 1024;

/** As many hosts as a line of the ledger holds; the counts of the others are added to those of `*`. */
export function fitHolds(holds: Holds): Holds {
  const fitting = new Map<string, Readonly<Record<string, number>>>();
  const rest = new Map<string, number>();
  let sizeBytes = FRAME_BYTES;
  for (const [host, reasons] of Object.entries(holds)) {
    const hostBytes = Buffer.byteLength(JSON.stringify({ [host]: reasons }));
    if (host !== UNKNOWN_HOST && sizeBytes + hostBytes <= MAX_HOLDS_LINE_BYTES) {
      fitting.set(host, reasons);
      sizeBytes += hostBytes;
      continue;
    }
    for (const [reason, count] of Object.entries(reasons)) rest.set(reason, (rest.get(reason) ?? 0) + count);
  }
  const others = rest.size === 0 ? [] : [[UNKNOWN_HOST, Object.fromEntries(rest)] as const];
  return Object.fromEntries([...others, ...fitting]);
}
