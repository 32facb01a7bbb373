import { AirlockError, isAirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import type { EncodingStep } from "../shared/statement.ts";
import { opensHeader } from "./age-payload.ts";
import { vouchFor, type Candidate, type Vouched } from "./choose.ts";
import { isDecodable } from "./decode.ts";
import { readBeginning } from "./download.ts";
import type { FetchContext } from "./fetch-object.ts";
import { defaultSizeLimit } from "./limit-size.ts";
import type { StoredObject } from "./stored-object.ts";

/** What was asked for, of each object alike. */
export interface PlanOptions {
  /** The stored bytes as they are. */
  readonly raw: boolean;
  readonly unverified: boolean;
  /** Members of the archive, and what lies below them; none: all. */
  readonly only: readonly string[];
  /** Whether device nodes may come to be. */
  readonly devices: boolean;
  /** How large it may be when it is decoded; null: by its stored size. */
  readonly maxBytes: number | null;
}

/** One object that was vouched for, and what is to be done with its bytes. */
export interface Plan extends Vouched {
  readonly object: StoredObject;
  /** What is to be undone, in the order in which it was done. */
  readonly encoding: readonly EncodingStep[];
  readonly only: readonly string[];
  readonly devices: boolean;
  readonly maxBytes: number;
}

/** Everything that can be found wrong without a byte of the object. @throws {AirlockError} as {@link vouchFor} does */
export function planObject(
  candidate: Candidate,
  options: PlanOptions,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
): Plan {
  const { object } = candidate;
  const vouched = vouchFor(candidate, hosts, options.unverified);
  const encoding = options.raw ? [] : (object.signed?.statement.encoding ?? []);
  if (!isDecodable(encoding)) {
    throw new AirlockError(
      "object-corrupt",
      `its statement says ${encoding.join(", ")}, in which order nothing is made`,
      { subject: object.key, remedy: "restore its stored bytes with --raw" },
    );
  }
  if (options.only.length > 0 && !encoding.includes("tar")) {
    throw new AirlockError("usage", "it is one file and no archive, so --only has nothing to choose from", {
      subject: object.key,
      remedy: "leave out --only",
    });
  }
  const { only, devices } = options;
  const maxBytes = options.maxBytes ?? defaultSizeLimit(object.sizeBytes);
  return { ...vouched, object, encoding, only, devices, maxBytes };
}

/** Smaller ones are fetched before anybody could have typed the next identity. */
const WORTH_A_LOOK_BYTES = 8 * 1024 * 1024;
/** The header for some dozen recipients. */
const BEGINNING_BYTES = 64 * 1024;

/**
 * Looks whether the identities are the right ones before a large object is fetched for nothing.
 * @throws {AirlockError} `decrypt-failed`
 */
export async function checkIdentities(
  { object, encoding }: Plan,
  identities: readonly string[],
  { reader, timing, signal }: FetchContext,
): Promise<void> {
  if (encoding.at(-1) !== "age" || object.sizeBytes < WORTH_A_LOOK_BYTES) return;
  const beginning = await readBeginning(reader, object, BEGINNING_BYTES, timing, signal);
  if (await isForOthers(beginning, identities)) {
    throw new AirlockError("decrypt-failed", "it was encrypted to other identities", {
      subject: object.key,
      remedy: "use the identity whose recipient the host encrypts to",
    });
  }
}

/** What is damaged, or has a header beyond the beginning, is found out when all of it is there. */
async function isForOthers(beginning: Uint8Array, identities: readonly string[]): Promise<boolean> {
  try {
    return !(await opensHeader(beginning, identities));
  } catch (error) {
    if (isAirlockError(error, "object-corrupt", "decrypt-failed")) return false;
    throw error;
  }
}
