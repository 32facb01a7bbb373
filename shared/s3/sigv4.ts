/**
 * AWS Signature Version 4 in request headers, as S3 wants it: the path is signed as it is sent, never normalised.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 *
 * Pure: time and credentials are passed in. The only state is what was computed before: the derived keys, which depend
 * on nothing but the credential, the day, the region and the service, and the latest second's text.
 */
import { createHmac, hash } from "node:crypto";

export interface SigningCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface SigningScope {
  readonly region: string;
  readonly service: string;
}

/** Names in lower case; a name may occur twice. */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

export interface SignableRequest {
  readonly method: string;
  /** As it is sent: percent-encoded, with its leading slash. */
  readonly path: string;
  /** As it is sent, without the question mark; made by {@link formatQuery}, which sorts it. */
  readonly query: string;
  /** Every header that is to be signed, `host` and `x-amz-date` among them. */
  readonly headers: HeaderPairs;
  /** Hex SHA-256 of the body, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
}

export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";
export const EMPTY_PAYLOAD_HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const ALGORITHM = "AWS4-HMAC-SHA256";
const MAX_CACHED_KEYS = 64;

/** `20150830T123600Z`, the form of `x-amz-date`. */
export function formatAmzDate(at: Date): string {
  const second = Math.floor(at.getTime() / 1000);
  if (second !== formatted.second) {
    formatted = { second, text: `${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z` };
  }
  return formatted.text;
}

/** Hundreds of requests are signed within one second. */
let formatted = { second: Number.NaN, text: "" };

/** RFC 3986: everything but `A-Za-z0-9-._~` as %XX of its UTF-8. Throws a URIError for a lone surrogate. */
export function encodeComponent(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** A key as it stands in a path: slashes stay, and so do `.`, `..` and empty segments. */
export function encodePath(key: string): string {
  return encodeComponent(key).replaceAll("%2F", "/");
}

export function formatQuery(parameters: readonly (readonly [name: string, value: string])[]): string {
  return parameters
    .map(([name, value]) => [encodeComponent(name), encodeComponent(value)] as const)
    .toSorted(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

export interface Canonical {
  readonly request: string;
  readonly signedHeaders: string;
}

export function canonicalize(request: SignableRequest): Canonical {
  const values = new Map<string, string>();
  for (const [name, value] of request.headers) {
    const before = values.get(name);
    values.set(name, before === undefined ? trimValue(value) : `${before},${trimValue(value)}`);
  }
  const names = [...values.keys()].toSorted();
  let headers = "";
  for (const name of names) headers += `${name}:${values.get(name)}\n`;
  const signedHeaders = names.join(";");
  const { method, path, query, payloadHash } = request;
  return { request: `${method}\n${path}\n${query}\n${headers}\n${signedHeaders}\n${payloadHash}`, signedHeaders };
}

export function stringToSign(canonicalRequest: string, amzDate: string, scope: SigningScope): string {
  return `${ALGORITHM}\n${amzDate}\n${formatScope(amzDate, scope)}\n${hash("sha256", canonicalRequest, "hex")}`;
}

export function signString(
  text: string,
  credentials: SigningCredentials,
  amzDate: string,
  scope: SigningScope,
): string {
  return createHmac("sha256", deriveKey(credentials, amzDate.slice(0, 8), scope))
    .update(text)
    .digest("hex");
}

/** The value of `authorization` for exactly these headers. */
function authorize(
  request: SignableRequest,
  credentials: SigningCredentials,
  amzDate: string,
  scope: SigningScope,
): string {
  const canonical = canonicalize(request);
  const signature = signString(stringToSign(canonical.request, amzDate, scope), credentials, amzDate, scope);
  const credential = `${credentials.accessKeyId}/${formatScope(amzDate, scope)}`;
  return `${ALGORITHM} Credential=${credential}, SignedHeaders=${canonical.signedHeaders}, Signature=${signature}`;
}

/** The request's headers with date, payload hash, session token and authorization added: all that goes on the wire. */
export function signHeaders(
  request: SignableRequest,
  credentials: SigningCredentials,
  at: Date,
  scope: SigningScope,
): [name: string, value: string][] {
  const amzDate = formatAmzDate(at);
  const headers: [string, string][] = [
    ...request.headers.map(([name, value]): [string, string] => [name, value]),
    ["x-amz-content-sha256", request.payloadHash],
    ["x-amz-date", amzDate],
  ];
  if (credentials.sessionToken !== undefined) headers.push(["x-amz-security-token", credentials.sessionToken]);
  headers.push(["authorization", authorize({ ...request, headers }, credentials, amzDate, scope)]);
  return headers;
}

function formatScope(amzDate: string, { region, service }: SigningScope): string {
  return `${amzDate.slice(0, 8)}/${region}/${service}/aws4_request`;
}

/** Inner runs of white space count as one space, outer ones not at all. */
function trimValue(value: string): string {
  const trimmed = value.trim();
  return /\s\s|[^\S ]/.test(trimmed) ? trimmed.replaceAll(/\s+/g, " ") : trimmed;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const derivedKeys = new Map<string, Buffer>();

function deriveKey(credentials: SigningCredentials, day: string, { region, service }: SigningScope): Buffer {
  const id = `${credentials.accessKeyId}\n${credentials.secretAccessKey}\n${day}\n${region}\n${service}`;
  const known = derivedKeys.get(id);
  if (known !== undefined) return known;
  let key = mac(`AWS4${credentials.secretAccessKey}`, day);
  for (const text of [region, service, "aws4_request"]) key = mac(key, text);
  if (derivedKeys.size >= MAX_CACHED_KEYS) derivedKeys.clear();
  derivedKeys.set(id, key);
  return key;
}

function mac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
