/** What is kept beside the bytes, between HTTP headers and {@link ObjectAttributes}. */
import type { ObjectAttributes } from "../stores.ts";

export const NO_ATTRIBUTES: ObjectAttributes = { metadata: new Map() };

const METADATA_PREFIX = "x-amz-meta-";

export function readAttributes(headers: ReadonlyMap<string, string>): ObjectAttributes {
  const metadata = new Map<string, string>();
  for (const [name, value] of headers) {
    if (name.startsWith(METADATA_PREFIX)) metadata.set(name.slice(METADATA_PREFIX.length), value);
  }
  const contentEncoding = withoutChunking(headers.get("content-encoding"));
  return {
    metadata,
    ...present("contentType", headers.get("content-type")),
    ...present("contentEncoding", contentEncoding),
    ...present("contentLanguage", headers.get("content-language")),
    ...present("contentDisposition", headers.get("content-disposition")),
    ...present("cacheControl", headers.get("cache-control")),
    ...present("expires", headers.get("expires")),
  };
}

/** In the form in which they can be signed: see {@link toSignableValue}. */
export function writeAttributes(attributes: ObjectAttributes): [name: string, value: string][] {
  const headers: [string, string][] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== "") headers.push([name, toSignableValue(value)]);
  };
  add("content-type", attributes.contentType);
  add("content-encoding", withoutChunking(attributes.contentEncoding));
  add("content-language", attributes.contentLanguage);
  add("content-disposition", attributes.contentDisposition);
  add("cache-control", attributes.cacheControl);
  add("expires", attributes.expires);
  for (const [name, value] of attributes.metadata) headers.push([METADATA_PREFIX + name, toSignableValue(value)]);
  return headers;
}

/** Printable ASCII with single spaces between: there is only one way to canonicalise it. */
const SIGNABLE = /^(?:[\x21-\x7e]+(?: [\x21-\x7e]+)*)?$/;

/**
 * Stores disagree on how to canonicalise other values, and a host that chooses them must not be able to make the
 * mover's signature look wrong. They become an encoded word (RFC 2047), which is how S3 itself hands out metadata that is not
 * ASCII; the text is what HTTP carried, one character for a byte.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
 */
function toSignableValue(value: string): string {
  if (SIGNABLE.test(value)) return value;
  const bytes = Buffer.from(value, "latin1");
  const isBytes = bytes.toString("latin1") === value;
  const encoded = isBytes ? bytes : Buffer.from(value, "utf8");
  const charset = isBytes && encoded.toString("utf8").includes("\uFFFD") ? "ISO-8859-1" : "UTF-8";
  return `=?${charset}?B?${encoded.toString("base64")}?=`;
}

/** Some stores keep the SDK's transfer framing as if it were the object's own encoding; sent again, it would be decoded. */
function withoutChunking(value: string | undefined): string | undefined {
  if (value === undefined || !/aws-chunked/i.test(value)) return value;
  const kept = value.split(",").filter((coding) => coding.trim().toLowerCase() !== "aws-chunked");
  return kept.length === 0 ? undefined : kept.map((coding) => coding.trim()).join(",");
}

function present<K extends string>(name: K, value: string | undefined): { [P in K]?: string } {
  // TypeScript widens a computed property name to string
  return value === undefined ? {} : ({ [name]: value } as { [P in K]?: string });
}
