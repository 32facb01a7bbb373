import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import { isSetName } from "../shared/names.ts";
import { printable } from "../shared/printable.ts";
import { startProgress, type Progress } from "../shared/progress.ts";
import { CHECK_SET, readUploaderConfig, type UploaderConfig } from "./config.ts";
import type { Encoding } from "./encode.ts";
import { openContext } from "./open-context.ts";
import { publish } from "./publish.ts";
import type { Published } from "./publish-context.ts";
import { openSource, type Input } from "./put-source.ts";

export interface PutOptions {
  readonly set: string;
  readonly name?: string;
}

/** `put PATH… | - | -- CMD…`: one object, confirmed by the store when this returns. */
export async function runPut(
  paths: readonly string[],
  command: readonly string[] | null,
  { set, name }: PutOptions,
  io: Io,
  owner: string,
): Promise<void> {
  const startedAt = new Date();
  checkSet(set);
  const input = chooseInput(paths, command);
  const config = await readUploaderConfig(io.configFile);
  const { env, kill, stdin, log, abort: signal } = io;
  const encoding = encodingOf(config);
  const given = await openSource(input, {
    set,
    givenName: name ?? null,
    encoding,
    startedAt,
    env,
    kill,
    stdin,
    log,
  });
  let progress: Progress | null = null;
  const onBytes = (sizeBytes: number): void => progress?.add(sizeBytes);
  await using opened = await openContext(config, owner, io, onBytes);
  await using begun = await given.begin(signal);
  const { source } = begun;
  progress = startProgress({
    label: source.name,
    totalBytes: source.expectedBytes,
    stream: io.stderr,
    now: () => performance.now(),
  });
  try {
    printPublished(await publish(source, opened.context), io);
  } finally {
    progress.end();
  }
}

function printPublished(published: Published, io: Io): void {
  const { key, sizeBytes, sha256, epoch, seq, encoding } = published;
  io.print(
    { key, bytes: sizeBytes, sha256, epoch, seq, encoding },
    `${printable(key)}  ${sizeBytes} bytes  sha256 ${sha256}  seq ${seq}`,
  );
}

export function encodingOf(config: UploaderConfig): Encoding {
  return {
    compress: config.compress === "none" ? null : config.compress,
    recipients: config.encrypt === "none" ? null : config.encrypt.recipients,
  };
}

function checkSet(set: string): void {
  if (!isSetName(set)) {
    throw new AirlockError("usage", "not a set's name", {
      subject: set,
      remedy: "use 1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or digit first",
    });
  }
  if (set === CHECK_SET) {
    throw new AirlockError("usage", "this set belongs to `airlock-uploader check`", {
      subject: set,
      remedy: "give another one",
    });
  }
}

function chooseInput(paths: readonly string[], command: readonly string[] | null): Input {
  const what = "say what to store: PATH…, - for standard input, or -- and a command";
  if (command !== null) {
    const [program, ...args] = command;
    if (program === undefined || paths.length > 0) throw new AirlockError("usage", what);
    return { kind: "command", command: [program, ...args] };
  }
  if (paths.length === 0) throw new AirlockError("usage", what);
  if (!paths.includes("-")) return { kind: "paths", paths };
  if (paths.length > 1) throw new AirlockError("usage", "standard input (-) is stored alone", { remedy: what });
  return { kind: "stdin" };
}
