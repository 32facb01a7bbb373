import { AirlockError, isAirlockError } from "../shared/errors.ts";
import { backoffMs, type Timing } from "../shared/retry.ts";
import type { ByteRange, OpenedObject, VaultReader } from "../shared/stores.ts";
import { prefetch } from "./prefetch.ts";

const RANGE_BYTES = 8 * 1024 * 1024;
/** With the size above, and the one being used: 40 MiB in memory, however large the object. */
const RANGES_AHEAD = 4;
const RETRY = { attempts: 6, baseMs: 200, capMs: 10_000 };

/** Exactly which bytes are meant and how many the ledger says there are. */
export interface Wanted {
  readonly vaultName: string;
  /** null: recorded without one; the latest is read, and the digest decides. */
  readonly vaultVersionId: string | null;
  readonly sizeBytes: number;
}

/**
 * The bytes of an object in order, from parallel ranges; a range that breaks off is read again. Nothing here knows
 * whether they are the right ones: the caller compares their digest.
 * @throws {AirlockError} `object-corrupt` when it is not there, or not of the size that the ledger recorded
 */
export async function* readStoredObject(
  reader: VaultReader,
  wanted: Wanted,
  timing: Timing,
  signal: AbortSignal,
  { rangesAhead = RANGES_AHEAD, fromByte = 0 }: ReadOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const load = (range: ByteRange | null, rangeSignal: AbortSignal): Promise<Buffer> =>
    readRange(reader, wanted, range, timing, rangeSignal);
  if (fromByte === 0 && wanted.sizeBytes <= RANGE_BYTES) {
    yield await load(null, signal);
    return;
  }
  yield* prefetch(rangesOf(fromByte, wanted.sizeBytes), rangesAhead, load, signal);
}

export interface ReadOptions {
  readonly rangesAhead?: number;
  /** What is before it is not read. */
  readonly fromByte?: number;
}

/** The beginning of an object, at most a range of it. */
export function readBeginning(
  reader: VaultReader,
  wanted: Wanted,
  lengthBytes: number,
  timing: Timing,
  signal: AbortSignal,
): Promise<Buffer> {
  const last = Math.min(lengthBytes, RANGE_BYTES, wanted.sizeBytes) - 1;
  return readRange(reader, wanted, { first: 0, last }, timing, signal);
}

function* rangesOf(fromByte: number, sizeBytes: number): Generator<ByteRange, void, undefined> {
  for (let first = fromByte; first < sizeBytes; first += RANGE_BYTES) {
    yield { first, last: Math.min(first + RANGE_BYTES, sizeBytes) - 1 };
  }
}

/** The store's client repeats a request that is not answered; a body that breaks off is asked for again here. */
async function readRange(
  reader: VaultReader,
  wanted: Wanted,
  range: ByteRange | null,
  timing: Timing,
  signal: AbortSignal,
): Promise<Buffer> {
  for (let failures = 1; ; failures++) {
    const opened = await openWanted(reader, wanted, range, signal);
    if (opened.sizeBytes !== wanted.sizeBytes) {
      opened.close();
      throw corrupt(wanted, `the vault holds ${opened.sizeBytes} bytes, the ledger recorded ${wanted.sizeBytes}`);
    }
    try {
      return await readBody(opened, wanted, range === null ? wanted.sizeBytes : range.last - range.first + 1);
    } catch (error) {
      if (failures >= RETRY.attempts || !isAirlockError(error, "store-unavailable", "slow-down")) throw error;
    }
    await timing.sleep(
      backoffMs(failures, RETRY, () => timing.random()),
      signal,
    );
  }
}

async function readBody(opened: OpenedObject, wanted: Wanted, lengthBytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(lengthBytes);
  let filled = 0;
  for await (const chunk of opened.body) {
    if (filled + chunk.length > lengthBytes) throw corrupt(wanted, "the vault sent more bytes than it announced");
    buffer.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled === lengthBytes) return buffer;
  throw new AirlockError("store-unavailable", `the vault sent ${filled} of ${lengthBytes} bytes`, {
    subject: wanted.vaultName,
  });
}

async function openWanted(
  reader: VaultReader,
  wanted: Wanted,
  range: ByteRange | null,
  signal: AbortSignal,
): Promise<OpenedObject> {
  const { vaultName, vaultVersionId } = wanted;
  try {
    return await reader.openObject(vaultName, vaultVersionId, range, signal).catch((error: unknown) => {
      // In a copy of the vault (another bucket, another provider) versions have other ids, which a store may not even take
      // for ids: what has the name is read, and the digest decides, as for what was recorded without one.
      if (vaultVersionId === null || !isAirlockError(error, "not-found", "request-invalid")) throw error;
      return reader.openObject(vaultName, null, range, signal);
    });
  } catch (error) {
    if (isAirlockError(error, "not-found"))
      throw corrupt(wanted, "the ledger records it and the vault does not hold it", error);
    // 416: the object is shorter than the range that the ledger's size asks for
    if (range !== null && isAirlockError(error, "request-invalid")) {
      throw corrupt(wanted, `the vault holds fewer than the ${wanted.sizeBytes} bytes that the ledger recorded`, error);
    }
    throw error;
  }
}

function corrupt(wanted: Wanted, message: string, cause?: unknown): AirlockError {
  return new AirlockError("object-corrupt", message, {
    subject: wanted.vaultName,
    remedy: "run `airlock verify`, and restore an earlier object with --at",
    cause,
  });
}
