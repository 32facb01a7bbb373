import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { z } from "zod";
import { AirlockError } from "./errors.ts";
import { findSigner, signBytes, type PublicKey, type SigningKey } from "./keys.ts";
import { isHostName, isSetName, parseDropZoneName } from "./names.ts";

/** S3 gives user metadata 2 KiB in all; 1,400 bytes of JSON are 1,867 in base64url, leaving room for a tool's own. */
const MAX_INLINE_BYTES = 1400;
export const MAX_STATEMENT_BYTES = 4096;
/** User metadata under which a single PUT carries its statement: `x-amz-meta-airlock`. */
export const STATEMENT_METADATA = "airlock";

const HEX_SHA256 = /^[0-9a-f]{64}$/;

/** One step of what was done to the bytes, in the order in which it was done. */
export const encodingSteps = ["tar", "zstd", "age"] as const;
export type EncodingStep = (typeof encodingSteps)[number];

export const statementSchema = z.strictObject({
  v: z.literal(1),
  bucket: z.string().min(1).max(255),
  key: z.string().min(1).max(1024),
  host: z.string().refine(isHostName),
  set: z.string().refine(isSetName),
  epoch: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  seq: z.int().min(1),
  prev: z.string().regex(HEX_SHA256).nullable(),
  size: z.int().min(0),
  sha256: z.string().regex(HEX_SHA256),
  encoding: z.array(z.enum(encodingSteps)).max(encodingSteps.length),
  startedAt: z.iso.datetime({ precision: 3 }),
});

const envelopeSchema = z.strictObject({
  // the last character carries two bits: any other would be a second way to write the same bytes
  signature: z.string().regex(/^[A-Za-z0-9+/]{85}[AQgw]==$/),
  statement: statementSchema,
});

/** What a host claims of one object. `size` in bytes; `sha256` of the stored bytes; `prev` null only for `seq` 1. */
export type Statement = Readonly<z.infer<typeof statementSchema>>;

export interface SignedStatement {
  readonly statement: Statement;
  /** Base64 of the 64 bytes. */
  readonly signature: string;
}

/** RFC 8785 (JCS) bytes: what is signed, and what `prev` is the digest of. */
export function canonicalBytes(statement: Statement): Buffer {
  const text = canonicalize(statement);
  if (text === undefined) throw new TypeError("a statement always has a canonical form");
  return Buffer.from(text, "utf8");
}

/** Hex SHA-256 of the canonical bytes: the next statement's `prev`. */
export function statementDigest(statement: Statement): string {
  return createHash("sha256").update(canonicalBytes(statement)).digest("hex");
}

export function signStatement(statement: Statement, signingKey: SigningKey): SignedStatement {
  const checked = statementSchema.safeParse(statement);
  if (!checked.success) throw new TypeError(`not a statement: ${z.prettifyError(checked.error)}`);
  return { signature: signBytes(signingKey, canonicalBytes(statement)).toString("base64"), statement };
}

/** The envelope as JSON: what a statement object holds. */
export function formatStatement(signed: SignedStatement): string {
  return JSON.stringify({ signature: signed.signature, statement: signed.statement });
}

/** The value of `x-amz-meta-airlock`, or null when the statement has to lie beside its object. */
export function inlineStatement(signed: SignedStatement): string | null {
  const json = Buffer.from(formatStatement(signed), "utf8");
  return json.length <= MAX_INLINE_BYTES ? json.toString("base64url") : null;
}

/**
 * Parses an envelope that came from outside. Everything about it is a claim until {@link verifyStatement}.
 * @throws {AirlockError} `statement-invalid`
 */
export function parseStatement(bytes: Uint8Array, subject: string): SignedStatement {
  if (bytes.length > MAX_STATEMENT_BYTES) throw invalid(`it is longer than ${MAX_STATEMENT_BYTES} bytes`, subject);
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid("it is not JSON in UTF-8", subject, cause);
  }
  const parsed = envelopeSchema.safeParse(json);
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error).replaceAll("\n", " ").slice(0, 300), subject);
  const { statement, signature } = parsed.data;
  // Two parsers may disagree on which of two equal keys counts; what we read has to be all that was written.
  if (countKeys(text) !== Object.keys(statement).length + 2) throw invalid("a key stands twice", subject);
  if ((statement.seq === 1) !== (statement.prev === null))
    throw invalid("prev is null for seq 1, and only there", subject);
  return { statement, signature };
}

/** From `x-amz-meta-airlock`. @throws {AirlockError} `statement-invalid` */
export function parseInlineStatement(value: string, subject: string): SignedStatement {
  const bytes = Buffer.from(value, "base64url");
  if (bytes.toString("base64url") !== value) throw invalid("its metadata is not base64url", subject);
  return parseStatement(bytes, subject);
}

/** Object keys in JSON that holds no deeper object than the envelope's: strings that a colon follows. */
function countKeys(json: string): number {
  return json.match(/"(?:[^"\\]|\\.)*"(?=\s*:)/g)?.length ?? 0;
}

export interface Claimed {
  readonly bucket: string;
  readonly key: string;
  readonly sizeBytes: number;
}

/**
 * Checks all of a statement that can be checked without reading the object: that it speaks of this object and that one
 * of the host's keys signed it. `at` picks the keys that count (a store's time, never the host's); `find` is for who has
 * verified the signature before.
 * @throws {AirlockError} `statement-invalid`, `size-mismatch` or `signature-invalid`
 */
export function verifyStatement(
  signed: SignedStatement,
  object: Claimed,
  keys: readonly PublicKey[],
  at: Date,
  find: (signed: SignedStatement, keys: readonly PublicKey[], at: Date) => PublicKey | null = findStatementSigner,
): PublicKey {
  const { statement } = signed;
  const name = parseDropZoneName(object.key);
  const subject = object.key;
  if (statement.bucket !== object.bucket) throw invalid("it names another bucket", subject);
  if (statement.key !== object.key) throw invalid("it names another key", subject);
  if (name === null || statement.host !== name.host) throw invalid("its host is not the key's", subject);
  if (statement.set !== name.set) throw invalid("its set is not the key's", subject);
  const signer = find(signed, keys, at);
  if (signer === null) {
    throw new AirlockError("signature-invalid", "no key of this host signed the statement", {
      subject,
      remedy: "list the host's public key in the configuration, or treat the object as forged",
    });
  }
  if (statement.size !== object.sizeBytes) {
    throw new AirlockError("size-mismatch", `${object.sizeBytes} bytes are stored, ${statement.size} were stated`, {
      subject,
    });
  }
  return signer;
}

/** Which of the keys, valid at `at`, signed the statement, whatever it speaks of. */
export function findStatementSigner(signed: SignedStatement, keys: readonly PublicKey[], at: Date): PublicKey | null {
  return findSigner(keys, canonicalBytes(signed.statement), Buffer.from(signed.signature, "base64"), at);
}

function invalid(reason: string, subject: string, cause?: unknown): AirlockError {
  return new AirlockError("statement-invalid", `the statement is not valid: ${reason}`, { subject, cause });
}
