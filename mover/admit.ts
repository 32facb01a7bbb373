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
import type { DropZoneSource, OpenedObject, StoredVersion } from "../shared/stores.ts";
import type { HostPolicy } from "./config.ts";

/** What lies below this is ours: the start-up probe's objects. */
export const OWN_PREFIX = "_airlock/";
/** More versions of one statement than any honest host leaves, and few enough to read. */
const MAX_STATEMENT_VERSIONS = 16;

/** An object that its name alone lets in. `name` is null for a foreign one. */
export interface Eligible {
  readonly hostName: string;
  readonly host: HostPolicy;
  readonly name: DropZoneName | null;
}

/** @throws {AirlockError} `host-unknown`, `form-invalid` */
export function admitName(version: StoredVersion, hosts: ReadonlyMap<string, HostPolicy>): Eligible {
  const { key } = version;
  const hostName = hostOf(key);
  const host = hosts.get(hostName);
  if (host === undefined) {
    throw new AirlockError("host-unknown", "its host is not configured", {
      subject: key,
      remedy: "add the host to `hosts` in the mover's configuration, or discard the object",
    });
  }
  const name = parseDropZoneName(key);
  if (name === null && !host.foreign) {
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
}

/**
 * The verified statement of an object, or null where its host need not have one.
 * @throws {AirlockError} `statement-missing`, `statement-invalid`, `signature-invalid`, `size-mismatch`
 */
export async function findStatement(
  eligible: Eligible,
  version: StoredVersion,
  opened: OpenedObject,
  dropZone: DropZoneSource,
  signal: AbortSignal,
): Promise<Claim | null> {
  const { host, name } = eligible;
  if (name === null || host.signatures === "none") return null;
  const object = { bucket: dropZone.bucket, key: version.key, sizeBytes: opened.sizeBytes };
  const inline = opened.attributes.metadata.get(STATEMENT_METADATA);
  if (inline !== undefined) {
    const signed = parseInlineStatement(inline, version.key);
    return { signed, signer: verifyStatement(signed, object, host.publicKeys, version.lastModified), beside: [] };
  }
  const candidates = await readStatementsBeside(version.key, dropZone, signal);
  const refusals: AirlockError[] = candidates.flatMap(({ error }) => error ?? []);
  for (const { signed } of candidates) {
    if (signed === null) continue;
    try {
      // the statement's own time would be the host's claim; the object's is the store's
      const signer = verifyStatement(signed, object, host.publicKeys, version.lastModified);
      const digest = statementDigest(signed.statement);
      const beside = candidates.flatMap((one) =>
        one.signed && statementDigest(one.signed.statement) === digest ? one.version : [],
      );
      return { signed, signer, beside };
    } catch (error) {
      if (!isAirlockError(error)) throw error;
      refusals.push(error);
    }
  }
  if (refusals[0] !== undefined) throw refusals[0];
  if (host.signatures === "optional") return null;
  throw new AirlockError("statement-missing", "no statement lies beside it", {
    subject: version.key,
    remedy: "upload with airlock-uploader, or set `signatures` for this host",
  });
}

interface Candidate {
  readonly version: StoredVersion;
  readonly signed: SignedStatement | null;
  readonly error: AirlockError | null;
}

/** All versions of `<key>.airlock.json`, each parsed or with the reason why it is none. */
async function readStatementsBeside(
  key: string,
  dropZone: DropZoneSource,
  signal: AbortSignal,
): Promise<readonly Candidate[]> {
  const statementKey = key + STATEMENT_SUFFIX;
  const page = await dropZone.listPage({ prefix: statementKey, cursor: null, limit: MAX_STATEMENT_VERSIONS, signal });
  const versions = page.versions.filter((version) => version.key === statementKey);
  return Promise.all(versions.map((version) => readStatement(version, dropZone, signal)));
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
