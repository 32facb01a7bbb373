/**
 * A checkpoint's format: pure functions between what the ledger adds up to and the bytes of
 * `_airlock/checkpoint/<mover>/<segment>.json`. It saves reading what it sums up; the ledger alone is the evidence.
 */
import canonicalize from "canonicalize";
import { z } from "zod";
import { AirlockError } from "../shared/errors.ts";
import { findSigner, signBytes, type PublicKey, type SigningKey } from "../shared/keys.ts";
import { checkpointName, type ChainHead } from "../shared/ledger.ts";
import { booksSchema, type BooksState } from "./books.ts";

const checkpointSchema = z.strictObject({
  v: z.literal(1),
  mover: z.string().min(1).max(63),
  /** The last one that is summed up, the digest of its bytes, and the index of the last entry so far. */
  segment: z.int().min(1),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  index: z.int().min(0),
  writtenAt: z.iso.datetime({ precision: 3 }),
  /** Whose hosts it sums up: the i-th of n shares; and the last segment of each other mover's ledger in it. */
  share: z.string().max(16).optional(),
  others: z.array(z.strictObject({ mover: z.string().max(63), segment: z.int().min(1) })).optional(),
  books: booksSchema,
});
const envelopeSchema = z.strictObject({
  checkpoint: checkpointSchema,
  key: z.string(),
  signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/),
});

export interface Checkpoint {
  readonly head: ChainHead;
  readonly books: BooksState;
  readonly origin?: BooksOrigin;
}

/** What books were made from besides the mover's own ledger. */
export interface BooksOrigin {
  /** `i/n` */
  readonly share: string;
  /** By mover, the last segment of its ledger. */
  readonly others: ReadonlyMap<string, number>;
}

export function formatCheckpoint(
  { head, books, origin }: Checkpoint,
  mover: string,
  writtenAt: Date,
  key: SigningKey,
): Uint8Array {
  const others = Array.from(origin?.others ?? [], ([name, segment]) => ({ mover: name, segment }));
  const from = origin === undefined ? {} : { share: origin.share, others };
  const checkpoint = { v: 1, mover, ...head, writtenAt: writtenAt.toISOString(), ...from, books };
  const signature = signBytes(key, canonicalBytes(checkpoint)).toString("base64");
  return Buffer.from(`${JSON.stringify({ checkpoint, key: key.public.id, signature })}\n`);
}

/** @throws {AirlockError} `ledger-corrupt` where it is none of this mover's, of this segment, signed with this key */
export function parseCheckpoint(bytes: Uint8Array, mover: string, segment: number, key: PublicKey): Checkpoint {
  const fail = (reason: string, cause?: unknown): never => {
    throw new AirlockError("ledger-corrupt", `checkpoint ${segment} of mover ${mover}: ${reason}`, {
      subject: checkpointName(mover, segment),
      cause,
    });
  };
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    return fail("it is not JSON", cause);
  }
  const parsed = envelopeSchema.safeParse(json);
  if (!parsed.success) return fail(z.prettifyError(parsed.error).replaceAll("\n", " ").slice(0, 300));
  const { checkpoint, signature } = parsed.data;
  const signer = findSigner(
    [key],
    canonicalBytes(checkpoint),
    Buffer.from(signature, "base64"),
    new Date(checkpoint.writtenAt),
  );
  if (signer === null) return fail("this mover's key did not sign it");
  if (checkpoint.mover !== mover || checkpoint.segment !== segment) return fail("it sums up another segment");
  const { digest, index, books, share = "1/1", others = [] } = checkpoint;
  const origin = { share, others: new Map(others.map((other) => [other.mover, other.segment])) };
  return { head: { segment, digest, index }, books, origin };
}

function canonicalBytes(value: object): Buffer {
  return Buffer.from(canonicalize(value) ?? "", "utf8");
}
