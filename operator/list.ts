import { formatBytes, formatDuration } from "../shared/config/units.ts";
import type { PublicKey } from "../shared/keys.ts";
import { printable } from "../shared/printable.ts";
import { formatTable, type Column } from "../shared/table.ts";
import { createHashIndex } from "./hash-index.ts";
import { isSelected, type Selector } from "./selector.ts";
import { checkStatement, identityOf, type StatementResult, type StoredObject } from "./stored-object.ts";

/** Without a set asked for, so many of each are shown. */
const NEWEST_SHOWN = 10;

export interface ListFilter {
  /** null: everything. */
  readonly selector: Selector | null;
  /** Only what was in the vault then, by the ledger's time. */
  readonly at: Date | null;
}

/** Says for one object after the other whether it is to be listed: what is meant, and of each object its first entry. */
export function createListFilter({ selector, at }: ListFilter): (object: StoredObject) => boolean {
  const seen = createHashIndex();
  return (object) =>
    (selector === null || isSelected(object.key, selector)) &&
    (at === null || object.at <= at) &&
    seen.insert(identityOf(object)).isNew;
}

export interface Group {
  readonly name: string;
  objects: number;
  bytes: number;
  /** The newest, in no order; {@link newestFirst} has them in order. */
  kept: StoredObject[];
}

/** Sums up objects by host and set, and keeps of each as many as will be shown. */
export interface Groups {
  add(object: StoredObject): void;
  readonly all: ReadonlyMap<string, Group>;
}

export function createGroups(keep = NEWEST_SHOWN): Groups {
  const all = new Map<string, Group>();
  return {
    all,
    add: (object) => {
      const name = object.set === null ? `${object.group} (foreign)` : object.group;
      const group = all.get(name) ?? { name, objects: 0, bytes: 0, kept: [] };
      all.set(name, group);
      group.objects += 1;
      group.bytes += object.sizeBytes;
      group.kept.push(object);
      if (group.kept.length > keep * 2) group.kept = newestFirst(group.kept).slice(0, keep);
    },
  };
}

function newestFirst(objects: readonly StoredObject[]): StoredObject[] {
  return objects.toSorted((a, b) => b.at.getTime() - a.at.getTime() || b.index - a.index);
}

const COLUMNS: readonly Column[] = [
  { header: "TIME (UTC)" },
  { header: "SIZE", align: "right" },
  { header: "EXPOSURE", align: "right" },
  { header: "STATEMENT" },
  { header: "NAME", shrinkTo: 20 },
];

/** A heading and a table for each host and set, newest first. */
export function formatGroups(
  groups: Groups,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
  width: number,
  keep = NEWEST_SHOWN,
): string {
  const names = [...groups.all.keys()].toSorted();
  return names.map((name) => formatGroup(name, groups, hosts, width, keep)).join("\n");
}

function formatGroup(
  name: string,
  { all }: Groups,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
  width: number,
  keep: number,
): string {
  const { objects, bytes, kept } = all.get(name) ?? { objects: 0, bytes: 0, kept: [] };
  const shown = newestFirst(kept).slice(0, keep);
  const table = formatTable(
    COLUMNS,
    shown.map((object) => [
      formatTime(object.at),
      formatBytes(object.sizeBytes),
      object.exposureMs === null ? "-" : formatDuration(object.exposureMs),
      STATEMENT_WORDS[checkStatement(object, hosts).result],
      object.name,
    ]),
    width - 2,
  );
  const lines = [
    `${printable(name)}: ${objects} ${objects === 1 ? "object" : "objects"}, ${formatBytes(bytes)}`,
    ...table.trimEnd().split("\n"),
    ...(objects > shown.length
      ? [`and ${objects - shown.length} older: airlock ls ${printable(shown[0]?.group ?? "")}`]
      : []),
  ];
  return lines.map((line, index) => `${index === 0 ? "" : "  "}${line}\n`).join("");
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
} as const satisfies Record<StatementResult["result"], string>;

/** One object as a value for programs. Sizes in bytes, times in ISO 8601 UTC. */
export function listedObject(object: StoredObject, hosts: ReadonlyMap<string, readonly PublicKey[]>): object {
  const checked = checkStatement(object, hosts);
  return {
    host: object.host,
    set: object.set,
    name: object.name,
    at: object.at.toISOString(),
    size: object.sizeBytes,
    sha256: object.sha256,
    exposureMs: object.exposureMs,
    exposureFrom: object.exposureFrom,
    statement: checked.result,
    statementError: checked.result === "invalid" ? checked.error.code : null,
    hostKey: checked.result === "verified" ? checked.key.id : null,
    encoding: object.signed?.statement.encoding ?? null,
    startedAt: object.signed?.statement.startedAt ?? null,
    epoch: object.signed?.statement.epoch ?? null,
    seq: object.signed?.statement.seq ?? null,
    source: { bucket: object.bucket, key: object.key, versionId: object.versionId },
    vault: { name: object.vaultName, versionId: object.vaultVersionId },
    disposition: object.disposition,
    mover: object.mover,
    segment: object.segment,
    index: object.index,
  };
}
