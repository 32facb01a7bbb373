import { hash } from "node:crypto";
import { AirlockError } from "../shared/errors.ts";
import type { Candidate } from "./choose.ts";
import { identityOf } from "./stored-object.ts";

/** The set that the programs try their keys in; no backup is in it. */
const CHECK_SET = "check";
/** So many of a set's newest entries are kept while ledgers are read. */
const KEPT = 64;

export interface SetChooser {
  consider(candidate: Candidate): void;
  /** The newest object of every set, by the sets' names. @throws {AirlockError} `ledger-corrupt` */
  choose(): readonly Candidate[];
  /** Objects that belong to no set. */
  readonly foreign: number;
}

interface KeptOfSet {
  candidates: Candidate[];
  /** Of the newest that was not kept, epoch ms. */
  droppedAt: number;
}

/**
 * Finds what {@link createChooser} finds, of every set of one host or of all, in memory that does not grow with the
 * objects' own size: of each object no more is kept than when it was first recorded.
 */
export function createSetChooser(host: string | null, at: Date | null): SetChooser {
  const firstAt = new Map<string, number>();
  const sets = new Map<string, KeptOfSet>();
  let foreign = 0;
  return {
    consider: (candidate) => {
      const { object } = candidate;
      if ((host !== null && object.host !== host) || object.set === CHECK_SET || (at !== null && object.at > at))
        return;
      if (object.set === null) {
        foreign += 1;
        return;
      }
      const identity = shorten(identityOf(object));
      const recordedAt = object.at.getTime();
      if ((firstAt.get(identity) ?? Infinity) <= recordedAt) return;
      firstAt.set(identity, recordedAt);
      const kept = sets.get(object.group) ?? { candidates: [], droppedAt: -Infinity };
      sets.set(object.group, kept);
      kept.candidates.push(candidate);
      if (kept.candidates.length < KEPT * 2) return;
      kept.candidates = kept.candidates.toSorted(newestFirst);
      const [dropped] = kept.candidates.splice(KEPT);
      kept.droppedAt = Math.max(kept.droppedAt, dropped?.object.at.getTime() ?? -Infinity);
    },
    choose: () => [...sets].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, kept]) => newest(name, kept, firstAt)),
    get foreign() {
      return foreign;
    },
  };
}

/** An entry that another ledger turned out to have recorded before is not the object's first, and does not count. */
function newest(name: string, { candidates, droppedAt }: KeptOfSet, firstAt: ReadonlyMap<string, number>): Candidate {
  const [best] = candidates
    .filter(({ object }) => firstAt.get(shorten(identityOf(object))) === object.at.getTime())
    .toSorted(newestFirst);
  if (best === undefined || best.object.at.getTime() < droppedAt) {
    throw new AirlockError(
      "ledger-corrupt",
      "very many of its objects were recorded again: which is newest can't be told",
      {
        subject: name,
        remedy: `restore it by itself: airlock restore ${name}`,
      },
    );
  }
  return best;
}

function newestFirst(a: Candidate, b: Candidate): number {
  return b.object.at.getTime() - a.object.at.getTime() || b.object.index - a.object.index;
}

/** 96 bits stand for an object. */
function shorten(identity: string): string {
  return hash("sha256", identity, "latin1").slice(0, 12);
}
