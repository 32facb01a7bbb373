/** Entries as a mover would append them, for tests of what they add up to. */
import { createHash } from "node:crypto";
import type { HostPolicy, Quota } from "../../../mover/config.ts";
import type { NewEntry } from "../../../shared/ledger.ts";
import { statementDigest, type Statement } from "../../../shared/statement.ts";

export const EPOCH = "AAAAAAAAAAAAAAAAAAAAAA";
export const START_MS = Date.parse("2026-11-21T12:00:00.000Z");
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const NO_QUOTA: Quota = { bytesPerDay: null, objectsPerDay: null, objectSizeBytes: null };

export function policy(changes: Partial<HostPolicy> = {}): HostPolicy {
  return { publicKeys: [], signatures: "required", foreign: false, expect: new Map(), quota: NO_QUOTA, ...changes };
}

export function statementOf(seq: number, prev: Statement | null, changes: Partial<Statement> = {}): Statement {
  const [host, set] = [changes.host ?? "web1", changes.set ?? "files"];
  return {
    v: 1,
    bucket: "b",
    key: `${host}/${set}/2026/11/21/120000Z-${String(seq).padStart(26, "a")}/f`,
    host,
    set,
    epoch: EPOCH,
    seq,
    prev: prev === null ? null : statementDigest(prev),
    size: 1000,
    sha256: createHash("sha256").update(String(seq)).digest("hex"),
    encoding: ["zstd", "age"],
    startedAt: new Date(START_MS).toISOString(),
    ...changes,
  };
}

/** Statements 1 to `count`, each naming the one before. */
export function chainOf(count: number, changes: Partial<Statement> = {}): Statement[] {
  const statements: Statement[] = [];
  for (let seq = 1; seq <= count; seq++) statements.push(statementOf(seq, statements.at(-1) ?? null, changes));
  return statements;
}

export function entryOf(statement: Statement, atMs: number, changes: Partial<NewEntry> = {}): NewEntry {
  return {
    at: new Date(atMs).toISOString(),
    source: {
      bucket: "b",
      key: statement.key,
      versionId: `v${atMs}`,
      etag: '"e"',
      size: statement.size,
      lastModified: new Date(atMs).toISOString(),
      tags: [],
    },
    vault: { name: `archive/${statement.key}`, versionId: null },
    sha256: statement.sha256,
    statement,
    signature: `${"A".repeat(86)}==`,
    hostKey: "0".repeat(16),
    exposureMs: 0,
    exposureFrom: "object",
    disposition: "archived",
    findings: [],
    ...changes,
  };
}
