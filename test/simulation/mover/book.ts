/** What really happened, as nobody in the simulation knows it: what was signed, uploaded, and done to it. */
import { createPrivateKey } from "node:crypto";
import type { HostPolicy } from "../../../mover/config.ts";
import { isAirlockError } from "../../../shared/errors.ts";
import { parseSigningKey, type PublicKey, type SigningKey } from "../../../shared/keys.ts";
import { objectOfStatement, parseDropZoneName, STATEMENT_SUFFIX } from "../../../shared/names.ts";
import {
  parseInlineStatement,
  parseStatement,
  STATEMENT_METADATA,
  statementDigest,
  verifyStatement,
  type SignedStatement,
} from "../../../shared/statement.ts";
import { createRandom } from "./random.ts";
import { DROP_ZONE } from "./stores.ts";
import { digestOf, type Zone, type ZoneVersion } from "./zone.ts";

/** PKCS #8 before the 32 bytes of an Ed25519 key. RFC 8410, section 7 */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const signingKeys = new Map<string, SigningKey>();

/** Always the same one for a name. */
export function signingKeyOf(name: string): SigningKey {
  let key = signingKeys.get(name);
  if (key === undefined) {
    const seed = createRandom(1, `key of ${name}`).bytes(32);
    const der = Buffer.concat([PKCS8_PREFIX, seed]);
    const pem = createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({ format: "pem", type: "pkcs8" });
    key = parseSigningKey(pem, name);
    signingKeys.set(name, key);
  }
  return key;
}

/** An honest host's object. */
export interface Upload {
  readonly host: string;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly signed: SignedStatement | null;
  /** False: its host died before it came to that. */
  isPublished: boolean;
  /** What whoever holds the account did to it or to its statement; null: nothing. */
  touched: string | null;
}

export class Book {
  readonly uploads: Upload[] = [];
  readonly #hosts: ReadonlyMap<string, HostPolicy>;
  readonly #zone: Zone;
  /** By key: the digests of what a key of its host has signed. */
  readonly #signed = new Map<string, Set<string>>();
  readonly #signers = new Map<string, PublicKey | null>();
  readonly #verdicts = new WeakMap<Uint8Array, ReadonlyMap<string, SignedStatement | null>>();

  constructor(hosts: ReadonlyMap<string, HostPolicy>, zone: Zone) {
    this.#hosts = hosts;
    this.#zone = zone;
  }

  noteSigned({ statement }: SignedStatement): void {
    const digests = this.#signed.get(statement.key) ?? new Set();
    digests.add(statement.sha256);
    this.#signed.set(statement.key, digests);
  }

  isSigned(key: string, sha256: string): boolean {
    return this.#signed.get(key)?.has(sha256) === true;
  }

  uploadOf(key: string): Upload | null {
    const objectKey = objectOfStatement(key) ?? key;
    return this.uploads.find((upload) => upload.key === objectKey) ?? null;
  }

  /** Whether the mover has to move it: its own reading of the contract, not the mover's. */
  isAdmissible(version: ZoneVersion): boolean {
    const { key } = version;
    const host = this.#hosts.get(key.slice(0, Math.max(0, key.indexOf("/"))));
    if (version.isMarker || version.isUnreadable || host === undefined || objectOfStatement(key) !== null) return false;
    if (parseDropZoneName(key) === null) return host.foreign;
    if (host.signatures === "none") return true;
    const inline = version.attributes.metadata.get(STATEMENT_METADATA);
    if (inline !== undefined) return this.#fits(version, () => parseInlineStatement(inline, key));
    const beside = this.#zone.versionsOf(key + STATEMENT_SUFFIX);
    if (
      beside.some(({ bytes, isUnreadable }) => !isUnreadable && this.#fits(version, () => parseStatement(bytes, key)))
    )
      return true;
    return host.signatures === "optional" && beside.length === 0;
  }

  /** The statement that these bytes are, whatever it speaks of. */
  statementIn({ key, bytes }: ZoneVersion): SignedStatement | null {
    const known = this.#verdicts.get(bytes)?.get(key);
    if (known !== undefined) return known;
    const signed = read(() => parseStatement(bytes, key));
    this.#verdicts.set(bytes, new Map([[key, signed]]));
    return signed;
  }

  #fits(version: ZoneVersion, parse: () => SignedStatement): boolean {
    const { key, bytes, lastModified } = version;
    const signed = read(parse);
    if (signed === null || signed.statement.sha256 !== digestOf(bytes)) return false;
    return this.signerOf(signed, key, bytes.length, lastModified) !== null;
  }

  /** Which of the host's keys signed a valid statement of such an object; null: none did, or it is not valid. */
  signerOf(signed: SignedStatement, key: string, sizeBytes: number, at: Date): PublicKey | null {
    const id = `${signed.signature} ${statementDigest(signed.statement)} ${key} ${sizeBytes}`;
    let signer = this.#signers.get(id); // a signature costs more to verify than all else here, and its keys never expire
    if (signer === undefined) {
      const keys = this.#hosts.get(key.split("/")[0] ?? "")?.publicKeys ?? [];
      signer = read(() => verifyStatement(signed, { bucket: DROP_ZONE, key, sizeBytes }, keys, at));
      this.#signers.set(id, signer);
    }
    return signer;
  }
}

function read<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch (error) {
    if (isAirlockError(error)) return null;
    throw error;
  }
}
