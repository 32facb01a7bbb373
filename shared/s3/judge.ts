/** Whether two stores, as they were found to be, can hold what Airlock promises. Pure. */
import type { DropZoneFindings } from "./probe-drop-zone.ts";
import type { VaultFindings } from "./probe-vault.ts";

export interface Problem {
  /** `refuse`: the mover does not start. */
  readonly severity: "refuse" | "warn";
  readonly store: "drop-zone" | "vault";
  readonly what: string;
  readonly remedy: string;
}

export interface Intentions {
  readonly verify: "checksum" | "readback";
  /** Whether any host is configured with `foreign: true`. */
  readonly foreign: boolean;
}

/** S3 refuses requests whose clock is 15 minutes off. */
const REFUSED_SKEW_MS = 15 * 60_000;
/** Exposure is measured between the stores' clocks and this one. */
const NOTABLE_SKEW_MS = 5_000;

export function judgeStores(
  dropZone: DropZoneFindings,
  vault: VaultFindings,
  intentions: Intentions,
): readonly Problem[] {
  return [...judgeDropZone(dropZone, intentions), ...judgeVault(vault, intentions)];
}

function* judgeDropZone(found: DropZoneFindings, { foreign }: Intentions): Iterable<Problem> {
  const store = "drop-zone";
  const keepsVersions = found.versioned && !found.suspended;
  if (foreign && !keepsVersions) {
    const what = "the bucket keeps no versions: a foreign object that is overwritten before it is moved would be lost";
    const remedy = "turn on versioning for the drop-zone, or set `foreign: false` for every host";
    yield { severity: "refuse", store, what, remedy };
  }
  if (found.conditionalDelete === "refused") {
    yield {
      severity: "refuse",
      store,
      what: "the bucket keeps no versions and the store refuses every conditional delete: nothing could ever be released",
      remedy: "turn on versioning for the drop-zone",
    };
  }
  if (!found.createOnly) {
    yield {
      severity: "warn",
      store,
      what: "create-only writes (If-None-Match) are not honoured: a stolen host key can put other bytes under names that it knows",
      remedy: keepsVersions
        ? "nothing has to be done: the first version still reaches the vault"
        : "turn on versioning for the drop-zone, so that the first version stays",
    };
  }
  yield* judgeClock(store, found.clockSkewMs);
}

function* judgeVault(found: VaultFindings, { verify }: Intentions): Iterable<Problem> {
  const store = "vault";
  if (!found.createOnlyPut || !found.createOnlyComplete) {
    const which = [
      found.createOnlyPut ? [] : ["PutObject"],
      found.createOnlyComplete ? [] : ["CompleteMultipartUpload"],
    ].flat();
    yield {
      severity: "refuse",
      store,
      what: `${which.join(" and ")} with If-None-Match overwrites what is there: an archive could be replaced, and the ledger forked`,
      remedy: "use a store that honours If-None-Match on both (Amazon S3 does; Ceph from release 20)",
    };
  }
  if (verify === "checksum" && !found.refusesWrongPayloadHash && !(found.tls && found.refusesWrongChecksum)) {
    yield {
      severity: "refuse",
      store,
      what: "bytes that were altered on the way are taken for good: neither a wrong checksum nor a wrong payload hash is refused",
      remedy:
        "set `verify: readback`, with which everything is read again before it is recorded (the key then has to read archive/), or use a store that refuses them (docs/stores.md)",
    };
  }
  yield* judgeLock(found);
  yield* judgeClock(store, found.clockSkewMs);
}

function* judgeLock({ versioning, retention, objectLock }: VaultFindings): Iterable<Problem> {
  const store = "vault";
  if (versioning === "off" || versioning === "suspended") {
    const what = `versioning is ${versioning}: what is archived here can be overwritten by whoever has a key without the create-only condition`;
    yield { severity: "warn", store, what, remedy: "create the vault with Object Lock, which turns versioning on" };
  }
  if (retention === "none") {
    const what = "the bucket has no default retention: whoever may delete here can delete archives";
    yield { severity: "warn", store, what, remedy: "turn on Object Lock with a default retention in compliance mode" };
  }
  if (retention === "unknown" || versioning === "unknown") {
    const what = "the bucket's versioning or lock cannot be read: nothing is known about its retention";
    const remedy =
      "allow this key s3:GetBucketVersioning and s3:GetBucketObjectLockConfiguration, where the store knows them";
    yield { severity: "warn", store, what, remedy };
  }
  if (objectLock === "none") {
    const what =
      "objects get no lock of their own from the bucket's default retention: whoever owns the bucket can shorten it for all that is archived";
    const remedy = "use a store that locks each object (Amazon S3 and Ceph do), or guard the owner's key well";
    yield { severity: "warn", store, what, remedy };
  }
  if (typeof retention === "object" && retention.mode === "GOVERNANCE") {
    const what = "the default retention is in governance mode: some keys can lift it";
    yield { severity: "warn", store, what, remedy: "use compliance mode, which nobody can lift" };
  }
}

function* judgeClock(store: Problem["store"], skewMs: number | null): Iterable<Problem> {
  if (skewMs === null || Math.abs(skewMs) < NOTABLE_SKEW_MS) return;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  yield {
    severity: Math.abs(skewMs) >= REFUSED_SKEW_MS ? "refuse" : "warn",
    store,
    what: `this machine's clock is ${seconds} s ${skewMs > 0 ? "behind" : "ahead of"} the store's`,
    remedy: "set this machine's clock (NTP)",
  };
}
