/** What this folder's tests share: a server in a temporary folder, clients of it, and requests signed by hand. */
import { createHash, createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client, S3ServiceException, type S3ClientConfig } from "@aws-sdk/client-s3";
import { startS3Server, type Account, type Credentials, type S3Server, type S3ServerOptions } from "./server.ts";

export interface TestServer extends AsyncDisposable {
  readonly server: S3Server;
  /** An account with the bucket `bucket`, and its root's client. */
  readonly account: Account;
  readonly client: S3Client;
  readonly clientOf: (credentials: Credentials, config?: S3ClientConfig) => S3Client;
}

export async function startTestServer(options: Partial<S3ServerOptions> = {}): Promise<TestServer> {
  const dir = await mkdtemp(join(tmpdir(), "s3-server-test-"));
  const server = await startS3Server({ dir, ...options });
  const clients: S3Client[] = [];
  const clientOf = (credentials: Credentials, config: S3ClientConfig = {}): S3Client => {
    const client = new S3Client({
      endpoint: server.endpoint,
      region: server.region,
      forcePathStyle: true,
      credentials,
      maxAttempts: 1,
      ...config,
    });
    clients.push(client);
    return client;
  };
  const account = server.createAccount("acme");
  return {
    server,
    account,
    client: clientOf(account.owner),
    clientOf,
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.destroy();
      await server.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** `status code` of the refusal; fails if there is none. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof S3ServiceException) return `${error.$metadata.httpStatusCode ?? 0} ${error.name}`;
    throw error;
  }
  throw new Error("the request was expected to be refused");
}

export interface RawRequest {
  readonly method: string;
  /** As it goes over the wire, with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export async function sendRaw(
  endpoint: string,
  { method, path, headers = {}, body }: RawRequest,
): Promise<RawResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<RawResponse>();
  const { hostname, port } = new URL(endpoint);
  const outgoing = httpRequest({ hostname, port, method, path, headers, agent: false }, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => (text += chunk));
    response.on("error", reject);
    response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return promise;
}

/** A signer for tests, by hand: signs every header given. The path and query must be encoded canonically already. */
export interface Signed {
  readonly headers: Record<string, string>;
  readonly signature: string;
  readonly sign: (text: string) => string;
  readonly scopeLines: string;
}

export function signRequest(
  server: Pick<S3Server, "endpoint" | "region">,
  credentials: Credentials,
  { method, path, headers = {} }: RawRequest,
  payloadHash: string,
  nowMs = Date.now(),
  service = "s3",
): Signed {
  const timestamp = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
  const date = timestamp.slice(0, 8);
  const all: Record<string, string> = {
    host: new URL(server.endpoint).host,
    "x-amz-content-sha256": payloadHash,
    "x-amz-date": timestamp,
    ...headers,
  };
  const names = Object.keys(all).toSorted();
  const [pathname = "", query = ""] = path.split("?");
  const pairs = query
    .split("&")
    .filter(Boolean)
    .map((pair) => (pair.includes("=") ? pair : `${pair}=`));
  const canonical = [
    method,
    pathname,
    pairs.toSorted().join("&"),
    ...names.map((name) => `${name}:${all[name]}`),
    "",
    names.join(";"),
    payloadHash,
  ].join("\n");
  const scope = `${date}/${server.region}/${service}/aws4_request`;
  let key: Buffer = Buffer.from(`AWS4${credentials.secretAccessKey}`);
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  const sign = (text: string): string => createHmac("sha256", key).update(text).digest("hex");
  const signature = sign(
    `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${createHash("sha256").update(canonical).digest("hex")}`,
  );
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
  return { headers: { ...all, authorization }, signature, sign, scopeLines: `${timestamp}\n${scope}` };
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}
