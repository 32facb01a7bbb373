/** Reading who signed a request and how, from its Authorization header or its query; nothing is verified here. */
import { S3Error } from "./errors.ts";
import type { ParsedRequest } from "./request.ts";

const maxExpirySeconds = 7 * 24 * 60 * 60;

/** What a request says about who signed it and how. */
export interface Claim {
  readonly kind: "header" | "presigned";
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly timestamp: string;
  readonly timestampMs: number;
  readonly expiresSeconds: number | undefined;
}

/** The claim of a request; undefined for one that is not signed at all. */
export function readClaim(request: ParsedRequest): Claim | undefined {
  const authorization = request.headers.get("authorization");
  if (authorization !== undefined) return readHeaderClaim(request, authorization);
  if (request.query.has("X-Amz-Signature") || request.query.has("X-Amz-Algorithm")) return readQueryClaim(request);
  return undefined;
}

function readHeaderClaim(request: ParsedRequest, authorization: string): Claim {
  if (!authorization.startsWith("AWS4-HMAC-SHA256")) {
    throw new S3Error(
      "InvalidRequest",
      "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    );
  }
  const fields = new Map<string, string>();
  for (const field of authorization.slice("AWS4-HMAC-SHA256".length).split(",")) {
    const equals = field.indexOf("=");
    if (equals !== -1) fields.set(field.slice(0, equals).trim(), field.slice(equals + 1).trim());
  }
  const credential = fields.get("Credential");
  const signedHeaders = fields.get("SignedHeaders");
  const signature = fields.get("Signature");
  if (credential === undefined || signedHeaders === undefined || signature === undefined) {
    throw malformedHeader(
      "the Authorization header requires three components: Credential, SignedHeaders, and Signature.",
    );
  }
  const timestamp = request.headers.get("x-amz-date") ?? fromHttpDate(request.headers.get("date"));
  const timestampMs = timestamp === undefined ? undefined : parseTimestamp(timestamp);
  if (timestamp === undefined || timestampMs === undefined) {
    throw new S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  }
  return {
    kind: "header",
    ...parseScope(credential, malformedHeader),
    signedHeaders: signedHeaders.split(";"),
    signature,
    timestamp,
    timestampMs,
    expiresSeconds: undefined,
  };
}

function readQueryClaim(request: ParsedRequest): Claim {
  const get = (name: string): string => {
    const value = request.query.get(name);
    if (value === undefined) {
      throw queryError(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
      );
    }
    return value;
  };
  if (get("X-Amz-Algorithm") !== "AWS4-HMAC-SHA256") throw queryError("X-Amz-Algorithm only supports AWS4-HMAC-SHA256");
  const timestamp = get("X-Amz-Date");
  const timestampMs = parseTimestamp(timestamp);
  if (timestampMs === undefined) throw queryError("X-Amz-Date must be in the ISO8601 Long Format yyyyMMdd'T'HHmmss'Z'");
  const expiresSeconds = /^\d+$/.test(get("X-Amz-Expires")) ? Number(get("X-Amz-Expires")) : Number.NaN;
  if (Number.isNaN(expiresSeconds)) throw queryError("X-Amz-Expires should be a number");
  if (expiresSeconds > maxExpirySeconds) {
    throw queryError(
      "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
    );
  }
  return {
    kind: "presigned",
    ...parseScope(get("X-Amz-Credential"), queryError),
    signedHeaders: get("X-Amz-SignedHeaders").split(";"),
    signature: get("X-Amz-Signature"),
    timestamp,
    timestampMs,
    expiresSeconds,
  };
}

function parseScope(
  credential: string,
  error: (message: string) => S3Error,
): Pick<Claim, "accessKeyId" | "date" | "region" | "service"> {
  const parts = credential.split("/");
  const [accessKeyId, date, region, service, terminator] = parts.slice(-5);
  if (!accessKeyId || !date || !region || !service || terminator !== "aws4_request" || parts.length !== 5) {
    throw error('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".');
  }
  return { accessKeyId, date, region, service };
}

export function malformedHeader(message: string): S3Error {
  return new S3Error("AuthorizationHeaderMalformed", `The authorization header is malformed; ${message}`);
}

export function queryError(message: string): S3Error {
  return new S3Error("AuthorizationQueryParametersError", message);
}

function parseTimestamp(text: string): number | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  return Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second);
}

function fromHttpDate(text: string | undefined): string | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, "");
}
