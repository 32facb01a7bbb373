/** Where `airlock audit` tries things: an object of its own, one that is there anyway, and names that nobody has. */
import { findArchived } from "../shared/find-archived.ts";
import { isAirlockError } from "../shared/errors.ts";
import { formatDropZoneName, newToken } from "../shared/names.ts";
import type { AuditProbe } from "../shared/s3/audit-probe.ts";
import type { OwnUpload } from "../shared/s3/audit-uploads.ts";
import type { Attempt } from "../shared/s3/key-probe.ts";
import type { Intended } from "./audit-options.ts";

export interface Target {
  readonly key: string;
  readonly versionId: string | null;
}

export interface Scene {
  readonly intended: Intended;
  /** What the role is about: `web1/`, or `archive/`. */
  readonly place: string;
  /** Put for the audit; null in a vault, where it could not be removed again. */
  readonly own: Target | null;
  /** How putting it went. */
  readonly created: Attempt | null;
  /** What reading and marking is tried at, without a byte read or a mark set; null: there is nothing. */
  readonly there: Target | null;
  /** A name in the place that nobody has. */
  readonly nobodys: string;
  readonly begun: Attempt;
  readonly upload: OwnUpload | null;
  /** The store takes altered bytes: it may take anything. */
  readonly takesAnything: boolean;
  readonly versioned: boolean;
}

/** The set that is reserved for checks: the mover takes no notice of its size or age. */
const CHECK_SET = "check";

export async function setScene(probe: AuditProbe, intended: Intended, signal: AbortSignal): Promise<Scene> {
  const { role, host } = intended;
  const place = host === null ? "archive/" : `${host}/`;
  const nobodys = `${place}airlock-audit/${newToken()}`;
  const put = await putOwn(probe, intended, signal);
  const begun = await probe.beginUpload(nobodys, null, signal);
  const upload = begun.upload ?? null;
  return {
    intended,
    place,
    own: put?.own ?? null,
    created: put?.created ?? null,
    there: (role === "host" ? put?.own : null) ?? (await findThere(probe, place, signal)) ?? put?.own ?? null,
    nobodys,
    begun,
    upload,
    takesAnything: upload !== null && (await probe.takesAlteredBytes(upload, signal)),
    versioned: typeof put?.own?.versionId === "string" || (await probe.keepsVersions(signal)),
  };
}

async function putOwn(
  probe: AuditProbe,
  { role, host }: Intended,
  signal: AbortSignal,
): Promise<{ readonly created: Attempt; readonly own: Target | null } | null> {
  if (host === null) return null;
  const fresh = { host, set: CHECK_SET, at: new Date(), token: newToken(), name: "audit.txt" };
  const key = role === "host" ? formatDropZoneName(fresh) : `_airlock/probe/audit-${newToken()}`;
  const { attempt, versionId } = await probe.put(key, true, signal);
  return { created: attempt, own: attempt.verdict === "allowed" ? { key, versionId } : null };
}

/** By a listing, or else as the ledgers name it, which the mover's key may read. */
async function findThere(probe: AuditProbe, place: string, signal: AbortSignal): Promise<Target | null> {
  const listed = await probe.findObject(place, signal);
  if (listed !== null || place !== "archive/") return listed;
  try {
    for (const mover of await probe.listMovers(signal)) {
      const archived = await findArchived(probe.ledgerOf(mover), mover, signal);
      if (archived !== null) return { key: archived.name, versionId: archived.versionId };
    }
  } catch (error) {
    // a key that may not read the ledger, or a ledger that is none: there is nothing to be had from it
    if (!isAirlockError(error, "access-denied", "ledger-corrupt")) throw error;
  }
  return null;
}
