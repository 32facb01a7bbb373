import { rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { toAirlockError, type Code } from "../shared/errors.ts";
import { isObjectName } from "../shared/names.ts";
import { decodedName, decodeStream } from "./decode.ts";
import { fetchObject, type FetchContext } from "./fetch-object.ts";
import { limitSize, type Tally } from "./limit-size.ts";
import { openPartFile, type PartFile } from "./part-file.ts";
import {
  createTemporaryFile,
  createTemporaryFolder,
  ensureFolder,
  placeFile,
  placeFolderContents,
  readBack,
  requireFree,
  type TemporaryFile,
} from "./place.ts";
import type { Plan } from "./plan.ts";
import type { StoredObject } from "./stored-object.ts";
import { listTar, requireGnuTar, unpackTar, type TarOptions } from "./unpack.ts";

export interface PlaceContext extends FetchContext, TarOptions {
  /** Stored bytes that were read from the vault, or again for decoding, so far. */
  readonly onProgress: (step: "reading" | "decoding", doneBytes: number, object: StoredObject) => void;
  /** A download broke off, and the next attempt can go on with it. */
  readonly onKept: (path: string) => void;
}

export interface Placed {
  /** What came to be; none when the bytes went to a stream. */
  readonly paths: readonly string[];
  /** Of an archive all that are in it. */
  readonly files: number;
  /** Decoded; of an archive the archive itself. */
  readonly restoredBytes: number;
  /** What tar said of what could not be restored to a file, such as an attribute that only root may set. */
  readonly remarks: readonly string[];
}

/** Decoded bytes to a stream, once all stored ones are proven. */
export async function placeInStream(
  plan: Plan,
  to: Writable,
  identities: readonly string[],
  context: PlaceContext,
): Promise<Placed> {
  await using folder = await createTemporaryFolder(tmpdir());
  await using stored = await openPartFile(folder.path, plan.object);
  await fetch(plan.object, stored, context);
  const tally = { bytes: 0 };
  const decoded = decode(plan, stored, identities, tally, context);
  await pipeline(Readable.from(decoded, { objectMode: false }), to, { end: false, signal: context.signal });
  return { paths: [], files: 1, restoredBytes: tally.bytes, remarks: [] };
}

/** The names of an archive's members to a stream, once all stored bytes are proven. */
export async function listMembers(
  plan: Plan,
  to: Writable,
  isLong: boolean,
  identities: readonly string[],
  context: PlaceContext,
): Promise<void> {
  await requireGnuTar(context);
  await using folder = await createTemporaryFolder(tmpdir());
  await using stored = await openPartFile(folder.path, plan.object);
  await fetch(plan.object, stored, context);
  await listTar(decode(plan, stored, identities, { bytes: 0 }, context), to, { ...context, isLong });
}

/** What comes of the object into a folder, beside what is there and over nothing. */
export async function placeInFolder(
  plan: Plan,
  folder: string,
  identities: readonly string[],
  context: PlaceContext,
): Promise<Placed> {
  await ensureFolder(folder);
  // Both are looked at again when it counts; here they spare a download that could not be used.
  if (plan.encoding.includes("tar")) await requireGnuTar(context);
  else await requireFree(join(folder, nameOf(plan)));
  await using stored = await openPartFile(folder, plan.object);
  return await keepingPart(stored, context, async () => {
    await fetch(plan.object, stored, context);
    if (plan.encoding.length === 0) {
      const path = join(folder, nameOf(plan));
      await placeFile(stored, path);
      return { paths: [path], files: 1, restoredBytes: plan.object.sizeBytes, remarks: [] };
    }
    await using fresh = await createTemporaryFolder(folder);
    const made = await decodeInto(plan, stored, fresh.path, identities, context);
    const names = await placeFolderContents(fresh.path, folder);
    return { ...made, paths: names.map((name) => join(folder, name)) };
  });
}

/** The object's stored bytes, proven, beside where they will be decoded. The caller disposes of the file. */
export async function fetchInto(plan: Plan, folder: string, context: PlaceContext): Promise<PartFile> {
  const stored = await openPartFile(folder, plan.object);
  try {
    await keepingPart(stored, context, () => fetch(plan.object, stored, context));
    return stored;
  } catch (error) {
    await stored[Symbol.asyncDispose]();
    throw error;
  }
}

/** What comes of proven bytes as a folder of its own, which does not exist yet and appears whole. */
export async function placeAsFolder(
  plan: Plan,
  stored: PartFile,
  path: string,
  identities: readonly string[],
  context: PlaceContext,
): Promise<Placed> {
  return await keepingPart(stored, context, async () => {
    await using fresh = await createTemporaryFolder(join(path, ".."));
    const made = await decodeInto(plan, stored, fresh.path, identities, context);
    await requireFree(path);
    await rename(fresh.path, path);
    return { ...made, paths: [path] };
  });
}

async function decodeInto(
  plan: Plan,
  stored: TemporaryFile,
  folder: string,
  identities: readonly string[],
  context: PlaceContext,
): Promise<Omit<Placed, "paths">> {
  const tally = { bytes: 0 };
  const decoded = decode(plan, stored, identities, tally, context);
  if (plan.encoding.includes("tar")) {
    const { only, devices } = plan;
    const { env, signal } = context;
    const unpacked = await unpackTar(decoded, folder, { env, signal, only, devices });
    return { ...unpacked, restoredBytes: tally.bytes };
  }
  const path = join(folder, nameOf(plan));
  if (plan.encoding.length === 0) {
    await placeFile(stored, path);
    return { files: 1, restoredBytes: plan.object.sizeBytes, remarks: [] };
  }
  await using result = await createTemporaryFile(folder);
  for await (const piece of decoded) {
    context.signal.throwIfAborted();
    await result.append(piece);
  }
  await placeFile(result, path);
  return { files: 1, restoredBytes: tally.bytes, remarks: [] };
}

function decode(
  { object, encoding, maxBytes }: Plan,
  stored: TemporaryFile,
  identities: readonly string[],
  tally: Tally,
  { onProgress }: PlaceContext,
): AsyncIterable<Uint8Array> {
  const watched = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    let doneBytes = 0;
    for await (const piece of readBack(stored.handle)) {
      yield piece;
      doneBytes += piece.length;
      onProgress("decoding", doneBytes, object);
    }
  };
  const decoded = decodeStream(watched(), encoding, identities);
  return limitSize(decoded, { maxBytes, storedBytes: object.sizeBytes }, tally);
}

async function fetch(object: StoredObject, stored: PartFile, context: PlaceContext): Promise<void> {
  await fetchObject(object, stored, context, (doneBytes) => context.onProgress("reading", doneBytes, object));
}

/** After these the same bytes are wanted again. */
const PASSING = new Set<Code>([
  "interrupted",
  "store-unavailable",
  "tls-untrusted",
  "slow-down",
  "disk-full",
  "access-denied",
  "credentials-invalid",
  "clock-skew",
]);

async function keepingPart<T>(stored: PartFile, context: PlaceContext, attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    const { code } = toAirlockError(error);
    const { size } = await stored.handle.stat();
    if ((PASSING.has(code) || context.signal.aborted) && size > 0) {
      stored.keep();
      context.onKept(stored.path);
    }
    throw error;
  }
}

/** A foreign key may end in anything; where that is no file name, the vault's encoding of it is one. */
function nameOf({ object, encoding }: Plan): string {
  const own = object.key.split("/").at(-1) ?? "";
  return decodedName(isObjectName(own) ? own : (object.vaultName.split("/").at(-1) ?? ""), encoding);
}
