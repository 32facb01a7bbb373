import { createDecipheriv, hkdfSync } from "node:crypto";
import { Decrypter } from "age-encryption";
import { AirlockError, isAirlockError } from "../shared/errors.ts";

/**
 * age's format (https://c2sp.org/age): the library reads the header, for whatever identities it knows; the payload is
 * read here with OpenSSL's ChaCha20-Poly1305, which is many times faster than the library's JavaScript.
 */
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const PAYLOAD_NONCE_BYTES = 16;
/** Room for hundreds of recipients; more is not a header that anyone wrote. */
const MAX_HEADER_BYTES = 1024 * 1024;

/**
 * Decrypts a binary age file. Each chunk is yielded once its own tag is proven; that nothing was cut off is known only
 * when this ends without throwing, so what was yielded must not look finished before.
 * @param identities `AGE-SECRET-KEY-1…` and `AGE-SECRET-KEY-PQ-1…`
 * @throws {AirlockError} `decrypt-failed`; `object-corrupt` for what is no age file at all
 */
export async function* decryptAge(
  source: AsyncIterable<Uint8Array>,
  identities: readonly string[],
): AsyncGenerator<Buffer, void, undefined> {
  const bytes = createByteReader(source);
  try {
    const header = await readHeader(bytes);
    const fileKey = await unwrapFileKey(header, identities);
    const nonce = await bytes.take(PAYLOAD_NONCE_BYTES);
    if (nonce.length < PAYLOAD_NONCE_BYTES) throw corrupt("it ends before its first byte of payload");
    const key = new Uint8Array(hkdfSync("sha256", fileKey, nonce, "payload", 32));
    fileKey.fill(0);
    try {
      yield* decryptChunks(bytes, key);
    } finally {
      key.fill(0);
    }
  } finally {
    await bytes.close();
  }
}

/**
 * Whether one of these identities opens an age file, told by its header alone.
 * @param beginning of the file; of a header that is not whole within it nothing can be said
 * @throws {AirlockError} `object-corrupt` for what does not begin with a header; `decrypt-failed` for one that was altered
 */
export async function opensHeader(beginning: Uint8Array, identities: readonly string[]): Promise<boolean> {
  const header = await readHeader(createByteReader(once(beginning)));
  try {
    (await unwrapFileKey(header, identities)).fill(0);
    return true;
  } catch (error) {
    if (isAirlockError(error) && isNoMatch(error.cause)) return false;
    throw error;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

/** The STREAM construction; whether a chunk is the last one is known by asking for a byte more than it. */
async function* decryptChunks(bytes: ByteReader, key: Uint8Array): AsyncGenerator<Buffer, void, undefined> {
  const open = createOpener(key);
  for (let isFirst = true, isLast = false; !isLast; isFirst = false) {
    const chunk = await bytes.take(CHUNK_BYTES + TAG_BYTES);
    isLast = await bytes.atEnd();
    const plaintext = open(chunk, isLast);
    if (isLast && !isFirst && plaintext.length === 0) throw corrupt("its last chunk is empty");
    if (plaintext.length > 0) yield plaintext;
  }
}

function createOpener(key: Uint8Array): (chunk: Buffer, isLast: boolean) => Buffer {
  const nonce = Buffer.alloc(12);
  let counter = 0;
  return (chunk, isLast) => {
    // 2^48 chunks are 16 EiB: five of the counter's eleven bytes never fill.
    nonce.writeUIntBE(counter, 5, 6);
    nonce.writeUInt8(isLast ? 1 : 0, 11);
    counter += 1;
    if (chunk.length < TAG_BYTES) throw damaged(counter);
    const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(chunk.subarray(chunk.length - TAG_BYTES));
    const plaintext = decipher.update(chunk.subarray(0, chunk.length - TAG_BYTES));
    try {
      decipher.final();
    } catch (cause) {
      throw damaged(counter, cause);
    }
    return plaintext;
  };
}

async function unwrapFileKey(header: Uint8Array, identities: readonly string[]): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decryptHeader(header);
  } catch (cause) {
    const strange = isNoMatch(cause);
    throw new AirlockError(
      "decrypt-failed",
      strange ? "it was encrypted to other identities" : "its header does not decrypt",
      {
        remedy: strange
          ? "use the identity whose recipient the host encrypts to"
          : "its bytes are those that were stored: the host wrote it so",
        cause,
      },
    );
  }
}

function isNoMatch(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("no identity matched");
}

/** All up to and with the MAC's line: the first that begins with `---`, which no line of a stanza's body does. */
async function readHeader(bytes: ByteReader): Promise<Buffer> {
  const lines: Buffer[] = [];
  let length = 0;
  for (;;) {
    const line = await bytes.takeLine(MAX_HEADER_BYTES - length);
    if (line === null) throw corrupt("it does not begin with an age header");
    if (lines.length === 0 && line.toString("latin1") !== "age-encryption.org/v1\n")
      throw corrupt("it does not begin with an age header");
    lines.push(line);
    length += line.length;
    if (line.subarray(0, 3).toString("latin1") === "---") return Buffer.concat(lines);
  }
}

interface ByteReader {
  /** Exactly `length` bytes, fewer only at the end. */
  take(length: number): Promise<Buffer>;
  /** Up to and with the next newline; null when there is none within `maxBytes`. */
  takeLine(maxBytes: number): Promise<Buffer | null>;
  atEnd(): Promise<boolean>;
  close(): Promise<void>;
}

function createByteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = source[Symbol.asyncIterator]();
  let pieces: Buffer[] = [];
  let available = 0;
  let ended = false;
  const fill = async (length: number): Promise<void> => {
    while (available < length && !ended) {
      const next = await iterator.next();
      if (next.done === true) ended = true;
      else if (next.value.length > 0) {
        pieces.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength));
        available += next.value.length;
      }
    }
  };
  const join = (): Buffer => {
    const [first] = pieces;
    const joined = pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
    pieces = [joined];
    return joined;
  };
  const cut = (length: number): Buffer => {
    const joined = join();
    const taken = joined.subarray(0, length);
    const rest = joined.subarray(taken.length);
    pieces = rest.length > 0 ? [rest] : [];
    available = rest.length;
    return taken;
  };
  return {
    take: async (length) => {
      await fill(length);
      return cut(length);
    },
    takeLine: async (maxBytes) => {
      for (let wanted = 1; ; wanted = available + 1) {
        await fill(wanted);
        const found = join().indexOf(0x0a);
        if (found >= maxBytes || (found === -1 && (ended || available >= maxBytes))) return null;
        if (found !== -1) return cut(found + 1);
      }
    },
    atEnd: async () => {
      await fill(1);
      return available === 0;
    },
    close: async () => {
      await iterator.return?.();
    },
  };
}

function damaged(chunk: number, cause?: unknown): AirlockError {
  return new AirlockError(
    "decrypt-failed",
    `chunk ${chunk} does not decrypt: it was altered, or the file ends too early`,
    {
      remedy: "restore an earlier object with --at; its stored bytes can be had with --raw",
      cause,
    },
  );
}

function corrupt(reason: string): AirlockError {
  return new AirlockError("object-corrupt", `this is not an age file: ${reason}`, {
    remedy: "restore an earlier object with --at; its stored bytes can be had with --raw",
  });
}
