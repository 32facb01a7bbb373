import { hkdfSync, randomBytes } from "node:crypto";
import { Encrypter, type Recipient } from "age-encryption";
import { AirlockError } from "../shared/errors.ts";
import { CHUNK_BYTES, sealStream, TAG_BYTES } from "./age-stream.ts";

/**
 * age's format (https://c2sp.org/age): the library makes the header, for whatever recipients it knows; the payload is
 * written here (`age-stream.ts`).
 */
const PAYLOAD_NONCE_BYTES = 16;
const PAYLOAD_KEY_BYTES = 32;

/** A new age file, of which everything but its chunks is known. */
export interface AgeFile {
  /** Header and nonce: what stands before the first chunk. */
  readonly opening: Uint8Array;
  /** Other threads can share its memory, so that wiping it here wipes it there. */
  readonly payloadKey: Uint8Array;
}

/** @throws {AirlockError} `config-invalid` without a recipient, or with one that age does not know */
export async function beginAge(recipients: readonly (string | Recipient)[]): Promise<AgeFile> {
  const { header, fileKey } = await makeHeader(recipients);
  const nonce = randomBytes(PAYLOAD_NONCE_BYTES);
  const derived = new Uint8Array(hkdfSync("sha256", fileKey, nonce, "payload", PAYLOAD_KEY_BYTES));
  const payloadKey = new Uint8Array(new SharedArrayBuffer(PAYLOAD_KEY_BYTES));
  payloadKey.set(derived);
  derived.fill(0);
  fileKey.fill(0);
  return { opening: Buffer.concat([header, nonce]), payloadKey };
}

/**
 * Encrypts to all recipients. The output is a complete binary age file; a source that throws leaves it without its
 * last chunk, so that it does not decrypt as if it were whole.
 * @throws {AirlockError} `config-invalid` without a recipient, or with one that age does not know
 */
export async function* encryptAge(
  source: AsyncIterable<Uint8Array>,
  recipients: readonly (string | Recipient)[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const { opening, payloadKey } = await beginAge(recipients);
  try {
    yield opening;
    yield* sealStream(source, payloadKey);
  } finally {
    payloadKey.fill(0);
  }
}

/** How many bytes {@link encryptAge} makes of a payload, beside its header. */
export function agePayloadSize(plaintextBytes: number): number {
  const chunks = Math.max(1, Math.ceil(plaintextBytes / CHUNK_BYTES));
  return PAYLOAD_NONCE_BYTES + plaintextBytes + chunks * TAG_BYTES;
}

/** The header is all that the library writes for an empty file, less its nonce and the tag of its one empty chunk. */
async function makeHeader(
  recipients: readonly (string | Recipient)[],
): Promise<{ header: Buffer; fileKey: Uint8Array }> {
  if (recipients.length === 0) {
    throw new AirlockError("config-invalid", "there is nobody to encrypt to", {
      subject: "encrypt.recipients",
      remedy: "list at least one age recipient (age1…), or remove `encrypt`",
    });
  }
  const encrypter = new Encrypter();
  for (const recipient of recipients) addRecipient(encrypter, recipient);
  // The library's own array, not a copy of it: what is wiped afterwards is the only one there is.
  const captured: Uint8Array[] = [];
  encrypter.addRecipient({
    wrapFileKey: (key) => {
      captured.push(key);
      return [];
    },
  });
  const empty = await encrypter.encrypt(new Uint8Array(0));
  const [fileKey] = captured;
  if (fileKey === undefined) throw new TypeError("age-encryption wrapped no file key");
  return { header: Buffer.from(empty.subarray(0, empty.length - PAYLOAD_NONCE_BYTES - TAG_BYTES)), fileKey };
}

function addRecipient(encrypter: Encrypter, recipient: string | Recipient): void {
  try {
    encrypter.addRecipient(recipient);
  } catch (cause) {
    throw new AirlockError("config-invalid", "not an age recipient", {
      subject: typeof recipient === "string" ? recipient.slice(0, 100) : "encrypt.recipients",
      remedy: "use a line that begins with age1, as `airlock keygen` or `age-keygen` prints it",
      cause,
    });
  }
}
