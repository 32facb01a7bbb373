/** The SDK's requests over our network: same connections, proxies, bounds, time-outs and errors for all of S3. */
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import type { PartBody } from "../stores.ts";
import type { HttpRequest as NetworkRequest, Network } from "./network.ts";
import { isFileSlice } from "./part-body.ts";
import { encodeComponent } from "./sigv4.ts";

/** The structural part of the SDK's handler interface that is used here; its own type is not exported by the client. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export function createRequestHandler(network: Network): NonNullable<S3ClientConfig["requestHandler"]> {
  async function handle(request: SdkRequest, options: { abortSignal?: unknown } = {}) {
    const query = formatSdkQuery(request.query ?? {});
    const sent: NetworkRequest = {
      origin: originOf(request),
      method: methodOf(request.method),
      path: query === "" ? request.path : `${request.path}?${query}`,
      headers: Object.entries(request.headers),
      body: bodyOf(request.body),
      signal:
        options.abortSignal instanceof AbortSignal ? options.abortSignal : AbortSignal.timeout(network.timeouts.idleMs),
    };
    if (request.query?.["x-id"] === "GetObject") {
      const { status, headers, body } = await network.send(sent);
      // `received`: the headers as they came, since the SDK parses some of its own copy away
      return { response: { statusCode: status, headers: Object.fromEntries(headers), body, received: headers } };
    }
    const { response, body } = await network.sendAndRead(sent);
    return { response: { statusCode: response.status, headers: Object.fromEntries(response.headers), body } };
  }
  return {
    handle,
    destroy() {},
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
}

export function originOf({ protocol, hostname, port }: Pick<SdkRequest, "protocol" | "hostname" | "port">): string {
  return `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`;
}

function formatSdkQuery(query: Readonly<Record<string, string | string[] | null>>): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === "") parts.push(`${encodeComponent(name)}=`);
    else for (const one of [value].flat()) parts.push(`${encodeComponent(name)}=${encodeComponent(one)}`);
  }
  return parts.join("&");
}

function methodOf(method: string): NetworkRequest["method"] {
  if (method === "GET" || method === "PUT" || method === "POST" || method === "DELETE" || method === "HEAD")
    return method;
  throw new TypeError(`no S3 request has the method ${method}`);
}

function bodyOf(body: unknown): PartBody | null {
  if (body === undefined || body === null) return null;
  if (typeof body === "string") return Buffer.from(body, "utf8");
  if (body instanceof Uint8Array || isFileSlice(body)) return body;
  throw new TypeError("only bodies that can be read again are sent");
}
