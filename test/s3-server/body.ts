/** Receiving a request's body: decoded, proven against everything that the request said of it, and stored or kept as text. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Blob } from "./blobs.ts";
import { checkLength, checksumHeader, createChecksum, declaredChecksum, type ChecksumName } from "./checksums.ts";
import { createChunkDecoder } from "./chunked.ts";
import { header, type Context } from "./context.ts";
import { quirksOf } from "./quirks.ts";
import { ConnectionGone, S3Error } from "./errors.ts";
import { isSame } from "./sigv4.ts";

const maxObjectBytes = 5 * 1024 ** 3;
const maxDocumentBytes = 2 * 1024 ** 2;

export interface ReceivedBody {
  readonly sizeBytes: number;
  readonly md5: Buffer;
  readonly checksum: { readonly name: ChecksumName; readonly value: string };
  /** Whether the client declared that checksum. */
  readonly isDeclared: boolean;
  readonly blob: Blob;
}

/** Stores the body of PutObject or UploadPart; the blob is the caller's to release. */
export async function receiveBlob(context: Context, defaultChecksum: ChecksumName): Promise<ReceivedBody> {
  checkFraming(context);
  const writer = context.world.blobs.createWriter();
  try {
    const proof = await receive(context, defaultChecksum, maxObjectBytes, (data) => writer.write(data));
    return { ...proof, blob: await writer.commit() };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** The body of a request that carries a document. */
export async function receiveText(context: Context): Promise<string> {
  const chunks: Buffer[] = [];
  await receive(context, undefined, maxDocumentBytes, (data) => {
    chunks.push(data);
    return undefined;
  });
  return Buffer.concat(chunks).toString("utf8");
}

function checkFraming(context: Context): void {
  if (context.payload.kind === "chunked" || header(context, "content-length") !== undefined) return;
  if (header(context, "transfer-encoding") !== undefined) {
    throw new S3Error("NotImplemented", "A header you provided implies functionality that is not implemented", {
      Header: "Transfer-Encoding",
    });
  }
  throw new S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.");
}

interface Proof {
  readonly sizeBytes: number;
  readonly md5: Buffer;
  readonly checksum: { readonly name: ChecksumName; readonly value: string };
  readonly isDeclared: boolean;
}

async function receive(
  context: Context,
  defaultChecksum: ChecksumName | undefined,
  maxBytes: number,
  output: (data: Buffer) => Promise<void> | undefined,
): Promise<Proof> {
  const declared = declaredChecksum(context.request.headers);
  const expectedMd5 = contentMd5(context);
  const name = declared?.name ?? defaultChecksum ?? "CRC32";
  const running = createChecksum(name);
  const md5 = createHash("md5");
  let sizeBytes = 0;

  const trailer = await pump(context, (data) => {
    sizeBytes += data.length;
    if (sizeBytes > maxBytes) {
      throw new S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", {
        MaxSizeAllowed: String(maxBytes),
      });
    }
    md5.update(data);
    running.update(data);
    return output(data);
  });
  checkDecodedLength(context, sizeBytes);
  const md5Bytes = md5.digest();
  const isTaken = quirksOf(context).takesAlteredBytes === true;
  if (expectedMd5 !== undefined && !isTaken && !expectedMd5.equals(md5Bytes)) {
    throw badDigest("The Content-MD5 you specified did not match what we received.");
  }
  const value = running.digest().toString("base64");
  if (declared !== undefined) {
    const field = checksumHeader(name);
    const expected = declared.value ?? trailer.get(field);
    if (expected === undefined) {
      throw new S3Error(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
      );
    }
    checkLength(name, expected, field);
    if (expected !== value && !isTaken)
      throw badDigest(`The ${name} you specified did not match the calculated checksum.`);
  }
  return { sizeBytes, md5: md5Bytes, checksum: { name, value }, isDeclared: declared !== undefined };
}

function badDigest(message: string): S3Error {
  return new S3Error("BadDigest", message);
}

function contentMd5(context: Context): Buffer | undefined {
  const text = header(context, "content-md5");
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== 16) throw new S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.");
  return bytes;
}

function checkDecodedLength(context: Context, sizeBytes: number): void {
  if (context.payload.kind !== "chunked") return;
  const declared = header(context, "x-amz-decoded-content-length");
  if (declared !== undefined && Number(declared) !== sizeBytes) {
    throw new S3Error(
      "IncompleteBody",
      "You did not provide the number of bytes specified by the x-amz-decoded-content-length header",
    );
  }
}

/** Reads the message to its end, decoding it; gives the trailer. */
async function pump(
  context: Context,
  output: (data: Buffer) => Promise<void> | undefined,
): Promise<ReadonlyMap<string, string>> {
  const { message, payload, bodyLimit } = context;
  const decoder = payload.kind === "chunked" ? createChunkDecoder(payload) : undefined;
  const sha256 = payload.kind === "sha256" ? createHash("sha256") : undefined;
  context.askForBody();
  try {
    // Not destroyed on an early end: the connection is still needed for the answer.
    for await (const bytes of message.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(bytes)) throw new TypeError("the message has an encoding set");
      bodyLimit.receivedBytes += bytes.length;
      if (bodyLimit.resetAtByte !== undefined && bodyLimit.receivedBytes >= bodyLimit.resetAtByte) {
        message.socket.resetAndDestroy();
        throw new ConnectionGone("reset by a fault within the request's body");
      }
      if (decoder === undefined) {
        sha256?.update(bytes);
        const written = output(bytes);
        if (written !== undefined) await written;
        continue;
      }
      const pieces: Buffer[] = [];
      decoder.write(bytes, (data) => pieces.push(data));
      for (const piece of pieces) {
        const written = output(piece);
        if (written !== undefined) await written;
      }
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ECONNRESET") {
      throw new ConnectionGone("the client went away within the request's body");
    }
    throw error;
  }
  if (payload.kind === "sha256" && sha256 !== undefined) {
    const computed = sha256.digest("hex");
    if (!isSame(computed, payload.expected) && quirksOf(context).takesAlteredBytes !== true) {
      throw new S3Error(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        {
          ClientComputedContentSHA256: payload.expected,
          S3ComputedContentSHA256: computed,
        },
      );
    }
  }
  return decoder?.finish() ?? new Map();
}
