/**
 * Each host's statements per epoch: numbered from 1 without holes, one statement a number, each naming the digest of
 * the one before. A fold over the ledger's entries, in bounded memory; what it remembers of a number is enough to tell
 * the same statement from another one for the newest {@link REMEMBERED} numbers of an epoch.
 */
import { z } from "zod";
import { statementDigest, type Statement } from "../shared/statement.ts";
import type { Finding } from "./findings.ts";

export const MAX_EPOCHS = 8;
/** Runs of numbers, per host. */
export const MAX_HOLES = 1000;
const REMEMBERED = 256;
/** Uploads that run side by side become complete in another order than they were numbered; none takes this long. */
export const REORDERED_MS = 60_000;
/** Of a digest: 64 bits tell statements of one number apart, since only the host's key can make a second one. */
const DIGEST_DIGITS = 16;

const holeSchema = z.strictObject({
  first: z.int().min(1),
  last: z.int().min(1),
  /** When the entry that showed it was made, by the mover's clock. */
  openedAtMs: z.number(),
  /** When the object that showed it was complete in the drop-zone. */
  shownByMs: z.number(),
  reported: z.boolean(),
});
const knownSchema = z.strictObject({
  seq: z.int().min(1),
  digest: z.string(),
  prev: z.string().nullable(),
  /** False while only the statement came. */
  withObject: z.boolean(),
});
const epochSchema = z.strictObject({
  epoch: z.string(),
  highest: z.int().min(0),
  holes: z.array(holeSchema).max(MAX_HOLES + 1),
  known: z.array(knownSchema).max(REMEMBERED),
});
export const chainSchema = z.array(
  z.strictObject({ host: z.string(), overflowed: z.boolean(), epochs: z.array(epochSchema).max(MAX_EPOCHS) }),
);

type Hole = z.infer<typeof holeSchema>;
type Known = Omit<z.infer<typeof knownSchema>, "seq">;

interface Epoch {
  highest: number;
  /** Ascending, never touching. */
  holes: Hole[];
  /** By number, in the order in which they came. */
  readonly known: Map<number, Known>;
}

interface HostChain {
  /** The one that was seen last stands last. */
  readonly epochs: Map<string, Epoch>;
  /** More holes than are followed: numbers that come late can no longer be told from replayed ones. */
  overflowed: boolean;
}

/** One statement of the ledger. */
export interface Sighting {
  readonly statement: Statement;
  /** When the entry was made. */
  readonly atMs: number;
  /** When its object was complete in the drop-zone. */
  readonly completedAtMs: number;
  /** False where only the statement lay there. */
  readonly withObject: boolean;
}

export interface Seen {
  /** This very statement's object was recorded before. */
  readonly isDuplicate: boolean;
  /** A number that was recorded before, in whatever form: it says nothing about how fresh a host is. */
  readonly isRepeat: boolean;
  readonly findings: readonly Finding[];
}

export class Chain {
  readonly #hosts = new Map<string, HostChain>();

  /** Enters one statement. */
  see(sighting: Sighting): Seen {
    const { host, epoch: name, seq, prev } = sighting.statement;
    const findings: Finding[] = [];
    const report = (code: Finding["code"], detail: string): void => {
      findings.push({ code, epoch: name, seq, detail });
    };
    const chain = this.#hosts.get(host) ?? { epochs: new Map<string, Epoch>(), overflowed: false };
    this.#hosts.set(host, chain);
    const epoch = openEpoch(chain, name, report);
    const digest = shorten(statementDigest(sighting.statement));
    const before = epoch.known.get(seq);
    if (before?.digest === digest) {
      const isDuplicate = sighting.withObject && before.withObject;
      before.withObject ||= sighting.withObject;
      return { isDuplicate, isRepeat: isDuplicate || !sighting.withObject, findings };
    }
    const place = before === undefined ? enterNumber(chain, epoch, sighting, report) : "again";
    if (before !== undefined) report("forked", `there is another statement ${seq}`);
    if (place === "again" && before === undefined && sighting.withObject && !chain.overflowed) {
      report("replayed", `number ${seq} was recorded before, longer ago than it can be compared`);
    }
    const link = prev === null ? null : shorten(prev);
    const below = epoch.known.get(seq - 1);
    if (below !== undefined && below.digest !== link) report("forked", `it does not follow the statement ${seq - 1}`);
    const above = epoch.known.get(seq + 1);
    if (above !== undefined && above.prev !== digest) report("forked", `the statement ${seq + 1} does not follow it`);
    if (before === undefined) remember(epoch, seq, { digest, prev: link, withObject: sighting.withObject });
    return {
      isDuplicate: false,
      isRepeat: (place === "again" && before === undefined) || !sighting.withObject,
      findings,
    };
  }

  /**
   * What is recorded of this very statement: that its object came, or that it did not; or that nothing is; or that this
   * can't be told any more.
   */
  standingOf({ host, epoch: name, seq, ...rest }: Statement): "object" | "no-object" | "nothing" | "forgotten" {
    const chain = this.#hosts.get(host);
    const epoch = chain?.epochs.get(name);
    const known = epoch?.known.get(seq);
    if (known !== undefined && known.digest === shorten(statementDigest({ host, epoch: name, seq, ...rest }))) {
      return known.withObject ? "object" : "no-object";
    }
    if (chain === undefined || epoch === undefined) return "forgotten";
    const isOpen = seq > epoch.highest || epoch.holes.some(({ first, last }) => first <= seq && seq <= last);
    return isOpen ? "nothing" : "forgotten";
  }

  /** Holes that opened before then and that nobody was told of, at most `limit` per host. */
  *unreported(openedBeforeMs: (host: string) => number, limit: number): Generator<Finding & { host: string }, void> {
    for (const [host, { epochs }] of this.#hosts) {
      const beforeMs = openedBeforeMs(host);
      let count = 0;
      for (const [epoch, { holes }] of epochs) {
        for (const { first, last, openedAtMs, reported } of holes) {
          if (reported || openedAtMs > beforeMs || count++ >= limit) continue;
          yield { code: "missing", host, epoch, seq: first, detail: describe(first, last) };
        }
      }
    }
  }

  /** A `missing` of {@link unreported} that the ledger holds. */
  markReported(host: string, epochName: string, seq: number): void {
    const holes = this.#hosts.get(host)?.epochs.get(epochName)?.holes ?? [];
    for (const hole of holes) if (hole.first <= seq && seq <= hole.last) hole.reported = true;
  }

  toState(): z.infer<typeof chainSchema> {
    return Array.from(this.#hosts, ([host, { epochs, overflowed }]) => ({
      host,
      overflowed,
      epochs: Array.from(epochs, ([epoch, { highest, holes, known }]) => ({
        epoch,
        highest,
        holes,
        known: Array.from(known, ([seq, one]) => ({ seq, ...one })),
      })),
    }));
  }

  restore(state: z.infer<typeof chainSchema>): void {
    this.#hosts.clear();
    for (const { host, overflowed, epochs } of state) {
      this.#hosts.set(host, {
        overflowed,
        epochs: new Map(
          epochs.map(({ epoch, highest, holes, known }) => [
            epoch,
            { highest, holes, known: new Map(known.map(({ seq, ...one }) => [seq, one])) },
          ]),
        ),
      });
    }
  }
}

type Report = (code: Finding["code"], detail: string) => void;

/** The epoch of that name, which is then the newest. Beyond the bound the one that was quiet longest is forgotten. */
function openEpoch({ epochs }: HostChain, name: string, report: Report): Epoch {
  const known = epochs.get(name);
  if (known === undefined && epochs.size > 0) report("new-epoch", `after ${epochs.size} that are known`);
  const oldest = epochs.entries().next().value;
  if (known === undefined && epochs.size >= MAX_EPOCHS && oldest !== undefined) {
    epochs.delete(oldest[0]);
    if (oldest[1].holes.length > 0)
      report("sequence-overflow", `more than ${MAX_EPOCHS} epochs: one with holes is not followed any further`);
  }
  const epoch = known ?? { highest: 0, holes: [], known: new Map<number, Known>() };
  epochs.delete(name);
  epochs.set(name, epoch);
  return epoch;
}

/** `next`: it was to be expected; `late`: it fills a hole; `again`: it was there before, as far as can be told. */
function enterNumber(
  chain: HostChain,
  epoch: Epoch,
  { statement: { seq }, atMs, completedAtMs, withObject }: Sighting,
  report: Report,
): "next" | "late" | "again" {
  if (seq > epoch.highest) {
    if (seq > epoch.highest + 1) {
      const hole = { first: epoch.highest + 1, last: seq - 1, openedAtMs: atMs, shownByMs: completedAtMs };
      addHole(chain, epoch, { ...hole, reported: false }, report);
    }
    epoch.highest = seq;
    return "next";
  }
  const index = epoch.holes.findIndex(({ first, last }) => first <= seq && seq <= last);
  const hole = epoch.holes[index];
  if (hole === undefined) return "again";
  const lateMs = completedAtMs - hole.shownByMs;
  if (withObject && lateMs > REORDERED_MS)
    report("reordered", `it came ${Math.round(lateMs / 1000)} s after a higher number`);
  const rest = [
    { ...hole, last: seq - 1 },
    { ...hole, first: seq + 1 },
  ].filter(({ first, last }) => first <= last);
  epoch.holes.splice(index, 1, ...rest);
  if (rest.length === 2) boundHoles(chain, epoch, report);
  if (Array.from(chain.epochs.values()).every(({ holes }) => holes.length === 0)) chain.overflowed = false;
  return "late";
}

function addHole(chain: HostChain, epoch: Epoch, hole: Hole, report: Report): void {
  epoch.holes.push(hole);
  boundHoles(chain, epoch, report);
}

/** Beyond the bound the oldest hole that was reported, or else the newest, is no longer followed. */
function boundHoles(chain: HostChain, epoch: Epoch, report: Report): void {
  let count = 0;
  for (const { holes } of chain.epochs.values()) count += holes.length;
  if (count <= MAX_HOLES) return;
  const index = epoch.holes.findIndex(({ reported }) => reported);
  epoch.holes.splice(index === -1 ? epoch.holes.length - 1 : index, 1);
  if (!chain.overflowed) report("sequence-overflow", `more than ${MAX_HOLES} holes: not all are followed any further`);
  chain.overflowed = true;
}

function remember(epoch: Epoch, seq: number, known: Known): void {
  epoch.known.set(seq, known);
  const [oldest] = epoch.known.keys();
  if (epoch.known.size > REMEMBERED && oldest !== undefined) epoch.known.delete(oldest);
}

function describe(first: number, last: number): string {
  return first === last ? `number ${first} did not come` : `numbers ${first} to ${last} did not come`;
}

function shorten(hexDigest: string): string {
  return hexDigest.slice(0, DIGEST_DIGITS);
}
