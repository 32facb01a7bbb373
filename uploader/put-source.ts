import type { Readable } from "node:stream";
import { AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { agePayloadSize } from "./age-payload.ts";
import { readCommand } from "./command-source.ts";
import { encodeStream, encodingSteps, type Encoding } from "./encode.ts";
import { inspectPath, readFile } from "./file-source.ts";
import { baseNameOf, objectName } from "./object-name.ts";
import type { UploadSource } from "./publish-context.ts";
import { readTar } from "./tar-source.ts";

/** What `put` was told to store. */
export type Input =
  | { readonly kind: "paths"; readonly paths: readonly string[] }
  | { readonly kind: "stdin" }
  | { readonly kind: "command"; readonly command: readonly [string, ...string[]] };

export interface SourceOptions {
  readonly set: string;
  /** null: the input's own. */
  readonly givenName: string | null;
  readonly encoding: Encoding;
  readonly startedAt: Date;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly log: Log;
}

/** Bytes before they are encoded. */
interface Raw {
  readonly isTar: boolean;
  readonly sizeBytes: number | null;
  readonly isFile: boolean;
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** @throws {AirlockError} `source-unreadable`, or `usage` for a name that can't be an object's */
export async function openSource(input: Input, options: SourceOptions): Promise<UploadSource> {
  const raw = await openRaw(input, options);
  const { encoding, set, givenName } = options;
  const steps = encodingSteps(encoding, raw.isTar);
  const base = givenName ?? baseNameOf(input.kind === "paths" ? input.paths : [], set);
  return {
    set,
    name: objectName(base, steps, givenName !== null),
    encoding: steps,
    startedAt: options.startedAt,
    expectedBytes: encodedSize(raw.sizeBytes, encoding),
    // age takes a new key each time, and what comes through a pipe is gone
    isRepeatable: raw.isFile && encoding.recipients === null,
    open: (signal) => encodeStream(raw.open(signal), encoding),
  };
}

/** Nearly: without age's header. Nobody knows what compression makes of it. */
function encodedSize(sizeBytes: number | null, { compress, recipients }: Encoding): number | null {
  if (compress !== null || sizeBytes === null) return null;
  return recipients === null ? sizeBytes : agePayloadSize(sizeBytes);
}

async function openRaw(input: Input, options: SourceOptions): Promise<Raw> {
  const { env, stdin, log } = options;
  const streamed = { sizeBytes: null, isFile: false, isTar: false };
  if (input.kind === "stdin") return { ...streamed, open: (signal) => readStdin(stdin, signal) };
  if (input.kind === "command") {
    return {
      ...streamed,
      open: (signal) => readCommand({ command: input.command, stdin: "inherit", env, log, signal }),
    };
  }
  const infos = await Promise.all(input.paths.map(inspectPath));
  const [only] = infos;
  if (infos.length === 1 && only !== undefined && !only.isDirectory) {
    return {
      isTar: false,
      sizeBytes: only.sizeBytes,
      isFile: only.sizeBytes !== null,
      open: (signal) => readFile(only, log, signal),
    };
  }
  const paths = infos.map(({ path }) => path);
  return { ...streamed, isTar: true, open: (signal) => readTar({ paths, exclude: [], env, log, signal }) };
}

async function* readStdin(stdin: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = (): void => void stdin.destroy(new AirlockError("interrupted", "interrupted", { cause: signal.reason }));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of stdin) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError("standard input is read as bytes");
      yield chunk;
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
