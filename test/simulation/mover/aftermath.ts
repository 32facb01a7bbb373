/** What is left to come right once nothing goes wrong any more; in the end, nothing. */
import { objectOfStatement } from "../../../shared/names.ts";
import { statementDigest } from "../../../shared/statement.ts";
import type { Book, Upload } from "./book.ts";
import type { Inspector } from "./inspector.ts";
import type { MoverProcess } from "./mover.ts";
import type { Plan } from "./plan.ts";
import { sourceIdOf, type Vault } from "./vault.ts";
import type { Zone, ZoneVersion } from "./zone.ts";

/** How many held objects the status names of one host and reason. */
const NAMED_AT_MOST = 100;

export interface Aftermath {
  readonly plan: Plan;
  readonly zone: Zone;
  readonly vault: Vault;
  readonly book: Book;
  readonly inspector: Inspector;
  readonly mover: MoverProcess | null;
}

export function findRest(world: Aftermath): readonly string[] {
  return [...findWaiting(world), ...findLost(world), ...findUnrecorded(world)];
}

/** Everything admissible has left the drop-zone, with its statement; whatever else is there is held, with a reason. */
function findWaiting({ zone, book, vault, mover }: Aftermath): string[] {
  const rest: string[] = [];
  const held = mover?.status?.held ?? [];
  const named = new Set(held.flatMap(({ objects }) => objects));
  const isOverflowing = held.some(({ objects }) => objects.length >= NAMED_AT_MOST);
  for (const version of zone.list()) {
    if (version.isMarker || version.key.startsWith("_airlock/")) continue;
    const id = sourceIdOf(version);
    if (objectOfStatement(version.key) !== null) {
      if (isSpent(version, zone, book, vault)) rest.push(`the statement ${id} is not removed`);
    } else if (book.isAdmissible(version)) rest.push(`${id} is not moved`);
    else if (!named.has(id) && !isOverflowing) rest.push(`${id} is neither moved nor held`);
  }
  return rest;
}

/** A statement whose object is recorded and gone. */
function isSpent(version: ZoneVersion, zone: Zone, book: Book, vault: Vault): boolean {
  const objectKey = objectOfStatement(version.key) ?? "";
  const signed = book.statementIn(version);
  if (signed === null || zone.versionsOf(objectKey).length > 0) return false;
  return vault.statements.has(`${statementDigest(signed.statement)} ${objectKey}`);
}

/** Every honest object is archived byte for byte, but for those that were tampered with, and these are noticed. */
function findLost({ book, plan, inspector, vault, zone }: Aftermath): string[] {
  const rest: string[] = [];
  for (const upload of book.uploads) {
    if (!upload.isPublished || inspector.isArchived(upload.key, upload.bytes)) continue;
    if (upload.touched === null) rest.push(`${upload.key} is not archived`);
    else if (upload.host !== plan.stolenHost && !isNoticed(upload, vault, zone))
      rest.push(`${upload.key} was tampered with (${upload.touched}), and nobody notices`);
  }
  return rest;
}

/** Held where it is, or its number is found to be missing; at an epoch's end nothing follows that would show it. */
function isNoticed({ key, signed }: Upload, vault: Vault, zone: Zone): boolean {
  if (zone.versionsOf(key).length > 0 || signed === null) return true; // what is there and not moved is held: see above
  const { host, epoch, seq } = signed.statement;
  const isLast = ![...vault.entriesOf.values()]
    .flat()
    .some(({ statement }) => statement?.host === host && statement.epoch === epoch && statement.seq > seq);
  return isLast || ["missing", "object-missing"].some((code) => vault.findings.has(`${code} ${host} ${epoch} ${seq}`));
}

/** Nothing is in the vault that the ledger does not tell of, unless its source was taken away before it was recorded. */
function findUnrecorded({ vault, plan }: Aftermath): string[] {
  if (plan.isAccountTaken) return [];
  const recorded = new Set([...vault.recorded.values()].flat().map((entry) => entry.vault?.name));
  return [...vault.objects.keys()].filter((name) => !recorded.has(name)).map((name) => `${name} is not recorded`);
}
