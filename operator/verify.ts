import type { PublicKey } from "../shared/keys.ts";
import type { Timing } from "../shared/retry.ts";
import type { LockReader, VaultReader } from "../shared/stores.ts";
import { createLockCheck, type LockTotals } from "./check-locks.ts";
import type { Checkpoint, Mark } from "./checkpoint.ts";
import { compareCheckpoint } from "./compare-checkpoint.ts";
import type { Finding } from "./findings.ts";
import { readLedgers } from "./ledger-reader.ts";
import { listVault } from "./list-vault.ts";
import { checkMoverCheckpoints, listMoverCheckpoints, type MoverCheckpoint } from "./mover-checkpoints.ts";
import { readObjects, type ReadTotals } from "./read-objects.ts";
import { createRecorded, type Recorded } from "./recorded.ts";
import { readKeeping, type Keeping } from "./retention.ts";
import { settleMissing, settleUnrecorded } from "./settle.ts";
import { withSigners } from "./signed-segments.ts";

export interface VerifyContext {
  readonly reader: VaultReader & LockReader;
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly hosts: ReadonlyMap<string, readonly PublicKey[]>;
  /** How long the vault's objects live; null: as long as its bucket locks them. */
  readonly expireAfterMs: number | null;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly report: (finding: Finding) => void;
  /** Resolves when what was reported has been taken; asked between steps, since findings may be without number. */
  readonly drained: () => Promise<void>;
  /** What has been done so far, of a step that takes long. */
  readonly onStep: (step: VerifyStep) => void;
}

export type VerifyStep =
  | { readonly step: "ledger"; readonly mover: string; readonly segment: number; readonly entries: number }
  | { readonly step: "listing"; readonly versions: number }
  | { readonly step: "reading"; readonly doneBytes: number; readonly totalBytes: number };

export interface VerifyRequest {
  /** Every byte of every object. */
  readonly read?: boolean;
  /** Every lock, not a sample of them. */
  readonly locks?: boolean;
  /** What was seen earlier, and has to be there still. */
  readonly since?: readonly Checkpoint[];
}

export interface MoverSummary {
  readonly mover: string;
  readonly segments: number;
  readonly entries: number;
  /** Worth keeping elsewhere: a later ledger that does not lead here was cut off or rewritten. */
  readonly head: { readonly segment: number; readonly digest: string } | null;
}

export interface VerifySummary {
  readonly movers: readonly MoverSummary[];
  /** Objects that the ledgers record, and their stored bytes. */
  readonly objects: number;
  readonly bytes: number;
  /** Of these, objects that no host's signature was to be expected for. */
  readonly unsigned: number;
  /** Of these, objects that are gone and may be: see `keeping`. */
  readonly expired: { readonly objects: number; readonly bytes: number };
  readonly keeping: Keeping;
  readonly locks: LockTotals;
  /** Epochs of all hosts. */
  readonly epochs: number;
  /** What the movers themselves recorded as findings, by code. */
  readonly recordedFindings: ReadonlyMap<string, number>;
  /** Objects that no ledger records yet and that are too young for it to mean anything. */
  readonly inFlight: number;
  /** null: bytes were not asked for. */
  readonly read: ReadTotals | null;
}

export interface Verified {
  readonly summary: VerifySummary;
  /** What a checkpoint of these ledgers is made of; null: they are damaged, or not those that an earlier one saw. */
  readonly marks: ReadonlyMap<string, readonly Mark[]> | null;
}

/**
 * Verifies the vault against the operator's own keys: first the ledgers, then a listing, so that whatever a ledger
 * records was there before the listing began; then what the ledgers recorded meanwhile.
 */
export async function verify(context: VerifyContext, request: VerifyRequest = {}): Promise<Verified> {
  const { reader, signal, report } = context;
  const { since = [] } = request;
  const keeping = await readKeeping(reader, context.expireAfterMs, signal);
  const checkpoints = await listMoverCheckpoints(reader, signal);
  const recorded = createRecorded({ ...context, wanted: wantedSegments(since, checkpoints) });
  await readRecorded(recorded, context);
  const departures = since.flatMap((checkpoint) => [...compareCheckpoint(checkpoint, recorded.movers)]);
  for (const departure of departures) report(departure);
  await checkMoverCheckpoints(checkpoints, {
    ...context,
    segmentAt: (mover, segment) => recorded.movers.get(mover)?.wanted.get(segment) ?? null,
    lastSegmentOf: (mover) => recorded.movers.get(mover)?.end?.segment ?? 0,
  });
  const marks = departures.length > 0 ? null : marksOf(recorded);
  const ends = new Map([...recorded.movers].map(([mover, { end }]) => [mover, end]));

  const lockCheck = createLockCheck({ ...context, locks: reader, keeping }, request.locks === true);
  let versions = 0;
  const onListed = (more: number): void => context.onStep({ step: "listing", versions: (versions += more) });
  const unrecorded = await listVault({ ...context, keeping, lockCheck, onListed }, recorded.table);
  const locks = await lockCheck.end();
  const inFlight = await settleUnrecorded(recorded, unrecorded, context);
  for (const hole of recorded.sequences.holes()) report(hole);
  const expired = await settleMissing(recorded, keeping, context);
  const onRead = (doneBytes: number, totalBytes: number): void =>
    context.onStep({ step: "reading", doneBytes, totalBytes });
  const totalBytes = recorded.bytes - expired.bytes;
  const read =
    request.read === true ? await readObjects({ ...context, onRead }, recorded.table, ends, totalBytes) : null;
  return { summary: { ...sumUp(recorded), expired, keeping, locks, inFlight, read }, marks };
}

async function readRecorded(recorded: Recorded, context: VerifyContext): Promise<void> {
  const { reader, movers, hosts, signal } = context;
  let entries = 0;
  for await (const signed of withSigners(readLedgers(reader, movers, signal), hosts, signal)) {
    recorded.enter(signed);
    if (signed.item.kind === "segment") {
      const { mover, segment } = signed.item.segment.header;
      entries += signed.item.segment.entries.length;
      context.onStep({ step: "ledger", mover, segment, entries });
    }
    await context.drained();
  }
}

function wantedSegments(
  since: readonly Checkpoint[],
  checkpoints: readonly MoverCheckpoint[],
): ReadonlyMap<string, readonly number[]> {
  const wanted = new Map<string, number[]>();
  const want = (mover: string, segment: number): void => {
    const ofMover = wanted.get(mover) ?? [];
    wanted.set(mover, ofMover);
    ofMover.push(segment);
  };
  for (const { movers } of since)
    for (const [mover, marks] of movers) for (const { segment } of marks) want(mover, segment);
  for (const { mover, segment } of checkpoints) want(mover, segment);
  return wanted;
}

function marksOf({ movers }: Recorded): ReadonlyMap<string, readonly Mark[]> | null {
  if ([...movers.values()].some(({ isDamaged }) => isDamaged)) return null;
  const marks = Array.from(movers, ([mover, record]) => [mover, record.marks.list()] as const);
  return new Map(marks.filter(([, list]) => list.length > 0));
}

function sumUp(
  recorded: Recorded,
): Pick<VerifySummary, "movers" | "objects" | "bytes" | "unsigned" | "epochs" | "recordedFindings"> {
  return {
    movers: Array.from(recorded.movers, ([mover, { segments, entries, end }]) => ({
      mover,
      segments,
      entries,
      head: end === null ? null : { segment: end.segment, digest: end.digest },
    })),
    objects: recorded.objects,
    bytes: recorded.bytes,
    unsigned: recorded.unsigned,
    epochs: recorded.sequences.epochs,
    recordedFindings: recorded.findings,
  };
}
