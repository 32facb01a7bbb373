import { open } from "node:fs/promises";
import type { z } from "zod";
import { AirlockError } from "../errors.ts";
import { expectationOf, faultsOf, type Fault } from "./faults.ts";
import { parseYaml } from "./yaml-file.ts";

const MAX_BYTES = 1_048_576;
/** More than fit on a screen help nobody. */
const MAX_FAULTS = 50;

/**
 * Reads a YAML file into what `schema` makes of it.
 * @throws {AirlockError} `config-invalid` with every fault on a line of its own: `FILE:LINE: path: found …, expected …`
 */
export async function readConfig<Config>(
  file: string,
  schema: z.ZodType<Config>,
  /** What to do where there is none. */
  howToMake = "make one with `init`",
): Promise<Config> {
  return parseConfig(await readBounded(file, howToMake), file, schema);
}

/** What {@link readConfig} does once the file is read. */
export function parseConfig<Config>(text: string, file: string, schema: z.ZodType<Config>): Config {
  const yaml = parseYaml(text);
  if (yaml.faults.length > 0) throw invalid(file, yaml.faults);
  const parsed = schema.safeParse(yaml.value, { error: expectationOf });
  if (parsed.success) return parsed.data;
  throw invalid(file, faultsOf(parsed.error.issues, yaml, schema));
}

/** @throws {AirlockError} when there is any: a key that is not served must not be ignored in silence */
export function refuseUnserved(keys: readonly string[], file: string): void {
  if (keys.length === 0) return;
  throw new AirlockError("config-invalid", `this version does not serve ${keys.join(", ")} yet`, {
    subject: file,
    remedy: "remove these keys, or comment them out",
  });
}

async function readBounded(file: string, howToMake: string): Promise<string> {
  let bytes: Buffer;
  try {
    await using handle = await open(file, "r");
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) break;
    }
    bytes = buffer.subarray(0, length);
  } catch (cause) {
    throw unreadable(file, howToMake, cause);
  }
  if (bytes.length > MAX_BYTES) {
    throw new AirlockError("config-invalid", "the configuration is larger than 1 MiB", { subject: file });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AirlockError("config-invalid", "the configuration is not text in UTF-8", { subject: file, cause });
  }
}

function unreadable(file: string, howToMake: string, cause: unknown): AirlockError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "ENOENT") {
    return new AirlockError("config-invalid", "there is no configuration", {
      subject: file,
      remedy: `${howToMake}, or name another with --config FILE`,
      cause,
    });
  }
  return new AirlockError("config-invalid", `the configuration cannot be read: ${code}`, {
    subject: file,
    remedy: "let the user that this runs as read the file, or name another with --config FILE",
    cause,
  });
}

function invalid(file: string, faults: readonly Fault[]): AirlockError {
  const ordered = faults.toSorted((one, other) => one.line - other.line);
  const lines = ordered.slice(0, MAX_FAULTS).map(({ line, path, text }) => {
    return `${file}:${line}: ${path === "" ? "" : `${path}: `}${text}`;
  });
  if (ordered.length > MAX_FAULTS) lines.push(`and ${ordered.length - MAX_FAULTS} more`);
  const count = ordered.length === 1 ? "1 fault" : `${ordered.length} faults`;
  return new AirlockError("config-invalid", `the configuration has ${count}\n${lines.join("\n")}`, { subject: file });
}
