import { basename } from "node:path";
import { AirlockError } from "../shared/errors.ts";
import { isObjectName, MAX_NAME_BYTES } from "../shared/names.ts";
import type { EncodingStep } from "../shared/statement.ts";

const SUFFIXES: Readonly<Record<EncodingStep, string>> = { tar: ".tar", zstd: ".zst", age: ".age" };

/**
 * A name with the suffixes of what was done to the bytes, in order.
 *
 * A name that was given (`--name`, the configuration) and does not fit is refused: whoever wrote it can shorten it. A
 * file's own name that does not fit is cut, at a character's boundary, before its suffixes: file systems allow 255 bytes,
 * and a nightly backup that fails because of a long name is worse than an archive whose name lacks its tail.
 */
export function objectName(base: string, encoding: readonly EncodingStep[], given: boolean): string {
  const suffix = encoding.map((step) => SUFFIXES[step]).join("");
  const stem = given ? base : truncateUtf8(base, MAX_NAME_BYTES - Buffer.byteLength(suffix));
  const name = stem + suffix;
  if (!isObjectName(name)) {
    throw new AirlockError("usage", `an object can't be called ${JSON.stringify(name.slice(0, 100))}`, {
      remedy: `give another one with --name: at most ${MAX_NAME_BYTES} bytes with ${suffix === "" ? "no suffix" : `its suffix ${suffix}`}, without a slash, not ending in .airlock.json`,
    });
  }
  return name;
}

/** What a source is called when nobody says: one path by its last part, anything else by its set. */
export function baseNameOf(paths: readonly string[], set: string): string {
  const [only] = paths;
  const name = paths.length === 1 && only !== undefined ? basename(only) : "";
  return name === "" || name === "." || name === ".." ? set : name.toWellFormed();
}

function truncateUtf8(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}
