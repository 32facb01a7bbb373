/** The `aws-chunked` content encoding: S3 API reference, "Signature calculations: transferring payload in multiple chunks". */
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { S3Error } from "./errors.ts";
import { isSame, type ChunkSigner } from "./sigv4.ts";

const maxHeaderBytes = 1024;
const maxTrailerBytes = 8 * 1024;
/** Every chunk but the last one with data must have at least this many bytes. */
const minChunkBytes = 8 * 1024;

export interface ChunkedOptions {
  /** Undefined: chunks are not signed. */
  readonly signer: ChunkSigner | undefined;
  readonly hasTrailer: boolean;
}

export interface ChunkDecoder {
  /** Feeds bytes of the body; hands out the data within. */
  write(bytes: Buffer, output: (data: Buffer) => void): void;
  /** After the last byte; gives the trailer fields. */
  finish(): ReadonlyMap<string, string>;
}

type State = "size" | "data" | "data-end" | "trailer" | "done";

export function createChunkDecoder({ signer, hasTrailer }: ChunkedOptions): ChunkDecoder {
  let state: State = "size";
  let line: Buffer = Buffer.alloc(0);
  let remaining = 0;
  let isLast = false;
  let sawSmallChunk = false;
  let previous = signer?.seed ?? "";
  let declared = "";
  let hash: Hash | undefined;
  let trailerBytes = 0;
  let trailerSignature: string | undefined;
  const trailer = new Map<string, string>();
  let trailerText = "";

  const beginChunk = (header: string): void => {
    const match = /^([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(header);
    if (match === null) throw incomplete();
    remaining = Number.parseInt(match[1] ?? "", 16);
    declared = match[2] ?? "";
    if (remaining > 0 && sawSmallChunk) {
      throw new S3Error("InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes");
    }
    sawSmallChunk ||= remaining < minChunkBytes;
    hash = signer === undefined ? undefined : createHash("sha256");
    if (remaining > 0) {
      state = "data";
      return;
    }
    isLast = true;
    checkChunk();
    // Without a trailer, the last chunk's empty data still ends with a line end.
    state = hasTrailer ? "trailer" : "data-end";
  };
  const checkChunk = (): void => {
    if (signer === undefined || hash === undefined) return;
    const expected = signer.signChunk(previous, hash.digest("hex"));
    if (!isSame(expected, declared)) throw badSignature();
    previous = expected;
  };
  const addTrailerLine = (text: string): void => {
    trailerBytes += text.length;
    if (trailerBytes > maxTrailerBytes) throw badTrailer();
    if (text === "") {
      checkTrailer();
      state = "done";
      return;
    }
    const colon = text.indexOf(":");
    if (colon === -1) throw badTrailer();
    const name = text.slice(0, colon).trim().toLowerCase();
    const value = text.slice(colon + 1).trim();
    if (name === "x-amz-trailer-signature") {
      trailerSignature = value;
      return;
    }
    trailerText += `${name}:${value}\n`;
    trailer.set(name, value);
  };
  const checkTrailer = (): void => {
    if (signer === undefined) return;
    const expected = signer.signTrailer(previous, createHash("sha256").update(trailerText).digest("hex"));
    if (trailerSignature === undefined || !isSame(expected, trailerSignature)) throw badSignature();
  };
  const takeLine = (text: string): void => {
    if (state === "size") beginChunk(text);
    else if (state === "trailer") addTrailerLine(text);
    else if (text !== "") throw incomplete();
    else state = isLast ? "done" : "size";
  };

  return {
    write: (bytes, output) => {
      let at = 0;
      while (at < bytes.length) {
        if (state === "done") throw incomplete();
        if (state === "data") {
          const data = bytes.subarray(at, at + remaining);
          at += data.length;
          remaining -= data.length;
          hash?.update(data);
          output(data);
          if (remaining === 0) {
            checkChunk();
            state = "data-end";
          }
          continue;
        }
        const newline = bytes.indexOf(10, at);
        const end = newline === -1 ? bytes.length : newline + 1;
        line = line.length === 0 ? bytes.subarray(at, end) : Buffer.concat([line, bytes.subarray(at, end)]);
        at = end;
        if (line.length > maxHeaderBytes) throw incomplete();
        if (newline === -1) break;
        const text = line.toString("latin1").replace(/\r?\n$/, "");
        line = Buffer.alloc(0);
        takeLine(text);
      }
    },
    finish: () => {
      // Some clients leave out the empty line after the last chunk or the trailer; what counts was verified.
      if (state === "trailer" && line.length === 0 && trailer.size > 0) checkTrailer();
      else if (state !== "done" && !(state === "data-end" && isLast)) throw incomplete();
      return trailer;
    },
  };
}

function incomplete(): S3Error {
  return new S3Error("IncompleteBody", "The request body terminated unexpectedly");
}

function badTrailer(): S3Error {
  return new S3Error(
    "MalformedTrailerError",
    "The request contained trailing data that was not well-formed or did not conform to our published schema.",
  );
}

function badSignature(): S3Error {
  return new S3Error(
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
  );
}
