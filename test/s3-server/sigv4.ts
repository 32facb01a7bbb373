/**
 * Verification of AWS Signature Version 4, written from the specification ("Authenticating Requests: AWS Signature
 * Version 4" in the S3 API reference) and independent of any signer that is tested against it.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import { malformedHeader, queryError, type Claim } from "./claim.ts";
import { S3Error } from "./errors.ts";
import { encodeStrict, type ParsedRequest } from "./request.ts";

export const emptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const maxSkewMs = 15 * 60 * 1000;

/** Signs what follows the seed signature: the chunks of an aws-chunked body. */
export interface ChunkSigner {
  readonly seed: string;
  signChunk(previous: string, dataSha256: string): string;
  signTrailer(previous: string, trailerSha256: string): string;
}

/** The region and service of the scope must be the server's. `bucketRegion` goes into the answer that S3 gives. */
export function checkScope(claim: Claim, region: string, service: string): void {
  if (claim.service !== service) {
    throw claim.kind === "header"
      ? malformedHeader(`incorrect service "${claim.service}". This endpoint belongs to "${service}".`)
      : queryError(`Error parsing the X-Amz-Credential parameter; incorrect service "${claim.service}".`);
  }
  if (claim.region !== region) {
    const code = claim.kind === "header" ? "AuthorizationHeaderMalformed" : "AuthorizationQueryParametersError";
    const subject =
      claim.kind === "header"
        ? "The authorization header is malformed"
        : "Error parsing the X-Amz-Credential parameter";
    throw new S3Error(code, `${subject}; the region '${claim.region}' is wrong; expecting '${region}'`, {
      Region: region,
    });
  }
  if (!claim.timestamp.startsWith(claim.date)) {
    throw claim.kind === "header"
      ? malformedHeader(
          `Invalid credential date "${claim.date}". This date is not the same as X-Amz-Date: "${claim.timestamp.slice(0, 8)}".`,
        )
      : queryError(`Invalid credential date "${claim.date}". This date is not the same as X-Amz-Date.`);
  }
}

export function checkTime(claim: Claim, nowMs: number): void {
  if (claim.expiresSeconds === undefined) {
    if (Math.abs(nowMs - claim.timestampMs) > maxSkewMs) {
      throw new S3Error(
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        {
          RequestTime: claim.timestamp,
          ServerTime: new Date(nowMs).toISOString(),
          MaxAllowedSkewMilliseconds: String(maxSkewMs),
        },
      );
    }
    return;
  }
  if (claim.timestampMs - nowMs > maxSkewMs) throw new S3Error("AccessDenied", "Request is not yet valid");
  const endMs = claim.timestampMs + claim.expiresSeconds * 1000;
  if (nowMs > endMs) {
    throw new S3Error("AccessDenied", "Request has expired", {
      "X-Amz-Expires": String(claim.expiresSeconds),
      Expires: new Date(endMs).toISOString(),
      ServerTime: new Date(nowMs).toISOString(),
    });
  }
}

const signingKeys = new Map<string, Buffer>();

function signingKey(secret: string, date: string, region: string, service: string): Buffer {
  const id = `${secret}\n${date}\n${region}\n${service}`;
  const known = signingKeys.get(id);
  if (known !== undefined) return known;
  let key: Buffer = Buffer.from(`AWS4${secret}`, "utf8");
  for (const part of [date, region, service, "aws4_request"]) key = createHmac("sha256", key).update(part).digest();
  if (signingKeys.size > 1000) signingKeys.clear();
  signingKeys.set(id, key);
  return key;
}

/** Throws unless the signature is the secret's. `payloadHash` is the text that stands for the body. */
export function verifySignature(
  request: ParsedRequest,
  claim: Claim,
  secret: string,
  payloadHash: string,
): ChunkSigner {
  checkSignedHeaders(request, claim);
  const canonical = canonicalRequest(request, claim, payloadHash);
  const scope = `${claim.date}/${claim.region}/${claim.service}/aws4_request`;
  const hashed = createHash("sha256").update(canonical, "latin1").digest("hex");
  const stringToSign = `AWS4-HMAC-SHA256\n${claim.timestamp}\n${scope}\n${hashed}`;
  const key = signingKey(secret, claim.date, claim.region, claim.service);
  const sign = (text: string): string => createHmac("sha256", key).update(text, "latin1").digest("hex");

  if (!isSame(sign(stringToSign), claim.signature)) {
    throw new S3Error(
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
      {
        AWSAccessKeyId: claim.accessKeyId,
        StringToSign: stringToSign,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonical,
      },
    );
  }
  const prefix = `${claim.timestamp}\n${scope}\n`;
  return {
    seed: claim.signature,
    signChunk: (previous, dataSha256) =>
      sign(`AWS4-HMAC-SHA256-PAYLOAD\n${prefix}${previous}\n${emptySha256}\n${dataSha256}`),
    signTrailer: (previous, trailerSha256) => sign(`AWS4-HMAC-SHA256-TRAILER\n${prefix}${previous}\n${trailerSha256}`),
  };
}

export function isSame(expected: string, given: string): boolean {
  const a = Buffer.from(expected, "latin1");
  const b = Buffer.from(given, "latin1");
  return a.length === b.length && timingSafeEqual(a, b);
}

function checkSignedHeaders(request: ParsedRequest, claim: Claim): void {
  const signed = new Set(claim.signedHeaders);
  const missing = [...request.headers.keys()].filter(
    (name) => (name === "host" || name.startsWith("x-amz-")) && !signed.has(name),
  );
  if (missing.length > 0) {
    throw new S3Error("AccessDenied", "There were headers present in the request which were not signed", {
      HeadersNotSigned: missing.join(", "),
    });
  }
}

function canonicalRequest(request: ParsedRequest, claim: Claim, payloadHash: string): string {
  const path = request.path.split("/").map(encodeStrict).join("/");
  const pairs = request.queryPairs
    .filter(([name]) => claim.kind === "header" || name !== "X-Amz-Signature")
    .map(([name, value]): [string, string] => [encodeStrict(name), encodeStrict(value)])
    .toSorted(([aName, aValue], [bName, bValue]) => compare(aName, bName) || compare(aValue, bValue))
    .map(([name, value]) => `${name}=${value}`);
  const headers = claim.signedHeaders.map(
    (name) => `${name}:${(request.headers.get(name) ?? "").trim().replace(/ +/g, " ")}\n`,
  );
  return `${request.method}\n${path}\n${pairs.join("&")}\n${headers.join("")}\n${claim.signedHeaders.join(";")}\n${payloadHash}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
