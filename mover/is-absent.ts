import type { DropZoneSource } from "../shared/stores.ts";

/** Of delete markers alone: beyond that nothing is said. */
const MAX_PAGES = 10;

/** Only a listing that went past the key without showing a version of it says so; delete markers say nothing. */
export async function isAbsent(
  key: string,
  dropZone: Pick<DropZoneSource, "listPage">,
  signal: AbortSignal,
): Promise<boolean> {
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { versions, deleteMarkers, next } = await dropZone.listPage({ prefix: key, cursor, limit: 1000, signal });
    if (versions.some((version) => version.key === key)) return false;
    // the shortest key with this prefix sorts first
    if (next === null || versions.length > 0 || deleteMarkers.some((marker) => marker.key !== key)) return true;
    cursor = next;
  }
  return false;
}
