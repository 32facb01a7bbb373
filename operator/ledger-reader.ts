import { isAirlockError, toAirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import {
  extendChain,
  ledgerPrefix,
  parseSegment,
  segmentDigest,
  segmentName,
  verifySegment,
  type ChainHead,
  type Segment,
} from "../shared/ledger.ts";
import type { VaultReader } from "../shared/stores.ts";
import { prefetch } from "./prefetch.ts";

/** A segment is at most 2 MiB, so this is also the bound on memory: 32 MiB. */
const SEGMENTS_AHEAD = 16;

export type LedgerProblemCode =
  /** One or more segments are not there, and later ones are. */
  | "segment-missing"
  /** What lies there is no segment: altered, cut off, too large, or another one's bytes. */
  | "segment-damaged"
  /** None of the mover's listed keys signed it. */
  | "segment-unsigned"
  /** It does not follow the bytes of the one before: one of the two was written by somebody who rewrites or forks. */
  | "chain-broken"
  /** It ends before, or is another at, a place that was seen earlier. */
  | "ledger-rolled-back"
  | "ledger-rewritten"
  | "mover-unknown"
  | "mover-silent";

/** What is wrong with a ledger. Reading goes on behind it: one damaged segment must not hide all others. */
export interface LedgerProblem {
  readonly code: LedgerProblemCode;
  readonly mover: string;
  /** The segment that is damaged, missing or does not follow; null where the whole ledger is meant. */
  readonly segment: number | null;
  /** The object in the vault that it is about. */
  readonly subject: string;
  readonly message: string;
}

export interface ReadSegment {
  readonly segment: Segment;
  /** Which of the operator's own keys for this mover signed it; null: none did, and nothing in it is proven. */
  readonly signer: PublicKey | null;
  /** Whether every segment from the first to this one is there, is signed and follows the one before. */
  readonly intact: boolean;
}

export type LedgerItem = ({ readonly kind: "segment" } & ReadSegment) | ({ readonly kind: "problem" } & LedgerProblem);

/** The end of a ledger as far as it was read. */
export interface LedgerEnd {
  readonly segment: number;
  readonly digest: string;
  /** null behind damage, where no entry says its number yet. */
  readonly index: number | null;
}

export interface LedgerRange {
  /** Reads only what follows this; null or absent: from the first segment. */
  readonly after?: LedgerEnd | null;
  /** Segments beyond this are left out. */
  readonly upTo?: number;
}

/** All ledgers, one after the other: those that are configured and those that the vault holds besides. */
export async function* readLedgers(
  reader: VaultReader,
  movers: ReadonlyMap<string, readonly PublicKey[]>,
  signal: AbortSignal,
  rangeOf: (mover: string) => LedgerRange = () => ({}),
): AsyncGenerator<LedgerItem, void, undefined> {
  const present = new Set(await reader.listMovers(signal));
  for (const mover of [...new Set([...movers.keys(), ...present])].toSorted()) {
    const keys = movers.get(mover);
    if (keys === undefined) {
      yield ledgerProblem("mover-unknown", mover, null, "the vault holds a ledger of a mover that is not configured");
    }
    if (!present.has(mover)) {
      yield ledgerProblem("mover-silent", mover, null, "this mover is configured and has no ledger in the vault");
      continue;
    }
    yield* readLedger(reader, mover, keys ?? null, signal, rangeOf(mover));
  }
}

/** One mover's ledger in order. `keys` null: nobody vouches for this mover, which is not repeated for each segment. */
export async function* readLedger(
  reader: VaultReader,
  mover: string,
  keys: readonly PublicKey[] | null,
  signal: AbortSignal,
  range: LedgerRange = {},
): AsyncGenerator<LedgerItem, void, undefined> {
  const store = reader.ledgerOf(mover);
  let state: ChainState = { end: range.after ?? null, intact: true };
  const numbers = takeUpTo(store.listSegments(state.end?.segment ?? 0, signal), range.upTo ?? Infinity);
  const load = async (number: number, loadSignal: AbortSignal): Promise<readonly [number, Uint8Array | null]> => {
    try {
      return [number, await store.readSegment(number, loadSignal)];
    } catch (error) {
      // Larger than a segment may be, or gone since it was listed: both are what is looked for here.
      if (isAirlockError(error, "ledger-corrupt", "not-found")) return [number, null];
      throw error;
    }
  };
  for await (const [number, bytes] of prefetch(numbers, SEGMENTS_AHEAD, load, signal)) {
    const step = checkSegment(state, mover, number, bytes, keys);
    state = step.state;
    for (const item of step.items) yield item;
  }
}

async function* takeUpTo(numbers: AsyncIterable<number>, last: number): AsyncGenerator<number, void, undefined> {
  for await (const number of numbers) {
    if (number > last) return;
    yield number;
  }
}

interface ChainState {
  readonly end: LedgerEnd | null;
  readonly intact: boolean;
}

/**
 * Puts one more segment to the test. Behind damage the chain is taken up again from what is there, so that each
 * damage is reported once, at the segment where it is.
 * @param bytes null: the segment is listed but can't be read as one
 */
function checkSegment(
  state: ChainState,
  mover: string,
  number: number,
  bytes: Uint8Array | null,
  keys: readonly PublicKey[] | null,
): { readonly state: ChainState; readonly items: readonly LedgerItem[] } {
  const problems: LedgerItem[] = [];
  const report = (code: LedgerProblemCode, segment: number, message: string): void => {
    problems.push(ledgerProblem(code, mover, segment, message));
  };
  const expected = (state.end?.segment ?? 0) + 1;
  const missing = number > expected;
  if (missing) {
    const through = number - 1 > expected ? ` to ${number - 1}` : "";
    report("segment-missing", expected, `segment ${expected}${through} of mover ${mover} is missing`);
  }
  if (bytes === null) {
    report(
      "segment-damaged",
      number,
      `segment ${number} of mover ${mover} is listed but can't be read, or is larger than a segment may be`,
    );
    return { state: { end: { segment: number, digest: "", index: null }, intact: false }, items: problems };
  }
  let segment: Segment;
  try {
    segment = parseSegment(bytes, mover, number);
  } catch (error) {
    report("segment-damaged", number, toAirlockError(error).message);
    return {
      state: { end: { segment: number, digest: segmentDigest(bytes), index: null }, intact: false },
      items: problems,
    };
  }
  const head = missing || state.end?.digest === "" ? assumeHead(segment) : knownHead(state.end, segment);
  let end: ChainHead = {
    segment: number,
    digest: segment.digest,
    index: segment.entries.at(-1)?.index ?? head?.index ?? 0,
  };
  try {
    end = extendChain(head, segment);
  } catch (error) {
    report("chain-broken", number, toAirlockError(error).message);
  }
  const signer = keys === null ? null : verifySegment(segment, keys);
  if (keys !== null && signer === null) {
    report(
      "segment-unsigned",
      number,
      `segment ${number} of mover ${mover}: no key that is listed for this mover signed it`,
    );
  }
  const intact = state.intact && keys !== null && problems.length === 0;
  return { state: { end, intact }, items: [...problems, { kind: "segment", segment, signer, intact }] };
}

/** What a segment says came before it: where that can't be read, nothing else is known of it. */
function assumeHead({ header, entries }: Segment): ChainHead | null {
  if (header.prev === null) return null;
  return { segment: header.segment - 1, digest: header.prev, index: (entries[0]?.index ?? 1) - 1 };
}

function knownHead(end: LedgerEnd | null, { entries }: Segment): ChainHead | null {
  return end === null ? null : { ...end, index: end.index ?? (entries[0]?.index ?? 1) - 1 };
}

export function ledgerProblem(
  code: LedgerProblemCode,
  mover: string,
  segment: number | null,
  message: string,
): { readonly kind: "problem" } & LedgerProblem {
  const subject = segment === null ? ledgerPrefix(mover) : segmentName(mover, segment);
  return { kind: "problem", code, mover, segment, subject, message };
}
