/**
 * Signature Version 4 for the few requests that the S3 SDK has no command for: the IAM API, Ceph's admin API, SQS, and
 * requests that are wrong on purpose. Kept apart from the product's own signer, so that one can't hide a fault of the
 * other. Source: "Signature Version 4 signing process", AWS General Reference.
 */
import { createHash, createHmac } from "node:crypto";
import type { Credentials } from "./server.ts";

export interface SignedRequest {
  readonly method: string;
  /** The path is signed as it is (S3's rule); the query is sorted here. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly service: "s3" | "iam" | "sqs" | "sns" | "cloudformation";
  readonly region: string;
  readonly credentials: Credentials;
  readonly now?: Date;
  /** Stands in for the body's own SHA-256 (`UNSIGNED-PAYLOAD`, or a wrong one). */
  readonly payloadHash?: string;
  readonly signal?: AbortSignal;
}

export function signRequest(request: SignedRequest): Record<string, string> {
  const { url, credentials, service, region } = request;
  const time = (request.now ?? new Date()).toISOString().replace(/[-:]|\.\d{3}/g, "");
  const day = time.slice(0, 8);
  const payloadHash = request.payloadHash ?? sha256Hex(request.body ?? "");
  const headers = new Map<string, string>([["host", url.host]]);
  for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name.toLowerCase(), value.trim());
  headers.set("x-amz-date", time);
  headers.set("x-amz-content-sha256", payloadHash);

  const names = [...headers.keys()].toSorted();
  const query = [...url.searchParams]
    .map(([name, value]) => `${encodeStrictly(name)}=${encodeStrictly(value)}`)
    .toSorted()
    .join("&");
  const canonical = [
    request.method,
    url.pathname,
    query,
    ...names.map((name) => `${name}:${headers.get(name)}`),
    "",
    names.join(";"),
    payloadHash,
  ].join("\n");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256Hex(canonical)].join("\n");
  let key: Buffer = Buffer.from(`AWS4${credentials.secretAccessKey}`);
  for (const step of [day, region, service, "aws4_request"]) key = createHmac("sha256", key).update(step).digest();
  const signature = createHmac("sha256", key).update(toSign).digest("hex");
  headers.delete("host");
  return {
    ...Object.fromEntries(headers),
    authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`,
  };
}

export interface PlainResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Sends the request once and reads the whole answer; no status is an error here. */
export async function sendSigned(request: SignedRequest): Promise<PlainResponse> {
  const response = await fetch(request.url, {
    method: request.method,
    headers: signRequest(request),
    redirect: "manual",
    signal: request.signal ?? AbortSignal.timeout(30_000),
    ...(request.body === undefined ? {} : { body: request.body }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** RFC 3986's unreserved characters stay, everything else becomes %XX. */
function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

export function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
