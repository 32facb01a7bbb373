import { isAirlockError } from "../shared/errors.ts";
import type { VaultReader } from "../shared/stores.ts";
import { opensHeader } from "./age-payload.ts";
import type { OperatorConfig } from "./config.ts";
import type { KitSeen, LedgerHead } from "./kit.ts";
import { readLedgers, type LedgerProblem } from "./ledger-reader.ts";
import { storedObjectOf, type StoredObject } from "./stored-object.ts";

/** Room for some thirty post-quantum recipients, or hundreds of others. */
const HEADER_BYTES = 64 * 1024;

export interface Survey extends KitSeen {
  /** Of each set the newest object, if it is encrypted; in the sets' order. */
  readonly encrypted: readonly StoredObject[];
}

export interface SurveyContext {
  readonly reader: VaultReader;
  readonly config: Pick<OperatorConfig, "movers">;
  readonly signal: AbortSignal;
  readonly onLedgerProblem: (problem: LedgerProblem) => void;
}

/** Reads the ledgers for where they end and what the newest of each set is; only what a mover's listed key signed counts. */
export async function surveyVault({ reader, config, signal, onLedgerProblem }: SurveyContext): Promise<Survey> {
  const heads = new Map<string, LedgerHead>();
  const damaged = new Set<string>();
  const newest = new Map<string, StoredObject>();
  for await (const item of readLedgers(reader, config.movers, signal)) {
    if (item.kind === "problem") {
      if (item.code !== "mover-unknown") damaged.add(item.mover);
      onLedgerProblem(item);
      continue;
    }
    if (item.signer === null) continue;
    const { header, entries, digest } = item.segment;
    heads.set(header.mover, { mover: header.mover, segment: header.segment, digest });
    for (const entry of entries) {
      const object = storedObjectOf(entry, header.mover, header.segment);
      if (object === null || object.set === null) continue;
      const before = newest.get(object.group);
      if (before === undefined || before.at <= object.at) newest.set(object.group, object);
    }
  }
  const sets = [...newest.keys()].toSorted();
  return {
    heads: [...heads.values()].filter(({ mover }) => !damaged.has(mover)),
    withoutHead: [...damaged],
    sets,
    encrypted: sets.flatMap((set) => newest.get(set) ?? []).filter(isEncrypted),
  };
}

function isEncrypted({ signed }: StoredObject): boolean {
  return signed?.statement.encoding.at(-1) === "age";
}

/** The beginning of an encrypted object, which says to whom it is encrypted. */
export interface Sealed {
  readonly set: string;
  readonly beginning: Uint8Array;
}

export interface SealedObjects {
  readonly sealed: readonly Sealed[];
  /** Sets whose newest object can't be read now (an archive class) or is not in the vault, which is for `verify` to say. */
  readonly unreadable: readonly string[];
}

export async function readBeginnings(
  reader: VaultReader,
  objects: readonly StoredObject[],
  signal: AbortSignal,
): Promise<SealedObjects> {
  const sealed: Sealed[] = [];
  const unreadable: string[] = [];
  for (const object of objects) {
    try {
      sealed.push({ set: object.group, beginning: await readBeginning(reader, object, signal) });
    } catch (error) {
      if (!isAirlockError(error, "not-found", "object-unreadable", "request-invalid")) throw error;
      unreadable.push(object.group);
    }
  }
  return { sealed, unreadable };
}

async function readBeginning(reader: VaultReader, object: StoredObject, signal: AbortSignal): Promise<Uint8Array> {
  const range = { first: 0, last: Math.min(object.sizeBytes, HEADER_BYTES) - 1 };
  const opened = await reader.openObject(object.vaultName, object.vaultVersionId, range, signal);
  const pieces: Uint8Array[] = [];
  for await (const piece of opened.body) pieces.push(piece);
  return Buffer.concat(pieces).subarray(0, HEADER_BYTES);
}

export interface Opened {
  readonly opens: readonly string[];
  readonly opensNot: readonly string[];
}

/** Which sets' newest objects an identity opens. What is no age file, whatever its statement says, it does not open. */
export async function tryIdentity(identity: string, sealed: readonly Sealed[]): Promise<Opened> {
  const opens: string[] = [];
  const opensNot: string[] = [];
  for (const { set, beginning } of sealed) {
    const group = (await opensIt(beginning, identity)) ? opens : opensNot;
    group.push(set);
  }
  return { opens, opensNot };
}

async function opensIt(beginning: Uint8Array, identity: string): Promise<boolean> {
  try {
    return await opensHeader(beginning, [identity]);
  } catch (error) {
    if (isAirlockError(error, "object-corrupt", "decrypt-failed")) return false;
    throw error;
  }
}
