/**
 * Whether an object may cross, decided before its body is read. What is refused here stays where it is: a refusal is
 * an AirlockError whose code has the reaction `hold`. Pure, but for {@link findStatement}'s reads.
 */
import { AirlockError, isAirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import { parseDropZoneName, STATEMENT_SUFFIX, type DropZoneName } from "../shared/names.ts";
import {
  MAX_STATEMENT_BYTES,
  parseInlineStatement,
  parseStatement,
  STATEMENT_METADATA,
  statementDigest,
  verifyStatement,
  type SignedStatement,
} from "../shared/statement.ts";
import type { DropZoneSource, ListPage, OpenedObject, StoredVersion } from "../shared/stores.ts";
import type { HostPolicy } from "./config.ts";

/** What lies below this is ours: the start-up probe's objects. */
export const OWN_PREFIX = "_airlock/";
/** Versions of one statement that are looked at: whoever holds the drop-zone's account can lay more on the honest one. */
const MAX_STATEMENT_VERSIONS = 10_000;
const STATEMENT_PAGE = 1000;
/** Of valid statements of one object: more than one is a thief's work. */
const MAX_RIVALS = 100;
/** At the same time. */
const STATEMENTS_AT_ONCE = 16;

/** An object that its name alone lets in. `name` is null for a foreign one. */
export interface Eligible {
  readonly hostName: string;
  readonly host: HostPolicy;
  readonly name: DropZoneName | null;
}

/** What an operator lets in without a host of that name. */
const NOBODY: HostPolicy = {
  publicKeys: [],
  signatures: "none",
  foreign: true,
  expect: new Map(),
  quota: { bytesPerDay: null, objectsPerDay: null, objectSizeBytes: null },
};

/**
 * @param override whether an operator lets it in whatever its name
 * @throws {AirlockError} `host-unknown`, `form-invalid`
 */
export function admitName(version: StoredVersion, hosts: ReadonlyMap<string, HostPolicy>, override = false): Eligible {
  const { key } = version;
  const hostName = hostOf(key);
  const host = hosts.get(hostName) ?? (override ? NOBODY : undefined);
  if (host === undefined) {
    throw new AirlockError("host-unknown", "its host is not configured", {
      subject: key,
      remedy: "add the host to `hosts` in the mover's configuration, or discard the object",
    });
  }
  const name = parseDropZoneName(key);
  if (name === null && !host.foreign && !override) {
    throw new AirlockError("form-invalid", "its name has not the form that the uploader gives", {
      subject: key,
      remedy: "set `foreign: true` for hosts whose programs choose their own names",
    });
  }
  return { hostName, host, name };
}

/** The first segment of a key, empty where it has no other. */
export function hostOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf("/")));
}

/** A statement that has been verified, and the copies of it that lie beside the object. */
export interface Claim {
  readonly signed: SignedStatement;
  readonly signer: PublicKey;
  /** Empty for a statement that travels in the object's metadata. */
  readonly beside: readonly StoredVersion[];
  /** Others that verify and state other bytes: only the bytes themselves tell which of them is the object's. */
  readonly rivals: readonly Claim[];
}

/**
 * The verified statement of an object, or null where its host need not have one.
 * @param known of an object of this name that was recorded before; counts where no other does
 * @throws {AirlockError} `statement-missing`, `statement-invalid`, `signature-invalid`, `size-mismatch`
 */
export async function findStatement(
  eligible: Eligible,
  version: StoredVersion,
  opened: OpenedObject,
  dropZone: DropZoneSource,
  known: SignedStatement | null,
  signal: AbortSignal,
): Promise<Claim | null> {
  const { host, name } = eligible;
  if (name === null || host.signatures === "none") return null;
  const object = { bucket: dropZone.bucket, key: version.key, sizeBytes: opened.sizeBytes };
  const inline = opened.attributes.metadata.get(STATEMENT_METADATA);
  if (inline !== undefined) {
    const signed = parseInlineStatement(inline, version.key);
    const signer = verifyStatement(signed, object, host.publicKeys, version.lastModified);
    return { signed, signer, beside: [], rivals: [] };
  }
  let refusal: AirlockError | null = null;
  /** By the digest of the bytes, newest first. */
  const claims = new Map<string, Claim>();
  for await (const candidates of readStatementsBeside(version.key, dropZone, signal)) {
    for (const { signed, error } of candidates) {
      refusal ??= error;
      if (signed === null) continue;
      try {
        // the statement's own time would be the host's claim; the object's is the store's
        const signer = verifyStatement(signed, object, host.publicKeys, version.lastModified);
        const { sha256 } = signed.statement;
        if (!claims.has(sha256))
          claims.set(sha256, { signed, signer, beside: copiesOf(signed, candidates), rivals: [] });
        const [newest] = claims.keys(); // what was there first was there before whatever somebody laid on top of it
        if (claims.size > MAX_RIVALS && newest !== undefined) claims.delete(newest);
      } catch (thrown) {
        if (!isAirlockError(thrown)) throw thrown;
        refusal ??= thrown;
      }
    }
  }
  const [claim, ...rivals] = claims.values();
  if (claim !== undefined) return { ...claim, rivals };
  if (known !== null) {
    const signer = verifyStatement(known, object, host.publicKeys, version.lastModified);
    return { signed: known, signer, beside: [], rivals: [] };
  }
  if (refusal !== null) throw refusal;
  if (host.signatures === "optional") return null;
  throw new AirlockError("statement-missing", "no statement lies beside it", {
    subject: version.key,
    remedy: "upload with airlock-uploader, or set `signatures` for this host",
  });
}

/** What else lies there of it goes with it; copies further down are found as orphans once the object is gone. */
function copiesOf(signed: SignedStatement, candidates: readonly Candidate[]): readonly StoredVersion[] {
  const digest = statementDigest(signed.statement);
  return candidates.flatMap((one) =>
    one.signed !== null && statementDigest(one.signed.statement) === digest ? one.version : [],
  );
}

interface Candidate {
  readonly version: StoredVersion;
  readonly signed: SignedStatement | null;
  readonly error: AirlockError | null;
}

/** The versions of `<key>.airlock.json`, some at a time, each parsed or with the reason why it is none. */
async function* readStatementsBeside(
  key: string,
  dropZone: DropZoneSource,
  signal: AbortSignal,
): AsyncGenerator<readonly Candidate[], void> {
  const statementKey = key + STATEMENT_SUFFIX;
  let cursor: string | null = null;
  // a first page that is small, since there is one version and no more of an honest statement
  let limit = STATEMENTS_AT_ONCE;
  for (let seen = 0; seen < MAX_STATEMENT_VERSIONS;) {
    const page: ListPage = await dropZone.listPage({ prefix: statementKey, cursor, limit, signal });
    const versions = page.versions.filter((version) => version.key === statementKey);
    for (let first = 0; first < versions.length; first += STATEMENTS_AT_ONCE) {
      const some = versions.slice(first, first + STATEMENTS_AT_ONCE);
      yield await Promise.all(some.map((version) => readStatement(version, dropZone, signal)));
    }
    // the shortest key with this prefix sorts first
    if (page.next === null || versions.length < page.versions.length) return;
    seen += Math.max(1, page.versions.length);
    cursor = page.next;
    limit = STATEMENT_PAGE;
  }
}

export async function readStatement(
  version: StoredVersion,
  dropZone: DropZoneSource,
  signal: AbortSignal,
): Promise<Candidate> {
  try {
    if (version.sizeBytes > MAX_STATEMENT_BYTES) {
      throw new AirlockError("statement-invalid", `the statement is longer than ${MAX_STATEMENT_BYTES} bytes`, {
        subject: version.key,
      });
    }
    const opened = await dropZone.openVersion(version, null, signal);
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of opened.body) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_STATEMENT_BYTES) {
        throw new AirlockError("statement-invalid", `the statement is longer than ${MAX_STATEMENT_BYTES} bytes`, {
          subject: version.key,
        });
      }
      chunks.push(chunk);
    }
    return { version, signed: parseStatement(Buffer.concat(chunks), version.key), error: null };
  } catch (error) {
    if (isAirlockError(error, "statement-invalid", "object-unreadable")) return { version, signed: null, error };
    throw error;
  }
}
