import type { Statement } from "../shared/statement.ts";
import { statementDigest } from "../shared/statement.ts";
import type { Finding, FindingCode } from "./findings.ts";
import { createHashIndex } from "./hash-index.ts";

/** What a host makes grow at will is bounded; beyond this its sequence can no longer be told. */
const MAX_EPOCHS = 1000;
const MAX_RUNS = 10_000;

/** Consecutive numbers, both ends included. */
interface Run {
  first: number;
  last: number;
}

interface Epoch {
  readonly host: string;
  readonly epoch: string;
  /** Ascending, never touching. */
  readonly runs: Run[];
  overflowed: boolean;
}

export interface Sequences {
  /** One verified statement, its digest for who has it. What comes twice is no finding: an uploader that was unsure sends it again. */
  see(statement: Statement, mover: string, segment: number, digest?: string): readonly Finding[];
  /** Numbers that no statement came for, once all have been seen. */
  holes(): Generator<Finding, void, undefined>;
  readonly epochs: number;
}

/**
 * Each host's statements per epoch: numbered from 1 without holes, one statement a number, each naming the digest of
 * the one before. Takes them in any order and over all movers, since hosts move between movers.
 */
export function createSequences(): Sequences {
  const epochs = new Map<string, Epoch>();
  const epochsOfHost = new Map<string, number>();
  const numbers = createHashIndex();
  /** 52 bits of a statement's own digest and of the one it names, by the number that the index gives (host, epoch, seq). */
  const own: number[] = [];
  const previous: number[] = [];

  const finding = (code: FindingCode, { host, epoch }: Pick<Epoch, "host" | "epoch">, message: string): Finding => ({
    code,
    subject: host,
    message: `epoch ${epoch}: ${message}`,
    mover: null,
    segment: null,
  });
  const place = (host: string, epoch: string, seq: number): number => numbers.find(`${host} ${epoch} ${seq}`);

  return {
    get epochs() {
      return epochs.size;
    },
    see: (statement, mover, segment, hexDigest) => {
      const { host, epoch, seq, prev } = statement;
      const name = `${host} ${epoch}`;
      let known = epochs.get(name);
      if (known === undefined) {
        const count = (epochsOfHost.get(host) ?? 0) + 1;
        if (count > MAX_EPOCHS + 1) return [];
        epochsOfHost.set(host, count);
        if (count > MAX_EPOCHS)
          return [
            finding(
              "sequence-overflow",
              statement,
              `more than ${MAX_EPOCHS} epochs: this and later ones are not followed`,
            ),
          ];
        known = { host, epoch, runs: [], overflowed: false };
        epochs.set(name, known);
      }
      if (known.overflowed) return [];
      const findings: Finding[] = [];
      const fork = (message: string): void => {
        findings.push({ ...finding("sequence-fork", statement, message), mover, segment });
      };
      const digest = shortened(hexDigest ?? statementDigest(statement));
      const { number, isNew } = numbers.insert(`${name} ${seq}`);
      if (!isNew) {
        if (own[number] !== digest) fork(`there are two statements ${seq}`);
        return findings;
      }
      own.push(digest);
      previous.push(prev === null ? 0 : shortened(prev));
      const before = place(host, epoch, seq - 1);
      if (before !== -1 && own[before] !== previous[number])
        fork(`statement ${seq} does not follow the statement ${seq - 1} that is recorded`);
      const after = place(host, epoch, seq + 1);
      if (after !== -1 && previous[after] !== digest)
        fork(`statement ${seq + 1} does not follow the statement ${seq} that is recorded`);
      addToRuns(known.runs, seq);
      if (known.runs.length > MAX_RUNS) {
        known.overflowed = true;
        findings.push(
          finding("sequence-overflow", statement, `more than ${MAX_RUNS} holes: it is not followed any further`),
        );
      }
      return findings;
    },
    *holes() {
      for (const epoch of epochs.values()) {
        if (epoch.overflowed) continue;
        let expected = 1;
        for (const { first, last } of epoch.runs) {
          if (first > expected) yield finding("sequence-hole", epoch, describeHole(expected, first - 1));
          expected = last + 1;
        }
      }
    },
  };
}

function describeHole(first: number, last: number): string {
  return first === last ? `statement ${first} is not recorded` : `statements ${first} to ${last} are not recorded`;
}

/** `seq` is not in any run yet. */
function addToRuns(runs: Run[], seq: number): void {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((runs[middle]?.last ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  const before = runs[low - 1];
  const after = runs[low];
  const joinsBefore = before?.last === seq - 1;
  const joinsAfter = after?.first === seq + 1;
  if (before !== undefined && after !== undefined && joinsBefore && joinsAfter) {
    before.last = after.last;
    runs.splice(low, 1);
  } else if (before !== undefined && joinsBefore) before.last = seq;
  else if (after !== undefined && joinsAfter) after.first = seq;
  else runs.splice(low, 0, { first: seq, last: seq });
}

function shortened(hexDigest: string): number {
  return Number.parseInt(hexDigest.slice(0, 13), 16);
}
