/** What remains when the ledgers were read and the vault was listed: what only one of the two knows. */
import { parseSegment } from "../shared/ledger.ts";
import type { Finding } from "./findings.ts";
import { readLedgers, type LedgerEnd } from "./ledger-reader.ts";
import type { Unrecorded } from "./list-vault.ts";
import { prefetch } from "./prefetch.ts";
import type { Recorded } from "./recorded.ts";
import { mayBeGone, type Keeping } from "./retention.ts";
import { withSigners } from "./signed-segments.ts";
import type { VerifyContext } from "./verify.ts";

/** An object becomes visible just before it is recorded; one that is younger than this is no finding. */
const IN_FLIGHT_MS = 10 * 60_000;
const SEGMENTS_AHEAD = 16;

/** What the ledgers recorded while the vault was listed accounts for most of what seemed to be unrecorded. */
export async function settleUnrecorded(
  recorded: Recorded,
  unrecorded: Unrecorded,
  context: VerifyContext,
): Promise<number> {
  const { reader, movers, hosts, signal } = context;
  const since = new Set<string>();
  const after = (mover: string): { after: LedgerEnd | null } => ({ after: recorded.movers.get(mover)?.end ?? null });
  for await (const signed of withSigners(readLedgers(reader, movers, signal, after), hosts, signal)) {
    // What concerns a whole ledger was reported the first time.
    if (signed.item.kind === "problem" && signed.item.segment === null) continue;
    recorded.enter(signed, ({ vaultName }) => {
      if (recorded.table.isRecorded(vaultName) || since.has(vaultName)) return false;
      since.add(vaultName);
      return true;
    });
  }
  let inFlight = 0;
  for (const { name, lastModified } of unrecorded.objects) {
    if (since.has(name)) continue;
    if (context.timing.now() - lastModified.getTime() < IN_FLIGHT_MS) inFlight += 1;
    else context.report(unrecordedFinding(name, "no ledger records this object"));
  }
  if (unrecorded.more > 0)
    context.report(unrecordedFinding("archive/", `no ledger records these ${unrecorded.more} further objects`));
  return inFlight;
}

function unrecordedFinding(subject: string, message: string): Finding {
  return { code: "object-unrecorded", subject, message, mover: null, segment: null };
}

/** Of what the vault no longer holds: how much has expired. The rest is reported. */
export async function settleMissing(
  recorded: Recorded,
  keeping: Keeping,
  context: VerifyContext,
): Promise<{ readonly objects: number; readonly bytes: number }> {
  const now = context.timing.now();
  const { missing, expired } = recorded.table.unseen((recordedAtMs) => mayBeGone(keeping, recordedAtMs, now));
  const reported = new Set<string>();
  for (const [number, segments] of missing) {
    const mover = [...recorded.movers.keys()][number] ?? "";
    await reportMissing(mover, segments, reported, { recorded, keeping, now }, context);
  }
  return expired;
}

/** The table knows where what is missing was recorded, not its name: those segments are read once more. */
async function reportMissing(
  mover: string,
  segments: ReadonlySet<number>,
  reported: Set<string>,
  {
    recorded: { table },
    keeping,
    now,
  }: { readonly recorded: Recorded; readonly keeping: Keeping; readonly now: number },
  { reader, report, drained, signal }: VerifyContext,
): Promise<void> {
  const store = reader.ledgerOf(mover);
  const load = async (segment: number, loadSignal: AbortSignal): Promise<ReturnType<typeof parseSegment>> =>
    parseSegment(await store.readSegment(segment, loadSignal), mover, segment);
  const inOrder = [...segments].toSorted((a, b) => a - b);
  for await (const { header, entries } of prefetch(inOrder, SEGMENTS_AHEAD, load, signal)) {
    for (const { vault, index } of entries) {
      if (vault === null || table.isSeen(vault.name) || reported.has(vault.name)) continue;
      const recordedAtMs = table.recordedAtMs(vault.name);
      if (recordedAtMs === null || mayBeGone(keeping, recordedAtMs, now)) continue;
      reported.add(vault.name);
      const message = `entry ${index}: the vault does not hold this object${untilWhen(keeping, recordedAtMs)}`;
      report({ code: "object-missing", subject: vault.name, message, mover, segment: header.segment });
    }
    await drained();
  }
}

function untilWhen({ expireAfterMs, source }: Keeping, recordedAtMs: number): string {
  if (expireAfterMs === null) return "";
  return `, and should until ${new Date(recordedAtMs + expireAfterMs).toISOString()} (${source})`;
}
