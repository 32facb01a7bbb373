/** Checkpoints that movers wrote into the vault, held against the segments that they sum up. */
import canonicalize from "canonicalize";
import { z } from "zod";
import { isAirlockError } from "../shared/errors.ts";
import { findSigner, type PublicKey } from "../shared/keys.ts";
import { checkpointName } from "../shared/ledger.ts";
import type { VaultReader } from "../shared/stores.ts";
import type { Finding, Report } from "./findings.ts";
import { listPages } from "./list-pages.ts";

/** A mover writes no larger one. */
const MAX_BYTES = 128 * 2 ** 20;
/** At one for 10,000 segments, more than there ever are; what lies beyond is not looked into. */
const MAX_CHECKPOINTS = 10_000;
const NAME = /^_airlock\/checkpoint\/([^/]+)\/(\d{12})\.json$/;

// What is summed up is the mover's business; it need only be the mover who says it, and of this segment.
const schema = z.strictObject({
  checkpoint: z.looseObject({
    v: z.literal(1),
    mover: z.string(),
    segment: z.int().min(1),
    digest: z.string(),
    index: z.int().min(0),
    writtenAt: z.iso.datetime({ precision: 3 }),
  }),
  key: z.string(),
  signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/),
});

export interface MoverCheckpoint {
  readonly mover: string;
  readonly segment: number;
}

export async function listMoverCheckpoints(
  reader: VaultReader,
  signal: AbortSignal,
): Promise<readonly MoverCheckpoint[]> {
  const found = new Map<string, MoverCheckpoint>();
  for await (const page of listPages(reader, "_airlock/checkpoint/", signal)) {
    for (const { key } of page.versions) {
      const [, mover = "", digits = "0"] = NAME.exec(key) ?? [];
      if (Number(digits) > 0 && found.size < MAX_CHECKPOINTS) found.set(key, { mover, segment: Number(digits) });
    }
  }
  return [...found.values()];
}

export interface CheckpointContext {
  readonly reader: VaultReader;
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly signal: AbortSignal;
  readonly report: Report;
  /** What the ledger has there; null: it was read, and has no such segment. */
  readonly segmentAt: (mover: string, segment: number) => { readonly digest: string; readonly index: number } | null;
  /** The last segment of the mover's ledger; 0 without one. */
  readonly lastSegmentOf: (mover: string) => number;
}

export async function checkMoverCheckpoints(
  checkpoints: readonly MoverCheckpoint[],
  context: CheckpointContext,
): Promise<void> {
  for (const checkpoint of checkpoints) {
    // that nobody vouches for this mover is a finding of its own
    if (!context.movers.has(checkpoint.mover)) continue;
    const finding = await checkOne(checkpoint, context);
    if (finding !== null) context.report(finding);
  }
}

async function checkOne({ mover, segment }: MoverCheckpoint, context: CheckpointContext): Promise<Finding | null> {
  const name = checkpointName(mover, segment);
  const finding = (code: Finding["code"], message: string, at = segment): Finding => ({
    code,
    subject: name,
    message: `checkpoint ${segment} of mover ${mover}: ${message}`,
    mover,
    segment: at,
  });
  const parsed = await readCheckpoint(context, name);
  if (typeof parsed === "string") return finding("checkpoint-invalid", parsed);
  const { checkpoint, signature } = parsed;
  const signer = findSigner(
    context.movers.get(mover) ?? [],
    Buffer.from(canonicalize(checkpoint) ?? "", "utf8"),
    Buffer.from(signature, "base64"),
    new Date(checkpoint.writtenAt),
  );
  if (signer === null) return finding("checkpoint-invalid", "no key that is listed for this mover signed it");
  if (checkpoint.mover !== mover || checkpoint.segment !== segment)
    return finding("checkpoint-invalid", "it sums up another segment than its name says");
  const last = context.lastSegmentOf(mover);
  if (last < segment) return finding("ledger-rolled-back", `the ledger ends with segment ${last}`, last + 1);
  const there = context.segmentAt(mover, segment);
  if (there === null) return null; // missing or damaged, and reported as such
  if (there.digest !== checkpoint.digest || there.index !== checkpoint.index)
    return finding("ledger-rewritten", "the segment that lies there is not the one that it sums up");
  return null;
}

/** What is wrong with it, in words, where it is no checkpoint at all. */
async function readCheckpoint(
  { reader, signal }: CheckpointContext,
  name: string,
): Promise<z.infer<typeof schema> | string> {
  try {
    const opened = await reader.openObject(name, null, null, signal);
    if (opened.sizeBytes > MAX_BYTES) {
      opened.close();
      return `it is larger than ${MAX_BYTES} bytes`;
    }
    const parsed = schema.safeParse(JSON.parse(Buffer.concat(await Array.fromAsync(opened.body)).toString("utf8")));
    return parsed.success ? parsed.data : z.prettifyError(parsed.error).replaceAll("\n", " ").slice(0, 300);
  } catch (error) {
    if (error instanceof SyntaxError) return "it is not JSON";
    if (isAirlockError(error, "not-found", "object-unreadable")) return "it is listed and can't be read";
    throw error;
  }
}
