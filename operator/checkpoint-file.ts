import { open } from "node:fs/promises";
import { AirlockError } from "../shared/errors.ts";
import { errorCode, replaceFile } from "../shared/files.ts";
import {
  formatCheckpoint,
  MAX_CHECKPOINT_BYTES,
  mergeMarks,
  parseCheckpoint,
  type Checkpoint,
  type Mark,
} from "./checkpoint.ts";

/** @throws {AirlockError} `config-invalid` where it can't be read, is no checkpoint, or is another vault's */
export async function readCheckpointFile(file: string, bucket: string): Promise<Checkpoint> {
  const read = await readIfThere(file);
  if (read !== null) return parseCheckpoint(read, file, bucket);
  throw new AirlockError("config-invalid", "there is no such checkpoint", {
    subject: file,
    remedy: "make one with `airlock verify --checkpoint FILE`",
  });
}

/** null: there is no such file yet. Whatever else is there is read, so that nothing but a checkpoint is replaced. */
export async function readFormerCheckpoint(file: string, bucket: string): Promise<Checkpoint | null> {
  const read = await readIfThere(file);
  return read === null ? null : parseCheckpoint(read, file, bucket);
}

export async function writeCheckpointFile(
  file: string,
  former: Checkpoint | null,
  latest: { readonly bucket: string; readonly marks: ReadonlyMap<string, readonly Mark[]>; readonly takenAt: Date },
): Promise<void> {
  const { bucket, marks, takenAt } = latest;
  const movers = new Map(former?.movers);
  for (const [mover, list] of marks) movers.set(mover, mergeMarks(movers.get(mover) ?? [], list));
  await replaceFile(file, formatCheckpoint({ bucket, takenAt, movers }), { mode: 0o644 });
}

async function readIfThere(file: string): Promise<Uint8Array | null> {
  try {
    await using handle = await open(file, "r");
    const { size } = await handle.stat();
    if (size <= MAX_CHECKPOINT_BYTES) return await handle.readFile();
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return null;
    throw new AirlockError("config-invalid", `the checkpoint can't be read: ${String(errorCode(cause) ?? cause)}`, {
      subject: file,
      remedy: "name a file that this user may read",
      cause,
    });
  }
  throw new AirlockError("config-invalid", `larger than a checkpoint is: over ${MAX_CHECKPOINT_BYTES} bytes`, {
    subject: file,
    remedy: "name a file that `airlock verify --checkpoint FILE` wrote",
  });
}
