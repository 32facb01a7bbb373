/**
 * A checkpoint that the operator keeps elsewhere: which segments the ledgers had, by their digests. A later ledger that
 * does not hold them was cut off or rewritten, which nothing in the vault itself can tell from the mover's own work.
 */
import { z } from "zod";
import { AirlockError } from "../shared/errors.ts";

export const MAX_CHECKPOINT_BYTES = 16 * 2 ** 20;
/** Of one ledger; beyond that every second of the older ones is left out. */
const MAX_MARKS = 500;

const markSchema = z.strictObject({ segment: z.int().min(1), digest: z.string().regex(/^[0-9a-f]{64}$/) });
const fileSchema = z.strictObject({
  checkpoint: z.strictObject({
    v: z.literal(1),
    bucket: z.string(),
    takenAt: z.iso.datetime({ precision: 3 }),
    movers: z.array(z.strictObject({ mover: z.string().min(1).max(63), marks: z.array(markSchema).min(1) })),
  }),
});

/** A segment as it was seen. */
export type Mark = Readonly<z.infer<typeof markSchema>>;

export interface Checkpoint {
  readonly bucket: string;
  readonly takenAt: Date;
  /** By mover; marks ascending, the last one the ledger's head then. */
  readonly movers: ReadonlyMap<string, readonly Mark[]>;
}

/** @throws {AirlockError} `config-invalid` where it is no checkpoint, or another vault's */
export function parseCheckpoint(bytes: Uint8Array, file: string, bucket: string): Checkpoint {
  const fail = (reason: string, cause?: unknown): never => {
    throw new AirlockError("config-invalid", `not a checkpoint of this vault: ${reason}`, {
      subject: file,
      remedy: "name a file that `airlock verify --checkpoint FILE` wrote",
      cause,
    });
  };
  if (bytes.length > MAX_CHECKPOINT_BYTES) fail(`it is larger than ${MAX_CHECKPOINT_BYTES} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    return fail("it is not JSON", cause);
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) return fail(z.prettifyError(parsed.error).replaceAll("\n", " ").slice(0, 300));
  const { checkpoint } = parsed.data;
  if (checkpoint.bucket !== bucket) fail(`it is of the bucket ${checkpoint.bucket}`);
  const movers = new Map<string, readonly Mark[]>();
  for (const { mover, marks } of checkpoint.movers) {
    const isAscending = marks.every(({ segment }, at) => at === 0 || segment > (marks[at - 1]?.segment ?? 0));
    if (!isAscending || movers.has(mover)) fail(`the segments of ${mover} are not in order`);
    movers.set(mover, marks);
  }
  return { bucket, takenAt: new Date(checkpoint.takenAt), movers };
}

export function formatCheckpoint({ bucket, takenAt, movers }: Checkpoint): string {
  const listed = Array.from(movers, ([mover, marks]) => ({ mover, marks }));
  return `${JSON.stringify({ checkpoint: { v: 1, bucket, takenAt: takenAt.toISOString(), movers: listed } })}\n`;
}

/** Of a ledger that is read in order, the head and those segments before it that tell best where another one departs. */
export interface Marks {
  see(mark: Mark): void;
  /** Ascending. */
  list(): readonly Mark[];
}

/** Keeps the last multiple of each power of two: a few dozen, the denser the nearer to the head. */
export function collectMarks(): Marks {
  const lastMultiple: Mark[] = [];
  return {
    see: (mark) => {
      for (let power = 0, step = 1; mark.segment % step === 0 && power < 50; power++, step *= 2)
        lastMultiple[power] = mark;
    },
    list: () => {
      const marks = new Map(lastMultiple.map((mark) => [mark.segment, mark]));
      return [...marks.values()].toSorted((a, b) => a.segment - b.segment);
    },
  };
}

/** What the new checkpoint keeps of the one that it replaces: its marks go on telling where a ledger departs. */
export function mergeMarks(former: readonly Mark[], latest: readonly Mark[]): readonly Mark[] {
  const marks = new Map([...former, ...latest].map((mark) => [mark.segment, mark]));
  let merged = [...marks.values()].toSorted((a, b) => a.segment - b.segment);
  while (merged.length > MAX_MARKS) {
    const older = merged.slice(0, MAX_MARKS / 2);
    merged = [...older.filter((_, at) => at % 2 === 1), ...merged.slice(MAX_MARKS / 2)];
  }
  return merged;
}
