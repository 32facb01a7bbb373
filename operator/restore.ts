import { createHash } from "node:crypto";
import { join } from "node:path";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { tmpdir } from "node:os";
import { AirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import { isObjectName } from "../shared/names.ts";
import type { Timing } from "../shared/retry.ts";
import type { EncodingStep } from "../shared/statement.ts";
import type { VaultReader } from "../shared/stores.ts";
import { createChooser, vouchFor, type Candidate, type Vouched } from "./choose.ts";
import { decodedName, decodeStream, isDecodable } from "./decode.ts";
import { readStoredObject } from "./download.ts";
import { readLedgers, type LedgerProblem } from "./ledger-reader.ts";
import {
  createTemporaryFile,
  createTemporaryFolder,
  ensureFolder,
  placeFile,
  placeFolderContents,
  requireFree,
  type TemporaryFile,
} from "./place.ts";
import type { Selector } from "./selector.ts";
import { storedObjectOf, type StoredObject } from "./stored-object.ts";
import { requireGnuTar, unpackTar } from "./unpack.ts";

export interface RestoreRequest {
  readonly selector: Selector;
  readonly at: Date | null;
  /** A folder, or where the decoded bytes go. */
  readonly to: string | Writable;
  /** The stored bytes as they are. */
  readonly raw: boolean;
  readonly unverified: boolean;
}

export interface RestoreContext {
  readonly reader: VaultReader;
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly hosts: ReadonlyMap<string, readonly PublicKey[]>;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asked once it is known that the object is encrypted, and before it is read. */
  readonly readIdentities: () => Promise<readonly string[]>;
  readonly onLedgerProblem: (problem: LedgerProblem) => void;
  /** Stored bytes that were read so far, of how many. */
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

export interface Restored extends Vouched {
  readonly object: StoredObject;
  /** Paths that came to be; none when the bytes went to a stream. */
  readonly paths: readonly string[];
  /** What was undone, in the order in which it had been done. */
  readonly encoding: readonly EncodingStep[];
  /** What tar said of what could not be restored to a file, such as an attribute that only root may set. */
  readonly remarks: readonly string[];
}

type Placed = Pick<Restored, "paths" | "remarks">;

/**
 * Restores one object. Nothing gets its final name before all of this is proven: the ledger's signatures and chain, the
 * host's signature, the digest of every stored byte, each chunk of the encryption, and the end of the archive.
 */
export async function restore(request: RestoreRequest, context: RestoreContext): Promise<Restored> {
  const candidate = await findObject(request, context);
  const { object } = candidate;
  const vouched = vouchFor(candidate, context.hosts, request.unverified);
  const encoding = request.raw ? [] : (object.signed?.statement.encoding ?? []);
  if (!isDecodable(encoding)) {
    throw new AirlockError(
      "object-corrupt",
      `its statement says ${encoding.join(", ")}, in which order nothing is made`,
      {
        subject: object.key,
        remedy: "restore its stored bytes with --raw",
      },
    );
  }
  const plan: Plan = { object, encoding, identities: encoding.includes("age") ? await context.readIdentities() : [] };
  const placed =
    typeof request.to === "string"
      ? await restoreToFolder(plan, request.to, context)
      : await restoreToStream(plan, request.to, context);
  return { ...vouched, object, ...placed, encoding };
}

interface Plan {
  readonly object: StoredObject;
  readonly encoding: readonly EncodingStep[];
  readonly identities: readonly string[];
}

async function findObject({ selector, at }: RestoreRequest, context: RestoreContext): Promise<Candidate> {
  const chooser = createChooser(selector, at);
  for await (const item of readLedgers(context.reader, context.movers, context.signal)) {
    if (item.kind === "problem") {
      context.onLedgerProblem(item);
      continue;
    }
    if (item.signer === null) continue; // nothing in it is proven
    for (const entry of item.segment.entries) {
      const object = storedObjectOf(entry, item.segment.header.mover, item.segment.header.segment);
      if (object !== null) chooser.consider({ object, intact: item.intact });
    }
  }
  return chooser.choose();
}

async function restoreToStream(plan: Plan, to: Writable, context: RestoreContext): Promise<Placed> {
  await using stored = await createTemporaryFile(tmpdir());
  await download(plan.object, stored, context);
  const decoded = decodeStream(readBack(stored), plan.encoding, plan.identities);
  await pipeline(Readable.from(decoded, { objectMode: false }), to, { end: false, signal: context.signal });
  return { paths: [], remarks: [] };
}

async function restoreToFolder(plan: Plan, folder: string, context: RestoreContext): Promise<Placed> {
  const { object, encoding } = plan;
  const isArchive = encoding.includes("tar");
  const path = join(folder, decodedName(fileNameOf(object), encoding));
  await ensureFolder(folder);
  // Both are looked at again when it counts; here they spare a download that could not be used.
  if (isArchive) await requireGnuTar(context);
  else await requireFree(path);

  await using stored = await createTemporaryFile(folder);
  await download(object, stored, context);
  if (encoding.length === 0) {
    await placeFile(stored, path);
    return { paths: [path], remarks: [] };
  }
  const decoded = decodeStream(readBack(stored), encoding, plan.identities);
  if (isArchive) {
    await using fresh = await createTemporaryFolder(folder);
    const remarks = await unpackTar(decoded, fresh.path, context);
    const names = await placeFolderContents(fresh.path, folder);
    return { paths: names.map((name) => join(folder, name)), remarks };
  }
  await using result = await createTemporaryFile(folder);
  for await (const piece of decoded) {
    context.signal.throwIfAborted();
    await result.append(piece);
  }
  await placeFile(result, path);
  return { paths: [path], remarks: [] };
}

/** Stored bytes into the file, and the proof that they are the ones that the ledger recorded. */
async function download(object: StoredObject, file: TemporaryFile, context: RestoreContext): Promise<void> {
  const hash = createHash("sha256");
  let doneBytes = 0;
  for await (const piece of readStoredObject(context.reader, object, context.timing, context.signal)) {
    hash.update(piece);
    await file.append(piece);
    doneBytes += piece.length;
    context.onProgress(doneBytes, object.sizeBytes);
  }
  const digest = hash.digest("hex");
  if (digest !== object.sha256) {
    throw new AirlockError(
      "object-corrupt",
      `its bytes have the digest ${digest}, the ledger recorded ${object.sha256}`,
      {
        subject: object.vaultName,
        remedy: "run `airlock verify --read`, and restore another object with --at",
      },
    );
  }
}

function readBack(file: TemporaryFile): AsyncIterable<Uint8Array> {
  return file.handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 256 * 1024 });
}

/** A foreign key may end in anything; where that is no file name, the vault's encoding of it is one. */
function fileNameOf(object: StoredObject): string {
  const own = object.key.split("/").at(-1) ?? "";
  return isObjectName(own) ? own : (object.vaultName.split("/").at(-1) ?? "");
}
