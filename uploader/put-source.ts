import type { Readable } from "node:stream";
import { AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { agePayloadSize } from "./age-payload.ts";
import { readCommand, readCommands } from "./command-source.ts";
import { encodeStream, encodingSteps, type Encoding } from "./encode.ts";
import { inspectPath, readFile } from "./file-source.ts";
import { baseNameOf, objectName } from "./object-name.ts";
import type { Kill } from "./program-output.ts";
import type { UploadSource } from "./publish-context.ts";
import { beginStream, isCompressible, type BegunStream } from "./sample.ts";
import { readTar } from "./tar-source.ts";

/** What `put` or a set was told to store. */
export type Input =
  | { readonly kind: "paths"; readonly paths: readonly string[] }
  | { readonly kind: "stdin" }
  | { readonly kind: "command"; readonly command: readonly [string, ...string[]] }
  /** In order; the last one's output. */
  | { readonly kind: "commands"; readonly commands: readonly (readonly [string, ...string[]])[] }
  /** One tar archive, whatever the paths are. */
  | { readonly kind: "archive"; readonly paths: readonly string[]; readonly exclude: readonly string[] }
  /** A file that is open already. */
  | {
      readonly kind: "open-file";
      readonly name: string;
      readonly sizeBytes: number;
      read(signal: AbortSignal): AsyncIterable<Uint8Array>;
    };

export interface SourceOptions {
  readonly set: string;
  /** null: the input's own. */
  readonly givenName: string | null;
  readonly encoding: Encoding;
  readonly startedAt: Date;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly kill: Kill;
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

/** What is going to be stored, looked at but not read yet. */
export interface OpenedSource {
  /** Reads as much as it takes to know how it will be stored, and so what it will be called. */
  begin(signal: AbortSignal): Promise<BegunSource>;
}

export interface BegunSource extends AsyncDisposable {
  readonly source: UploadSource;
}

/** @throws {AirlockError} `source-unreadable`, or `usage` for a name that can't be an object's */
export async function openSource(input: Input, options: SourceOptions): Promise<OpenedSource> {
  const raw = await openRaw(input, options);
  const base = options.givenName ?? baseNameOf(pathsOf(input), options.set);
  // A name that was given fits with all suffixes or not at all, whatever the sample will say.
  objectName(base, encodingSteps(options.encoding, raw.isTar), options.givenName !== null);
  return { begin: (signal) => beginSource(raw, base, options, signal) };
}

/** A single stream that compression gains nothing with is stored without; an archive's first file says nothing of its next. */
async function beginSource(raw: Raw, base: string, options: SourceOptions, signal: AbortSignal): Promise<BegunSource> {
  await using opening = new AsyncDisposableStack();
  let { encoding } = options;
  let begun: BegunStream | null = null;
  if (encoding.compress !== null && !raw.isTar) {
    begun = opening.use(await beginStream((reading) => raw.open(reading), signal));
    if (!(await isCompressible(begun.sample))) encoding = { ...encoding, compress: null };
  }
  const openRawAgain = (reading: AbortSignal): AsyncIterable<Uint8Array> => {
    const first = begun;
    begun = null;
    return first === null ? raw.open(reading) : first.readAll(reading);
  };
  const steps = encodingSteps(encoding, raw.isTar);
  const source: UploadSource = {
    set: options.set,
    name: objectName(base, steps, options.givenName !== null),
    encoding: steps,
    startedAt: options.startedAt,
    expectedBytes: encodedSize(raw.sizeBytes, encoding),
    // age takes a new key each time, and what comes through a pipe is gone
    isRepeatable: raw.isFile && encoding.recipients === null,
    open: (reading) => encodeStream(openRawAgain(reading), encoding),
  };
  const stack = opening.move();
  return { source, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function pathsOf(input: Input): readonly string[] {
  if (input.kind === "open-file") return [input.name];
  return input.kind === "paths" ? input.paths : [];
}

/** Nearly: without age's header. Nobody knows what compression makes of it. */
function encodedSize(sizeBytes: number | null, { compress, recipients }: Encoding): number | null {
  if (compress !== null || sizeBytes === null) return null;
  return recipients === null ? sizeBytes : agePayloadSize(sizeBytes);
}

async function openRaw(input: Input, options: SourceOptions): Promise<Raw> {
  const { env, kill, stdin, log } = options;
  const streamed = { sizeBytes: null, isFile: false, isTar: false };
  if (input.kind === "stdin") return { ...streamed, open: (signal) => readStdin(stdin, signal) };
  if (input.kind === "command") {
    return {
      ...streamed,
      open: (signal) => readCommand({ command: input.command, stdin: "inherit", env, kill, log, signal }),
    };
  }
  if (input.kind === "commands") {
    return { ...streamed, open: (signal) => readCommands({ commands: input.commands, env, kill, log, signal }) };
  }
  if (input.kind === "archive") {
    const { paths, exclude } = input;
    return { ...streamed, isTar: true, open: (signal) => readTar({ paths, exclude, env, kill, log, signal }) };
  }
  if (input.kind === "open-file") {
    return { ...streamed, sizeBytes: input.sizeBytes, open: (signal) => input.read(signal) };
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
  return { ...streamed, isTar: true, open: (signal) => readTar({ paths, exclude: [], env, kill, log, signal }) };
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
