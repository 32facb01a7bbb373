import { objectOfStatement } from "../shared/names.ts";
import type { DropZoneSource, StoredVersion } from "../shared/stores.ts";
import { hostOf, OWN_PREFIX } from "./admit.ts";
import type { Hint } from "./event-message.ts";
import type { Fate } from "./events.ts";

/** Versions of one key in one listing; an honest object has one. */
const PAGE_SIZE = 100;

/** What was looked up is under way or known not to be; `fate` is what becomes of it. */
export interface Taken {
  readonly fate: Promise<Fate>;
}
export const SETTLED: Taken = { fate: Promise.resolve<Fate>("settled") };
export const LATER: Taken = { fate: Promise.resolve<Fate>("later") };

export interface LookUpTools {
  readonly dropZone: DropZoneSource;
  /** Whether objects of this name are moved here at all. */
  readonly isKnown: (host: string) => boolean;
  readonly consider: (version: StoredVersion, eventAtMs: number | null) => Promise<Taken>;
}

/**
 * Finds the object that an event names, by a listing of its exact key: that tells of a version what every other listing
 * does, and its one name in the vault is made from what a listing tells. Every version of the key that is there is taken,
 * whichever the event names.
 */
export async function lookUp(
  { key, versionId, atMs }: Hint,
  { dropZone, isKnown, consider }: LookUpTools,
  signal: AbortSignal,
): Promise<Taken> {
  // A statement goes with its object. What nobody configured is held by its name, and counted by the sweep.
  if (key.startsWith(OWN_PREFIX) || objectOfStatement(key) !== null || !isKnown(hostOf(key))) return SETTLED;
  const page = await dropZone.listPage({ prefix: key, cursor: null, limit: PAGE_SIZE, signal });
  const versions = page.versions.filter((version) => version.key === key);
  const fates: Promise<Fate>[] = [];
  for (const version of versions) {
    const isNamed = versionId === null ? versions.length === 1 : version.versionId === versionId;
    fates.push((await consider(version, isNamed ? atMs : null)).fate);
  }
  // a key with more versions than fit on a page: the message comes again for those that were not on it
  const isWhole = page.next === null || versions.length < page.versions.length || versions.length === 0;
  const fate = Promise.all(fates).then((all): Fate => (isWhole && !all.includes("later") ? "settled" : "later"));
  return { fate };
}
