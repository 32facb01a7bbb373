import type { PublicKey } from "../shared/keys.ts";
import { checkEntry } from "./check-entry.ts";
import { collectMarks, type Mark, type Marks } from "./checkpoint.ts";
import type { Report } from "./findings.ts";
import type { LedgerEnd, LedgerProblem } from "./ledger-reader.ts";
import { createObjectTable, type ObjectTable } from "./object-table.ts";
import { createSequences, type Sequences } from "./sequences.ts";
import type { SignedItem } from "./signed-segments.ts";
import type { StoredObject } from "./stored-object.ts";

/** What a segment was when it was read: its digest, and the number of the last entry so far. */
export interface SeenSegment {
  readonly digest: string;
  readonly index: number;
}

export interface MoverRecord {
  segments: number;
  entries: number;
  end: LedgerEnd | null;
  /** Whether something in it is damaged, as far as it was read. */
  isDamaged: boolean;
  readonly marks: Marks;
  /** Segments that somebody asked for; null: not read. */
  readonly wanted: Map<number, SeenSegment | null>;
}

/** Everything that the ledgers say, while they are read in order. Memory grows by about 100 bytes an object. */
export interface Recorded {
  readonly table: ObjectTable;
  readonly sequences: Sequences;
  /** In the order in which they are numbered in the table. */
  readonly movers: ReadonlyMap<string, MoverRecord>;
  /** What the movers themselves recorded as findings, by code. */
  readonly findings: ReadonlyMap<string, number>;
  readonly objects: number;
  readonly bytes: number;
  /** Of these, objects that no host's signature was to be expected for. */
  readonly unsigned: number;
  /** Takes one more segment or problem; `onObject` instead of the table's own record. */
  enter(signed: SignedItem, onObject?: (object: StoredObject) => boolean): void;
}

export interface RecordedContext {
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly hosts: ReadonlyMap<string, readonly PublicKey[]>;
  readonly report: Report;
  /** Segments whose digests will be asked for, by mover. */
  readonly wanted: ReadonlyMap<string, readonly number[]>;
}

export function createRecorded({ movers: configured, hosts, report, wanted }: RecordedContext): Recorded {
  const table = createObjectTable();
  const sequences = createSequences();
  const movers = new Map<string, MoverRecord>();
  const numbers = new Map<string, number>();
  const findings = new Map<string, number>();
  const totals = { objects: 0, bytes: 0, unsigned: 0 };

  const recordOf = (mover: string): MoverRecord => {
    const known = movers.get(mover);
    if (known !== undefined) return known;
    const asked = new Map((wanted.get(mover) ?? []).map((segment) => [segment, null]));
    const record = { segments: 0, entries: 0, end: null, isDamaged: false, marks: collectMarks(), wanted: asked };
    numbers.set(mover, movers.size);
    movers.set(mover, record);
    return record;
  };
  for (const mover of configured.keys()) recordOf(mover);

  const recordInTable = (object: StoredObject): boolean => {
    const { vaultName, vaultVersionId: versionId, sizeBytes, sha256, segment } = object;
    const before = table.size;
    const mover = numbers.get(object.mover) ?? 0;
    if (!table.record(vaultName, { sizeBytes, sha256, versionId, mover, segment, atMs: object.at.getTime() })) {
      const message = `entry ${object.index}: the same name is recorded with another size or digest before`;
      report({ code: "entry-conflict", subject: vaultName, message, mover: object.mover, segment });
    }
    return table.size > before;
  };

  return {
    table,
    sequences,
    movers,
    findings,
    get objects() {
      return totals.objects;
    },
    get bytes() {
      return totals.bytes;
    },
    get unsigned() {
      return totals.unsigned;
    },
    enter: ({ item, signed }, onObject = recordInTable) => {
      if (item.kind === "problem") {
        report(findingOf(item));
        if (item.segment !== null) recordOf(item.mover).isDamaged = true;
        return;
      }
      const { header, entries, digest } = item.segment;
      const record = recordOf(header.mover);
      record.segments += 1;
      record.entries += entries.length;
      const index = entries.at(-1)?.index ?? record.end?.index ?? 0;
      record.end = { segment: header.segment, digest, index };
      const mark: Mark = { segment: header.segment, digest };
      record.marks.see(mark);
      if (record.wanted.has(header.segment)) record.wanted.set(header.segment, { digest, index });
      for (const entry of entries) {
        for (const { code } of entry.findings) findings.set(code, (findings.get(code) ?? 0) + 1);
        const { signer = null, digest: own } = signed.get(entry.index) ?? {};
        const checked = checkEntry(entry, header.mover, header.segment, hosts, signer);
        for (const finding of checked.findings) report(finding);
        if (checked.statement !== null) {
          const seen = sequences.see(checked.statement, header.mover, header.segment, own);
          for (const finding of seen) report(finding);
        }
        if (checked.object === null || !onObject(checked.object)) continue;
        totals.objects += 1;
        totals.bytes += checked.object.sizeBytes;
        if (checked.object.signed === null) totals.unsigned += 1;
      }
    },
  };
}

function findingOf({ code, mover, segment, subject, message }: LedgerProblem): Parameters<Report>[0] {
  return { code, subject, message, mover, segment };
}
