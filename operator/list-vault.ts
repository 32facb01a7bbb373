import type { ListPage, VaultReader } from "../shared/stores.ts";
import type { Report } from "./findings.ts";
import type { ObjectTable } from "./object-table.ts";

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
}

/**
 * Lists everything that the vault holds, and holds it against the ledger: each recorded name exactly once, of its size,
 * in the version that was recorded, and not hidden. Nothing is ever written twice or deleted in a vault.
 */
export async function listVault(context: ListContext, table: ObjectTable): Promise<Unrecorded> {
  const { report } = context;
  const objects: { name: string; lastModified: Date }[] = [];
  let more = 0;
  for await (const page of listPages(context.reader, "archive/", context.signal)) {
    for (const { key, sizeBytes, versionId, lastModified } of page.versions) {
      const finding = (code: "object-size" | "object-replaced" | "object-versions", message: string): void =>
        report({ code, subject: key, message, mover: null, segment: null });
      switch (table.sight(key, sizeBytes, versionId)) {
        case "expected":
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
    reportHidden(page, report);
    await context.drained();
  }
  await listAirlock(context);
  return { objects, more };
}

/** Ledgers and checkpoints are created once, like everything else. What is in them is verified by reading them. */
async function listAirlock({ reader, report, signal }: ListContext): Promise<void> {
  // Probes are put again and again; the ledger and its checkpoints are what must not be.
  for (const prefix of ["_airlock/ledger/", "_airlock/checkpoint/"]) {
    let before: string | null = null;
    for await (const page of listPages(reader, prefix, signal)) {
      for (const { key, versionId } of page.versions) {
        // Versions of one name stand side by side in a listing.
        if (key === before) {
          const message = `there is another version of it: ${versionId ?? "null"}`;
          report({ code: "object-versions", subject: key, message, mover: null, segment: null });
        } else if (!isExpected(key)) {
          const message = "it is no segment and no checkpoint";
          report({ code: "object-unrecorded", subject: key, message, mover: null, segment: null });
        }
        before = key;
      }
      reportHidden(page, report);
    }
  }
}

const LEDGER_NAME = /^_airlock\/(?:ledger\/[^/]+\/\d{12}\.jsonl|checkpoint\/[^/]+\/\d{12}\.json)$/;

function isExpected(key: string): boolean {
  return LEDGER_NAME.test(key) && !/\/0{12}\.jsonl?$/.test(key);
}

function reportHidden(page: ListPage, report: Report): void {
  for (const { key, versionId } of page.deleteMarkers) {
    const message = `a delete marker hides it: ${versionId ?? "null"}`;
    report({ code: "object-hidden", subject: key, message, mover: null, segment: null });
  }
}

async function* listPages(
  reader: VaultReader,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ListPage, void, undefined> {
  let cursor: string | null = null;
  do {
    const page: ListPage = await reader.listPage({ prefix, cursor, limit: 1000, signal });
    yield page;
    cursor = page.next;
  } while (cursor !== null);
}
