/**
 * The ledger's format: pure functions between entries and a segment's bytes. One segment is one object in the vault,
 * created once and never again; `prev` chains it to the one before and its last line signs all that is above.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { AirlockError } from "./errors.ts";
import { findSigner, signBytes, type PublicKey, type SigningKey } from "./keys.ts";
import { statementSchema } from "./statement.ts";

export const MAX_SEGMENT_ENTRIES = 1000;
export const MAX_SEGMENT_BYTES = 1024 * 1024;
/** One entry's share of the above at most, and any other line's but that of the holds. */
export const MAX_LINE_BYTES = 64 * 1024;
/** Of the line that counts what is held, by host. */
export const MAX_HOLDS_LINE_BYTES = 512 * 1024;
const HOLDS_LINE = '{"holds"';

const hexSha256 = z.string().regex(/^[0-9a-f]{64}$/);
const keyId = z.string().regex(/^[0-9a-f]{16}$/);
const time = z.iso.datetime({ precision: 3 });
const signature = z.string().regex(/^[A-Za-z0-9+/]{86}==$/);

const headerSchema = z.strictObject({
  v: z.literal(1),
  mover: z.string().min(1).max(63),
  segment: z.int().min(1),
  prev: hexSha256.nullable(),
  writtenAt: time,
});

export const dispositions = [
  "archived",
  "already-archived",
  "duplicate",
  "released-by-operator",
  "discarded-by-operator",
  "finding",
] as const;
export type Disposition = (typeof dispositions)[number];

export const exposureOrigins = ["event", "statement", "object", "first-sight"] as const;
/** What an exposure is counted from: the event's time, the statement object's, the object's own, or when it was first seen. */
export type ExposureOrigin = (typeof exposureOrigins)[number];

const findingSchema = z.strictObject({
  code: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  /** Whom it is about, where no object of the same entry says so. */
  host: z.string().max(63).optional(),
  set: z.string().max(63).optional(),
  epoch: z.string().max(22).optional(),
  seq: z.int().min(1).optional(),
  detail: z.string().max(300).optional(),
});

const entrySchema = z.strictObject({
  index: z.int().min(1),
  at: time,
  source: z
    .strictObject({
      bucket: z.string(),
      key: z.string(),
      versionId: z.string().nullable(),
      etag: z.string(),
      size: z.int().min(0),
      lastModified: time,
      tags: z.array(z.strictObject({ key: z.string(), value: z.string() })),
    })
    .nullable(),
  vault: z.strictObject({ name: z.string(), versionId: z.string().nullable() }).nullable(),
  sha256: hexSha256.nullable(),
  statement: statementSchema.nullable(),
  signature: signature.nullable(),
  hostKey: keyId.nullable(),
  exposureMs: z.int().min(0).nullable(),
  exposureFrom: z.enum(exposureOrigins).nullable(),
  disposition: z.enum(dispositions),
  findings: z.array(findingSchema),
});

const holdsSchema = z.strictObject({ holds: z.record(z.string(), z.record(z.string(), z.int().min(1))) });
const sealSchema = z.strictObject({ signature, key: keyId });

export type SegmentHeader = Readonly<z.infer<typeof headerSchema>>;
/** One line of the ledger. Sizes in bytes, times in ISO 8601 UTC with milliseconds. */
export type Entry = Readonly<z.infer<typeof entrySchema>>;
export type NewEntry = Omit<Entry, "index">;
/** What was noticed about a host's objects; it never holds one. Its codes are in `mover/findings.ts`. */
export type EntryFinding = Readonly<z.infer<typeof findingSchema>>;
/** Number of held objects by host (`*` for hosts that are not configured) and reason. */
export type Holds = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface Segment {
  readonly header: SegmentHeader;
  readonly entries: readonly Entry[];
  /** null where the segment says nothing new about holds. */
  readonly holds: Holds | null;
  /** The mover key that signed it, as the segment claims until {@link verifySegment}. */
  readonly keyId: string;
  readonly signature: string;
  /** Hex SHA-256 of the whole segment: the next one's `prev`. */
  readonly digest: string;
  readonly signedBytes: Uint8Array;
}

/** `_airlock/ledger/<mover>/<12 digits>.jsonl` */
export function segmentName(mover: string, segment: number): string {
  return `${ledgerPrefix(mover)}${String(segment).padStart(12, "0")}.jsonl`;
}

/** `_airlock/checkpoint/<mover>/<12 digits>.json`: what the segments up to this one add up to. */
export function checkpointName(mover: string, segment: number): string {
  return `${checkpointPrefix(mover)}${String(segment).padStart(12, "0")}.json`;
}

export function checkpointPrefix(mover: string): string {
  return `_airlock/checkpoint/${mover}/`;
}

export function ledgerPrefix(mover: string): string {
  return `_airlock/ledger/${mover}/`;
}

/** The number in a segment's name, or null for any other name. */
export function parseSegmentName(mover: string, name: string): number | null {
  const match = /^(\d{12})\.jsonl$/.exec(
    name.startsWith(ledgerPrefix(mover)) ? name.slice(ledgerPrefix(mover).length) : "",
  );
  const number = Number(match?.[1] ?? 0);
  return number > 0 ? number : null;
}

/** An entry as its line, newline included: what counts towards {@link MAX_SEGMENT_BYTES}. */
export function formatEntry(entry: Entry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** A whole segment. `lines` come from {@link formatEntry}. */
export function buildSegment(
  header: SegmentHeader,
  lines: readonly string[],
  holds: Holds | null,
  key: SigningKey,
): Buffer {
  const body = Buffer.from(
    [`${JSON.stringify(header)}\n`, ...lines, ...(holds === null ? [] : [`${JSON.stringify({ holds })}\n`])].join(""),
  );
  const seal = { signature: signBytes(key, body).toString("base64"), key: key.public.id };
  return Buffer.concat([body, Buffer.from(`${JSON.stringify(seal)}\n`)]);
}

/** Hex SHA-256 of a segment's bytes. */
export function segmentDigest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** @throws {AirlockError} `ledger-corrupt`, naming the segment and the line. */
export function parseSegment(bytes: Uint8Array, mover: string, segment: number): Segment {
  const fail = (reason: string, cause?: unknown): never => {
    throw new AirlockError("ledger-corrupt", `segment ${segment} of mover ${mover}: ${reason}`, {
      subject: segmentName(mover, segment),
      remedy: "run `airlock verify` and keep the vault as it is",
      cause,
    });
  };
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length === 0 || buffer.at(-1) !== 0x0a) fail("it does not end with a whole line");
  const lines: string[] = [];
  const starts: number[] = [];
  for (let start = 0; start < buffer.length;) {
    const end = buffer.indexOf(0x0a, start);
    const isHolds = buffer.toString("latin1", start, start + HOLDS_LINE.length) === HOLDS_LINE;
    const maxBytes = isHolds ? MAX_HOLDS_LINE_BYTES : MAX_LINE_BYTES;
    if (end - start > maxBytes) fail(`line ${lines.length + 1} is longer than ${maxBytes} bytes`);
    starts.push(start);
    lines.push(buffer.toString("utf8", start, end));
    if (lines.length > MAX_SEGMENT_ENTRIES + 3) fail(`it has more than ${MAX_SEGMENT_ENTRIES} entries`);
    start = end + 1;
  }
  const read = <T>(schema: z.ZodType<T>, number: number): T => {
    let json: unknown;
    try {
      json = JSON.parse(lines[number] ?? "");
    } catch (cause) {
      return fail(`line ${number + 1} is not JSON`, cause);
    }
    const parsed = schema.safeParse(json);
    return parsed.success
      ? parsed.data
      : fail(`line ${number + 1}: ${z.prettifyError(parsed.error).replaceAll("\n", " ").slice(0, 300)}`);
  };
  if (lines.length < 2) fail("it has no signature");
  const header = read(headerSchema, 0);
  if (header.mover !== mover || header.segment !== segment) fail("its header names another segment");
  if ((header.segment === 1) !== (header.prev === null)) fail("prev is null for segment 1, and only there");
  const last = lines.length - 1;
  const seal = read(sealSchema, last);
  // Nothing signs this line, so it has exactly one form: base64 has spare bits and JSON has spaces.
  const bytesOfSignature = Buffer.from(seal.signature, "base64");
  if (lines[last] !== JSON.stringify({ signature: bytesOfSignature.toString("base64"), key: seal.key })) {
    fail(`line ${last + 1}: it is not the one form that a signature's line has`);
  }
  const withHolds = last > 1 && (lines[last - 1] ?? "").startsWith(HOLDS_LINE);
  const holds = withHolds ? read(holdsSchema, last - 1).holds : null;
  const entries: Entry[] = [];
  for (let number = 1; number < (withHolds ? last - 1 : last); number++) {
    const entry = read(entrySchema, number);
    const before = entries.at(-1);
    if (before !== undefined && entry.index !== before.index + 1)
      fail(`line ${number + 1}: index ${entry.index} does not follow ${before.index}`);
    entries.push(entry);
  }
  if (entries.length > MAX_SEGMENT_ENTRIES) fail(`it has more than ${MAX_SEGMENT_ENTRIES} entries`);
  return {
    header,
    entries,
    holds,
    keyId: seal.key,
    signature: seal.signature,
    digest: segmentDigest(buffer),
    signedBytes: buffer.subarray(0, starts[last]),
  };
}

/** Which of the mover's keys signed the segment: the one that it names, valid at the time that the segment claims. */
export function verifySegment(segment: Segment, keys: readonly PublicKey[]): PublicKey | null {
  const named = keys.filter(({ id }) => id === segment.keyId);
  return findSigner(
    named,
    segment.signedBytes,
    Buffer.from(segment.signature, "base64"),
    new Date(segment.header.writtenAt),
  );
}

export interface ChainHead {
  readonly segment: number;
  readonly digest: string;
  /** Index of the last entry so far; 0 before the first. */
  readonly index: number;
}

/** Extends a chain by its next segment. @throws {AirlockError} `ledger-corrupt` when it does not follow. */
export function extendChain(head: ChainHead | null, next: Segment): ChainHead {
  const { header } = next;
  const fail = (reason: string): never => {
    throw new AirlockError("ledger-corrupt", `segment ${header.segment} of mover ${header.mover}: ${reason}`, {
      subject: segmentName(header.mover, header.segment),
      remedy: "keep the vault as it is and compare with an older copy of the ledger",
    });
  };
  if (header.segment !== (head?.segment ?? 0) + 1) fail(`segment ${(head?.segment ?? 0) + 1} is missing before it`);
  if (header.prev !== (head?.digest ?? null)) fail(`it does not follow the bytes of segment ${header.segment - 1}`);
  const first = next.entries[0];
  if (first !== undefined && first.index !== (head?.index ?? 0) + 1)
    fail(`index ${first.index} does not follow ${head?.index ?? 0}`);
  return { segment: header.segment, digest: next.digest, index: next.entries.at(-1)?.index ?? head?.index ?? 0 };
}
