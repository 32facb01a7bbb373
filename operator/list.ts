import { formatBytes, formatDuration } from "../shared/config/units.ts";
import { printable } from "../shared/printable.ts";
import { formatTable, type Column } from "../shared/table.ts";
import type { ListedSet } from "./index-reader.ts";
import type { ListedObject, StatementWord } from "./listed-object.ts";

const COLUMNS: readonly Column[] = [
  { header: "TIME (UTC)" },
  { header: "SIZE", align: "right" },
  { header: "EXPOSURE", align: "right" },
  { header: "STATEMENT" },
  { header: "NAME", shrinkTo: 20 },
];

/** `web1/postgres: 12 objects, 3.1 GiB`, and how many of them need a look. */
export function formatSetHeading({ set, group, objects, bytes, statements }: ListedSet): string {
  const words = Object.entries(STATEMENT_WORDS) as [StatementWord, string][]; // its keys are these words
  const bad = words.flatMap(([word, shown]) => {
    const count = statements.get(word) ?? 0;
    return count === 0 || word === "verified" || word === "unsigned" ? [] : [`${count} ${shown}`];
  });
  const name = printable(set === null ? `${group} (foreign)` : group);
  const total = `${objects} ${objects === 1 ? "object" : "objects"}, ${formatBytes(bytes)}`;
  return `${name}: ${[total, ...bad].join("; ")}\n`;
}

/** A table below a heading, at most `width` columns wide. */
export function formatObjects(objects: readonly ListedObject[], width: number): string {
  const table = formatTable(
    COLUMNS,
    objects.map(({ at, sizeBytes, exposureMs, statement, name }) => [
      formatTime(at),
      formatBytes(sizeBytes),
      exposureMs === null ? "-" : formatDuration(exposureMs),
      STATEMENT_WORDS[statement],
      name,
    ]),
    width - 2,
  );
  return indent(table);
}

export function formatOlder({ group }: ListedSet, count: number, isNamed: boolean): string {
  return indent(`and ${count} older: airlock ls ${printable(group)}${isNamed ? " --all" : ""}\n`);
}

function indent(lines: string): string {
  return lines.replaceAll(/^(?=.)/gm, "  ");
}

/** `2026-11-21 02:15:04`; what `--at` takes. */
export function formatTime(time: Date): string {
  return time.toISOString().slice(0, 19).replace("T", " ");
}

/** In capitals what needs a look. */
const STATEMENT_WORDS = {
  verified: "verified",
  unsigned: "none",
  missing: "MISSING",
  "host-unknown": "NO KEY",
  invalid: "INVALID",
} as const satisfies Record<StatementWord, string>;

/** One object as a value for programs. Sizes in bytes, times in ISO 8601 UTC. */
export function listedValue(object: ListedObject): object {
  return {
    host: object.host,
    set: object.set,
    name: object.name,
    at: object.at.toISOString(),
    size: object.sizeBytes,
    sha256: object.sha256,
    exposureMs: object.exposureMs,
    exposureFrom: object.exposureFrom,
    statement: object.statement,
    statementError: object.statementError,
    hostKey: object.hostKey,
    encoding: object.encoding,
    startedAt: object.startedAt,
    epoch: object.epoch,
    seq: object.seq,
    source: { bucket: object.bucket, key: object.key, versionId: object.versionId },
    vault: { name: object.vaultName, versionId: object.vaultVersionId },
    disposition: object.disposition,
    mover: object.mover,
    segment: object.segment,
    index: object.index,
  };
}
