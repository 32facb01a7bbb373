import type { DeleteMarker, ListPage, StoredVersion, VaultReader } from "../shared/stores.ts";
import type { LockCheck } from "./check-locks.ts";
import type { Report } from "./findings.ts";
import { listPages } from "./list-pages.ts";
import type { ObjectTable } from "./object-table.ts";
import { mayBeGone, type Keeping } from "./retention.ts";

/** What is kept of unrecorded objects until it is known whether they were recorded meanwhile: about 40 MiB. */
const MAX_UNRECORDED = 100_000;

export interface Unrecorded {
  readonly objects: readonly { readonly name: string; readonly lastModified: Date }[];
  /** How many there are beyond those. */
  readonly more: number;
}

export interface ListContext {
  readonly reader: VaultReader;
  readonly signal: AbortSignal;
  readonly report: Report;
  readonly drained: () => Promise<void>;
  readonly keeping: Keeping;
  readonly lockCheck: LockCheck;
  /** Told of each page, by how many versions it shows. */
  readonly onListed: (versions: number) => void;
}

/**
 * Lists everything that the vault holds, and holds it against the ledger: each recorded name exactly once, of its size,
 * in the version that was recorded, and not hidden. Nothing is ever written twice or deleted in a vault.
 */
export async function listVault(context: ListContext, table: ObjectTable): Promise<Unrecorded> {
  const { report, keeping, lockCheck } = context;
  const objects: { name: string; lastModified: Date }[] = [];
  let more = 0;
  for await (const page of listPages(context.reader, "archive/", context.signal)) {
    const recorded: StoredVersion[] = [];
    for (const version of page.versions) {
      const { key, sizeBytes, versionId, lastModified } = version;
      const finding = (code: "object-size" | "object-replaced" | "object-versions", message: string): void =>
        report({ code, subject: key, message, mover: null, segment: null });
      switch (table.sight(key, sizeBytes, versionId)) {
        case "expected":
          recorded.push(version);
          break;
        case "unrecorded":
          if (objects.length < MAX_UNRECORDED) objects.push({ name: key, lastModified });
          else more += 1;
          break;
        case "other-size":
          finding("object-size", `the vault holds ${sizeBytes} bytes of it, which is not what the ledger recorded`);
          break;
        case "other-version":
          finding("object-replaced", "the vault holds another version of it than the ledger recorded");
          break;
        case "again":
          finding("object-versions", `there is another version of it: ${versionId ?? "null"}`);
          break;
      }
    }
    reportHidden(page, report, ({ key, lastModified }) => {
      // a lifecycle rule lays a marker on what has expired, before it removes the versions below
      const recordedAtMs = table.recordedAtMs(key);
      return recordedAtMs !== null && mayBeGone(keeping, recordedAtMs, lastModified.getTime());
    });
    await lockCheck.look(recorded);
    context.onListed(page.versions.length);
    await context.drained();
  }
  await listAirlock(context);
  return { objects, more };
}

/** Ledgers and checkpoints are created once, like everything else. What is in them is verified by reading them. */
async function listAirlock({ reader, report, signal, lockCheck }: ListContext): Promise<void> {
  // Probes are put again and again; the ledger and its checkpoints are what must not be.
  for (const prefix of ["_airlock/ledger/", "_airlock/checkpoint/"]) {
    let before: string | null = null;
    for await (const page of listPages(reader, prefix, signal)) {
      const expected: StoredVersion[] = [];
      for (const version of page.versions) {
        const { key, versionId } = version;
        const match = LEDGER_NAME.exec(key);
        const [mover, segment] = [match?.[1] ?? match?.[3] ?? null, Number(match?.[2] ?? match?.[4] ?? 0)];
        // Versions of one name stand side by side in a listing.
        if (key === before) {
          const message = `somebody wrote it again: there is another version of it, ${versionId ?? "null"}`;
          report({ code: "object-versions", subject: key, message, mover, segment });
        } else if (segment === 0) {
          const message = "it is no segment and no checkpoint";
          report({ code: "object-unrecorded", subject: key, message, mover: null, segment: null });
        } else expected.push(version);
        before = key;
      }
      reportHidden(page, report, () => false);
      await lockCheck.look(expected);
    }
  }
}

/** Numbers begin with 1: a name with 0 is none. */
const LEDGER_NAME = /^_airlock\/(?:ledger\/([^/]+)\/(\d{12})\.jsonl|checkpoint\/([^/]+)\/(\d{12})\.json)$/;

function reportHidden(page: ListPage, report: Report, hasExpired: (marker: DeleteMarker) => boolean): void {
  for (const marker of page.deleteMarkers) {
    if (hasExpired(marker)) continue;
    const { key, versionId } = marker;
    const message = `a delete marker hides it: ${versionId ?? "null"}`;
    report({ code: "object-hidden", subject: key, message, mover: null, segment: null });
  }
}
