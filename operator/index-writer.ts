import { hash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { PublicKey } from "../shared/keys.ts";
import type { EntryFinding, Segment } from "../shared/ledger.ts";
import type { Signed } from "./find-signers.ts";
import { formatKeys } from "./index-keys.ts";
import { toListedObject } from "./listed-object.ts";
import { identityOf, storedObjectOf } from "./stored-object.ts";

/** Enters verified segments into the index. The caller holds the transaction. */
export interface IndexWriter {
  enter(segment: Segment, signed: ReadonlyMap<number, Signed>): void;
}

export function createIndexWriter(
  sql: DatabaseSync,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
  movers: ReadonlyMap<string, readonly PublicKey[]>,
): IndexWriter {
  const insertMover = sql.prepare("INSERT OR IGNORE INTO movers (name, keys) VALUES (?, ?)");
  const findMover = sql.prepare("SELECT id FROM movers WHERE name = ?");
  const insertHost = sql.prepare("INSERT OR IGNORE INTO hosts (name, keys) VALUES (?, ?)");
  const insertSegment = sql.prepare("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?)");
  const findLast = sql.prepare("SELECT lastIndex FROM segments WHERE mover = ? ORDER BY segment DESC LIMIT 1");
  const findSet = sql.prepare("SELECT id FROM sets WHERE grouping = ? AND name IS ?");
  const insertSet = sql.prepare("INSERT INTO sets (host, name, grouping) VALUES (?, ?, ?) RETURNING id");
  const findFirst = sql.prepare("SELECT id, at FROM objects WHERE identity = ? AND isFirst = 1");
  const notFirst = sql.prepare("UPDATE objects SET isFirst = 0 WHERE id = ?");
  const insertObject = sql.prepare(`INSERT INTO objects
    (setId, at, isFirst, size, statement, identity, mover, segment, entry, name, bucket, key, versionId, etag,
     lastModified, sha256, vaultName, vaultVersionId, exposureMs, exposureFrom, disposition, statementError, hostKey,
     encoding, startedAt, epoch, seq)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const insertFinding = sql.prepare(`INSERT INTO findings
    (at, mover, segment, entry, code, host, setName, epoch, seq, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);

  /** Ids of rows that were made or found before; what a roll-back takes away is found again by a new writer. */
  const moverIds = new Map<string, number>();
  const setIds = new Map<string, number>();
  const hostsSeen = new Set<string>();

  const moverId = (name: string): number => {
    const known = moverIds.get(name);
    if (known !== undefined) return known;
    insertMover.run(name, formatKeys(movers.get(name)));
    const id = Number(findMover.get(name)?.id);
    moverIds.set(name, id);
    return id;
  };
  const setId = (host: string, name: string | null, grouping: string): number => {
    const known = setIds.get(`${name ?? ""} ${grouping}`);
    if (known !== undefined) return known;
    const id = Number((findSet.get(grouping, name) ?? insertSet.get(host, name, grouping))?.id);
    setIds.set(`${name ?? ""} ${grouping}`, id);
    if (!hostsSeen.has(host)) insertHost.run(host, formatKeys(hosts.get(host)));
    hostsSeen.add(host);
    return id;
  };
  /** Whether this is the earliest record of an object so far; an earlier one that was entered later takes its place. */
  const isFirst = (identity: Uint8Array, atMs: number): boolean => {
    const first = findFirst.get(identity);
    if (first === undefined) return true;
    if (Number(first.at) <= atMs) return false;
    notFirst.run(Number(first.id));
    return true;
  };
  const enterFinding = (finding: EntryFinding, host: string | null, at: number, where: readonly number[]): void => {
    const { code, set = null, epoch = null, seq = null, detail = null } = finding;
    const [mover = 0, segment = 0, entry = 0] = where;
    insertFinding.run(at, mover, segment, entry, code, finding.host ?? host, set, epoch, seq, detail);
  };

  return {
    enter: ({ header, entries, holds, digest }, signed) => {
      const mover = moverId(header.mover);
      const { segment } = header;
      const lastIndex = entries.at(-1)?.index ?? Number(findLast.get(mover)?.lastIndex ?? 0);
      const heldJson = holds === null ? null : JSON.stringify(holds);
      const writtenAt = Date.parse(header.writtenAt);
      insertSegment.run(mover, segment, Buffer.from(digest, "hex"), writtenAt, entries.length, lastIndex, heldJson);
      for (const entry of entries) {
        const atMs = Date.parse(entry.at);
        const stored = storedObjectOf(entry, header.mover, segment);
        for (const finding of entry.findings)
          enterFinding(finding, entry.statement?.host ?? stored?.host ?? null, atMs, [mover, segment, entry.index]);
        if (stored === null) continue;
        const { signer = null, digest: own } = signed.get(entry.index) ?? {};
        const object = toListedObject(stored, hosts, signer);
        const identity = hash("sha256", identityOf(stored, own), "buffer").subarray(0, 16);
        insertObject.run(
          setId(object.host, object.set, object.group),
          atMs,
          isFirst(identity, atMs) ? 1 : 0,
          object.sizeBytes,
          object.statement,
          identity,
          mover,
          segment,
          object.index,
          object.name,
          object.bucket,
          object.key,
          object.versionId,
          object.etag,
          object.lastModified.getTime(),
          Buffer.from(object.sha256, "hex"),
          object.vaultName,
          object.vaultVersionId,
          object.exposureMs,
          object.exposureFrom,
          object.disposition,
          object.statementError,
          object.hostKey,
          object.encoding?.join(",") ?? null,
          object.startedAt,
          object.epoch,
          object.seq,
        );
      }
    },
  };
}
