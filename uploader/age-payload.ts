import { createCipheriv, hkdfSync, randomBytes } from "node:crypto";
import { Encrypter, type Recipient } from "age-encryption";
import { AirlockError } from "../shared/errors.ts";

/**
 * age's format (https://c2sp.org/age): the library makes the header, for whatever recipients it knows; the payload is
 * written here with OpenSSL's ChaCha20-Poly1305, which is many times faster than the library's JavaScript.
 */
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const PAYLOAD_NONCE_BYTES = 16;

/**
 * Encrypts to all recipients. The output is a complete binary age file; a source that throws leaves it without its
 * last chunk, so that it does not decrypt as if it were whole.
 * @throws {AirlockError} `config-invalid` without a recipient, or with one that age does not know
 */
export async function* encryptAge(
  source: AsyncIterable<Uint8Array>,
  recipients: readonly (string | Recipient)[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const { header, fileKey } = await makeHeader(recipients);
  const nonce = randomBytes(PAYLOAD_NONCE_BYTES);
  const payloadKey = new Uint8Array(hkdfSync("sha256", fileKey, nonce, "payload", 32));
  fileKey.fill(0);
  try {
    yield Buffer.concat([header, nonce]);
    yield* encryptChunks(source, payloadKey);
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

/**
 * The STREAM construction: 64 KiB chunks, each sealed under an 11-byte counter and a byte that marks the last. Only an
 * empty file has an empty last chunk, so a full chunk is held back until it is known whether another follows.
 */
async function* encryptChunks(
  source: AsyncIterable<Uint8Array>,
  key: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  const seal = createSealer(key);
  const pending = Buffer.alloc(CHUNK_BYTES);
  let filled = 0;
  try {
    for await (const data of source) {
      for (let offset = 0; offset < data.length;) {
        if (filled === CHUNK_BYTES) {
          yield* seal(pending, false);
          filled = 0;
        }
        const taken = Math.min(CHUNK_BYTES - filled, data.length - offset);
        pending.set(data.subarray(offset, offset + taken), filled);
        filled += taken;
        offset += taken;
      }
    }
    yield* seal(pending.subarray(0, filled), true);
  } finally {
    pending.fill(0);
  }
}

/** Ciphertext and tag as they come: one buffer of both would be a copy of every byte. */
function createSealer(key: Uint8Array): (chunk: Uint8Array, isLast: boolean) => Buffer[] {
  const nonce = Buffer.alloc(12);
  let counter = 0;
  return (chunk, isLast) => {
    // 2^53 chunks are 512 EiB: six of the counter's eleven bytes never fill.
    nonce.writeUIntBE(counter, 5, 6);
    nonce.writeUInt8(isLast ? 1 : 0, 11);
    counter += 1;
    const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
    return [cipher.update(chunk), cipher.final(), cipher.getAuthTag()];
  };
}
