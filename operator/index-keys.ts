import type { DatabaseSync } from "node:sqlite";
import type { PublicKey } from "../shared/keys.ts";

/** What was verified with other keys than those of today was not verified. */
export function formatKeys(keys: readonly PublicKey[] | undefined): string {
  const parts = (keys ?? []).map(({ text, from, until }) => [text, from?.getTime() ?? null, until?.getTime() ?? null]);
  return keys === undefined ? "" : JSON.stringify(parts);
}

/**
 * Empties of the index what was verified with other keys than those that are configured now.
 * @returns whether anything was
 */
export function dropOtherKeys(
  sql: DatabaseSync,
  movers: ReadonlyMap<string, readonly PublicKey[]>,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
): boolean {
  const isOther = (keysOf: ReadonlyMap<string, readonly PublicKey[]>, name: unknown, keys: unknown): boolean =>
    formatKeys(keysOf.get(String(name))) !== keys;
  const otherHosts = sql.prepare("SELECT name, keys FROM hosts").all();
  const otherMovers = sql.prepare("SELECT name, keys FROM movers").all();
  // a host's statements are spread over all segments
  const isHostOther = otherHosts.some(({ name, keys }) => isOther(hosts, name, keys));
  const dropped = otherMovers.filter(({ name, keys }) => isHostOther || isOther(movers, name, keys));
  if (dropped.length === 0) return false;
  if (dropped.length === otherMovers.length) emptyIndex(sql);
  else for (const { name } of dropped) dropMover(sql, String(name));
  return true;
}

/** Everything that the index has of a mover. Other movers' records of the same objects count as first again. */
export function dropMover(sql: DatabaseSync, mover: string): void {
  const id = sql.prepare("SELECT id FROM movers WHERE name = ?").get(mover)?.id;
  if (id === undefined) return;
  sql.exec("CREATE TEMP TABLE lost AS SELECT identity FROM objects WHERE false");
  sql.prepare("INSERT INTO lost SELECT identity FROM objects WHERE mover = ? AND isFirst = 1").run(id);
  for (const table of ["objects", "findings", "segments"]) sql.prepare(`DELETE FROM ${table} WHERE mover = ?`).run(id);
  sql.exec(`UPDATE objects SET isFirst = 1 WHERE id IN (
    SELECT (SELECT id FROM objects WHERE identity = lost.identity ORDER BY at, id LIMIT 1) FROM lost);
    DROP TABLE temp.lost`);
  sql.prepare("DELETE FROM movers WHERE id = ?").run(id);
}

function emptyIndex(sql: DatabaseSync): void {
  for (const table of ["objects", "findings", "segments", "sets", "hosts", "movers"]) sql.exec(`DELETE FROM ${table}`);
}
