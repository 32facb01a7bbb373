import { S3Error } from "./errors.ts";
import { toByteString } from "./sorted-keys.ts";

/** A request's line and headers, taken apart but not yet believed. */
export interface ParsedRequest {
  readonly method: string;
  /** As sent, before the question mark. */
  readonly rawPath: string;
  /** Decoded path: `/bucket/key`. */
  readonly path: string;
  readonly bucket: string | undefined;
  /** Decoded key, and the same as a byte string (see sorted-keys.ts). */
  readonly key: string | undefined;
  readonly keyBytes: string | undefined;
  /** Decoded names and values in the order sent; a name may come twice. */
  readonly queryPairs: readonly (readonly [string, string])[];
  /** First value of each name. */
  readonly query: ReadonlyMap<string, string>;
  /** Lower-case names; values as received (Latin-1), repeated ones joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
}

export function parseRequest(method: string, url: string, rawHeaders: readonly string[]): ParsedRequest {
  const question = url.indexOf("?");
  const rawPath = question === -1 ? url : url.slice(0, question);
  const path = decodeComponent(rawPath);
  const queryPairs = question === -1 ? [] : parseQuery(url.slice(question + 1));
  const query = new Map<string, string>();
  for (const [name, value] of queryPairs) if (!query.has(name)) query.set(name, value);

  const slash = path.indexOf("/", 1);
  const bucket = slash === -1 ? path.slice(1) : path.slice(1, slash);
  const key = slash === -1 ? "" : path.slice(slash + 1);
  return {
    method,
    rawPath,
    path,
    bucket: bucket === "" ? undefined : bucket,
    key: key === "" ? undefined : key,
    keyBytes: key === "" ? undefined : toByteString(key),
    queryPairs,
    query,
    headers: collectHeaders(rawHeaders),
  };
}

function collectHeaders(rawHeaders: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    const value = rawHeaders[index + 1] ?? "";
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before},${value}`);
  }
  return headers;
}

function parseQuery(text: string): [string, string][] {
  return text
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      const name = equals === -1 ? pair : pair.slice(0, equals);
      const value = equals === -1 ? "" : pair.slice(equals + 1);
      return [decodeComponent(name.replaceAll("+", " ")), decodeComponent(value.replaceAll("+", " "))];
    });
}

function decodeComponent(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    // Malformed escapes, or bytes that are not UTF-8.
    if (error instanceof URIError) throw new S3Error("InvalidURI", "Couldn't parse the specified URI.");
    throw error;
  }
}

/** Percent-encoding as AWS signs it: everything but unreserved characters (RFC 3986), upper-case hex. */
export function encodeStrict(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** A header's integer, or an InvalidArgument that names it. */
export function parseInteger(text: string, name: string, minimum: number, maximum: number): number {
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new S3Error("InvalidArgument", `Provided ${name} not an integer or within integer range`, {
      ArgumentName: name,
      ArgumentValue: text,
    });
  }
  return value;
}
