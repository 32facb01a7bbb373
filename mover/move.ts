/**
 * One move: discover → admit → copy → verify → commit → prove → record → release. Each step takes only what the step before it
 * returns, and no other code makes those types, so that deleting before recording does not compile. Read `archive`
 * first, then `release`.
 */
import { AirlockError, CODES, isAirlockError, toAirlockError } from "../shared/errors.ts";
import type { Disposition, ExposureOrigin, NewEntry } from "../shared/ledger.ts";
import type { Log } from "../shared/log.ts";
import { vaultNameOf, type VaultName } from "../shared/names.ts";
import { retry, type Timing } from "../shared/retry.ts";
import type {
  DropZoneSource,
  MultipartUpload,
  ObjectAttributes,
  OpenedObject,
  StoredVersion,
  VaultReadbackWriter,
  VaultWriter,
} from "../shared/stores.ts";
import { admitName, findStatement, type Claim, type Eligible } from "./admit.ts";
import type { HostPolicy } from "./config.ts";
import { copyInParts, copyWhole, firstRange, type Copied, type Staged } from "./copy.ts";
import type { LedgerWriter } from "./ledger-writer.ts";
import type { MemoryWindow } from "./memory.ts";
import { planCopy, type CopyPlan } from "./parts.ts";
import { readBack, readsBack, vaultMismatch } from "./read-back.ts";
import type { Releaser } from "./release.ts";

/** What a move needs; nothing here can delete in the vault, or read there but for `verify: readback`. */
export interface Tools {
  readonly dropZone: DropZoneSource;
  readonly vault: VaultWriter | VaultReadbackWriter;
  readonly ledger: LedgerWriter;
  readonly releaser: Releaser;
  readonly memory: MemoryWindow;
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  readonly timing: Timing;
  readonly log: Log;
  /** Of one upload, where the vault takes fewer than S3. */
  readonly maxParts?: number;
  /** How far the drop-zone's clock is ahead of this machine's, in ms; default: not at all. */
  readonly dropZoneClockMs?: () => number;
}

/** Of names that hold other bytes than they should: then somebody has to look into the vault. */
const MAX_REJECTED = 16;

declare const step: unique symbol;
/** A value that only the step of that name makes. */
type After<Step extends string, Value> = Value & { readonly [step]: Step };

/** An exact version that a listing or an event named. */
export interface Discovered {
  readonly version: StoredVersion;
  /** When this process first saw it, epoch ms. */
  readonly seenAtMs: number;
  /** When it was complete, epoch ms, as an event has it; null: none named it. */
  readonly eventAtMs: number | null;
  /** An operator lets it in despite the reason for which it is held. */
  readonly override?: true;
}

/** What is recorded of an object beside its bytes. */
interface Origin {
  readonly found: Discovered;
  readonly eligible: Eligible;
  readonly claim: Claim | null;
  readonly tags: ReadonlyMap<string, string>;
  /** Why it would have been held, where an operator let it in. */
  readonly overridden: AirlockError | null;
}

type Admitted = After<"admit", { readonly origin: Origin; readonly opened: OpenedObject; readonly plan: CopyPlan }>;
type Staging = After<
  "copy",
  {
    readonly admitted: Admitted;
    readonly name: VaultName;
    readonly copied: Copied;
    readonly attributes: ObjectAttributes;
  }
>;
/** `origin` without its claim, where an operator let in other bytes than were signed. */
type Verified = After<"verify", { readonly staging: Staging; readonly origin: Origin; readonly sha256: string }>;
/** Holds none of the bytes: it waits for the ledger after the memory that they had was given back. */
type Committed = After<
  "commit",
  {
    readonly origin: Origin;
    readonly name: VaultName;
    readonly sha256: string;
    readonly disposition: Disposition;
    readonly versionId: string | null;
    readonly confirmed: boolean;
  }
>;
/** The vault refused altered bytes, or what it holds was read again; `rejected` names hold other bytes. */
type Proven = After<"prove", { readonly committed: Committed; readonly rejected: readonly VaultName[] }>;
export type Recorded = After<
  "record",
  { readonly version: StoredVersion; readonly statements: readonly StoredVersion[]; readonly moved: Moved }
>;
/** Gone from the drop-zone: all of a move that the log and the status tell. */
export type Released = After<"release", Moved>;

export interface Moved {
  readonly host: string;
  readonly set: string | null;
  readonly version: StoredVersion;
  readonly sha256: string;
  readonly disposition: Disposition;
  readonly startedAtMs: number;
  readonly completedAtMs: number;
  readonly exposureFrom: ExposureOrigin;
}

/**
 * All steps but the last, which may have to be tried again by itself. The memory that was reserved is free again when
 * this returns.
 * @throws {AirlockError} whose code says whether to try again, to hold the object, or to halt
 */
export async function archive(found: Discovered, tools: Tools, signal: AbortSignal): Promise<Recorded> {
  const rejected: VaultName[] = [];
  for (;;) {
    const committed = await carry(found, rejected.length, tools, signal);
    const proven = await prove(committed, rejected, tools, signal);
    if (proven !== null) return record(proven, tools);
    rejected.push(committed.name); // an earlier try left other bytes there, and they can't be removed
    if (rejected.length >= MAX_REJECTED) throw vaultMismatch(found.version.key, committed.name);
  }
}

/** From admit to commit, under the source's one name, or the next one where `attempt` names hold other bytes. */
async function carry(found: Discovered, attempt: number, tools: Tools, signal: AbortSignal): Promise<Committed> {
  const eligible = admitName(found.version, tools.hosts, found.override);
  const plan = planCopy(found.version.sizeBytes, tools.memory.sizeBytes, tools.maxParts);
  if (plan === null) throw tooLarge(found.version);
  using _window = await tools.memory.reserve(plan.windowBytes, signal);
  await using cleanup = new AsyncDisposableStack();
  const admitted = await admit(found, eligible, plan, tools, cleanup, signal);
  const staging = await copy(admitted, attempt, tools, cleanup, signal);
  const committed = await commit(verify(staging), tools, signal);
  if (committed.confirmed) cleanup.move(); // the body was read and the upload completed: there is nothing to clean up
  return committed;
}

async function admit(
  found: Discovered,
  eligible: Eligible,
  plan: CopyPlan,
  tools: Tools,
  cleanup: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Admitted> {
  const { version } = found;
  const opened = await tools.dropZone.openVersion(version, firstRange(plan), signal);
  cleanup.defer(() => opened.close());
  if (opened.sizeBytes !== version.sizeBytes) {
    throw new AirlockError("source-changed", `it is ${opened.sizeBytes} bytes long, listed as ${version.sizeBytes}`, {
      subject: version.key,
    });
  }
  let overridden: AirlockError | null = null;
  const known = tools.ledger.books.recentStatements.find(version.key);
  const claim = await findStatement(eligible, version, opened, tools.dropZone, known, signal).catch(
    (thrown: unknown) => {
      if (found.override !== true || !isAirlockError(thrown) || CODES[thrown.code].reaction !== "hold") throw thrown;
      overridden = thrown;
      return null;
    },
  );
  const tags = opened.tagCount > 0 ? await tools.dropZone.readTags(version, signal) : new Map<string, string>();
  return { origin: { found, eligible, claim, tags, overridden }, opened, plan } as Admitted; // the only place where one is made
}

async function copy(
  admitted: Admitted,
  attempt: number,
  tools: Tools,
  cleanup: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Staging> {
  const { origin, opened, plan } = admitted;
  const { version } = origin.found;
  const { dropZone, vault } = tools;
  const name = vaultNameOf({ bucket: dropZone.bucket, ...version }, attempt);
  const { attributes } = opened;
  let copied: Copied;
  if (plan.kind === "single") {
    copied = await copyWhole({ version, opened, dropZone }, signal);
  } else {
    const upload = await vault.beginUpload(name, { attributes, signal });
    cleanup.defer(() => abandon(upload, tools));
    copied = await copyInParts({ version, opened, dropZone }, plan, upload, vault, signal);
  }
  return { admitted, name, copied, attributes } as Staging; // the only place where one is made
}

/** The digest of the bytes that were read is the stated one. Pure; without a statement it is what was read. */
function verify(staging: Staging): Verified {
  const { sha256 } = staging.copied;
  const { claim: first, ...others } = staging.admitted.origin;
  const claim = first?.rivals.find(({ signed }) => signed.statement.sha256 === sha256) ?? first;
  const origin: Origin = { ...others, claim };
  const stated = claim?.signed.statement.sha256 ?? sha256;
  if (sha256 === stated) return { staging, origin, sha256 } as Verified; // the first of two places where one is made
  const mismatch = new AirlockError(
    "digest-mismatch",
    `its bytes have SHA-256 ${sha256}, the statement says ${stated}`,
    {
      subject: origin.found.version.key,
      remedy: "the object was altered after it was signed: keep it, and look at who can write to the drop-zone",
    },
  );
  if (origin.found.override !== true) throw mismatch;
  // let in by an operator, and recorded as what nobody signed: the second place
  return { staging, origin: { ...origin, claim: null, overridden: mismatch }, sha256 } as Verified;
}

/** The vault name comes into being here, or is found to exist: then it holds this very source already. */
async function commit(verified: Verified, tools: Tools, signal: AbortSignal): Promise<Committed> {
  const { name, copied, attributes } = verified.staging;
  let asked = 0;
  const outcome = await retry(
    async (): Promise<Pick<Committed, "disposition" | "versionId" | "confirmed">> => {
      asked++;
      try {
        const versionId = await publish(copied.staged, name, attributes, tools.vault, signal);
        return { disposition: "archived", versionId, confirmed: true };
      } catch (error) {
        // Which version it became is known only to whoever got the store's answer.
        if (!isAirlockError(error, "already-exists")) throw error;
        return { disposition: asked > 1 ? "archived" : "already-archived", versionId: null, confirmed: false };
      }
    },
    {
      attempts: 5,
      baseMs: 100,
      capMs: 5_000,
      retryable: (error) => isAirlockError(error, "outcome-unknown", "slow-down"),
    },
    tools.timing,
    signal,
  );
  return { origin: verified.origin, name, sha256: verified.sha256, ...outcome } as Committed; // the only place where one is made
}

function publish(
  staged: Staged,
  name: VaultName,
  attributes: ObjectAttributes,
  vault: VaultWriter,
  signal: AbortSignal,
): Promise<string | null> {
  return staged.kind === "bytes"
    ? vault.createObject(name, staged.bytes, { attributes, signal })
    : vault.completeUpload(staged.upload, staged.parts, signal);
}

/**
 * With `verify: readback`, nothing is recorded before the vault's own bytes were read and are the right ones; else the
 * store has refused altered bytes already. null: what was there before this move is something else.
 * @throws {AirlockError} `vault-mismatch` when it is this very move whose bytes were altered
 */
async function prove(
  committed: Committed,
  rejected: readonly VaultName[],
  { vault }: Tools,
  signal: AbortSignal,
): Promise<Proven | null> {
  const { origin, name, disposition } = committed;
  const proofOf = (versionId: string | null): Proven =>
    ({ committed: { ...committed, versionId }, rejected }) as unknown as Proven; // the only place where one is made
  if (!readsBack(vault)) return proofOf(committed.versionId);
  const found = await readBack(vault, name, committed.versionId, signal);
  if (found.sha256 === committed.sha256) return proofOf(found.versionId);
  if (disposition === "already-archived") return null;
  throw vaultMismatch(origin.found.version.key, name);
}

/** Resolves once the ledger's segment that holds the entry is in the vault: from here on the object may go. */
async function record({ committed, rejected }: Proven, tools: Tools): Promise<Recorded> {
  const { origin, name, sha256, versionId } = committed;
  const { found, eligible, claim, tags, overridden } = origin;
  const { version } = found;
  const { completedAtMs, exposureFrom } = completion(found, claim, tools.dropZoneClockMs?.() ?? 0);
  const atMs = tools.timing.now();
  const entry: NewEntry = {
    at: new Date(atMs).toISOString(),
    source: sourceOf(version, tools.dropZone.bucket, tags),
    vault: { name, versionId },
    sha256,
    statement: claim?.signed.statement ?? null,
    signature: claim?.signed.signature ?? null,
    hostKey: claim?.signer.id ?? null,
    exposureMs: Math.max(0, atMs - completedAtMs),
    exposureFrom,
    disposition: found.override === true ? "released-by-operator" : committed.disposition,
    findings: [
      ...(overridden === null ? [] : [{ code: overridden.code, detail: overridden.message.slice(0, 300) }]),
      ...rejected.map((other) => ({ code: "vault-mismatch", detail: `other bytes are under ${other}`.slice(0, 300) })),
    ],
  };
  const { disposition } = await tools.ledger.append(entry); // which tells what was recorded before from what is new
  const moved: Moved = {
    host: eligible.hostName,
    set: eligible.name?.set ?? null,
    version,
    sha256,
    disposition,
    startedAtMs: found.seenAtMs,
    completedAtMs,
    exposureFrom,
  };
  return { version, statements: claim?.beside ?? [], moved } as unknown as Recorded; // the only place where one is made
}

/** A version as the ledger has it. */
export function sourceOf(
  { key, versionId, etag, sizeBytes, lastModified }: StoredVersion,
  bucket: string,
  tags: ReadonlyMap<string, string>,
): NonNullable<NewEntry["source"]> {
  return {
    bucket,
    key,
    versionId,
    etag,
    size: sizeBytes,
    lastModified: lastModified.toISOString(),
    tags: Array.from(tags, ([name, value]) => ({ key: name, value })),
  };
}

/** Deletes exactly the version that was recorded, and its statement only once that is gone. */
export async function release(recorded: Recorded, tools: Tools, signal: AbortSignal): Promise<Released> {
  await tools.releaser.release([recorded.version], signal);
  if (recorded.statements.length > 0) await tools.releaser.release(recorded.statements, signal);
  return recorded.moved as Released; // the only place where one is made
}

/** When the object was complete, by our clock: a multipart object's own last-modified is when its upload was begun. */
function completion(
  found: Discovered,
  claim: Claim | null,
  dropZoneClockMs: number,
): { completedAtMs: number; exposureFrom: ExposureOrigin } {
  const modifiedAtMs = ({ lastModified }: StoredVersion): number => lastModified.getTime() - dropZoneClockMs;
  if (found.eventAtMs !== null) {
    // no later than when it was seen, and no earlier than when it was begun, whatever an event says
    const sinceMs = Math.max(found.eventAtMs - dropZoneClockMs, modifiedAtMs(found.version));
    return { completedAtMs: Math.min(sinceMs, found.seenAtMs), exposureFrom: "event" };
  }
  const beside = claim?.beside.map(modifiedAtMs) ?? [];
  if (beside.length > 0) return { completedAtMs: Math.min(...beside), exposureFrom: "statement" };
  if (!/-\d+"?$/.test(found.version.etag))
    return { completedAtMs: modifiedAtMs(found.version), exposureFrom: "object" };
  return { completedAtMs: found.seenAtMs, exposureFrom: "first-sight" };
}

/** An upload that was not completed has no name and is worth nothing; one that was is no upload any more. */
async function abandon(upload: MultipartUpload, tools: Tools): Promise<void> {
  try {
    await tools.vault.abortUpload(upload, AbortSignal.timeout(30_000));
  } catch (thrown) {
    const error = toAirlockError(thrown);
    if (error.code !== "upload-missing") tools.log.failure("upload-left", error, { key: upload.key });
  }
}

function tooLarge(version: StoredVersion): AirlockError {
  return new AirlockError("object-too-large", `${version.sizeBytes} bytes do not fit through the memory window`, {
    subject: version.key,
    remedy: "raise `memory` in the mover's configuration",
  });
}
