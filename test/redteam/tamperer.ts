/** Whoever stands between the mover and a store, or holds the store: answers are passed on, altered, cut or made up. */
import { createServer, request as send, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export type Tampering =
  | { readonly kind: "pass" }
  /** Reset before the store hears of it. */
  | { readonly kind: "reset-request" }
  /** The store does it, and the connection is reset at this byte of its answer. */
  | { readonly kind: "reset"; readonly atByte: number }
  | { readonly kind: "flip"; readonly atByte: number }
  /** The store never hears of it. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | (() => AsyncIterable<Uint8Array>);
    }
  /** No answer at all. */
  | { readonly kind: "hang" };

export interface Passing {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

export type Tamper = (passing: Passing) => Tampering;

export async function startTamperer(
  upstream: string,
  tamper: Tamper,
): Promise<{ readonly endpoint: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", upstream);
    const tampering = tamper({ method: request.method ?? "", path: url.pathname, query: url.searchParams });
    void carry(request, response, url, tampering).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function carry(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  tampering: Tampering,
): Promise<void> {
  if (tampering.kind === "reset-request") return void request.socket.resetAndDestroy();
  if (tampering.kind === "hang") return;
  if (tampering.kind === "answer") {
    request.resume();
    response.writeHead(tampering.status, tampering.headers ?? {});
    if (typeof tampering.body !== "function") return void response.end(tampering.body ?? "");
    // until it has had enough of it
    await pipeline(Readable.from(tampering.body()), response).catch(() => undefined);
    return;
  }
  // the Host that was signed is the one that is passed on
  const { hostname, port } = url;
  const onward = send({
    hostname,
    port,
    path: request.url,
    method: request.method,
    headers: request.headers,
    agent: false,
  });
  const failed = once(onward, "error").then(([error]: unknown[]) => {
    throw error;
  });
  request.pipe(onward);
  const answered = once(onward, "response").then(([answer]: unknown[]) => answer as IncomingMessage); // what "response" gives
  const answer = await Promise.race([answered, failed]);
  failed.catch(() => response.destroy());
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  let passed = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    // a message without an encoding gives Buffers
    const at = tampering.kind === "pass" ? Infinity : tampering.atByte - passed;
    if (tampering.kind === "flip" && at >= 0 && at < chunk.length) chunk[at] = (chunk[at] ?? 0) ^ 1;
    if (tampering.kind === "reset" && at <= chunk.length) {
      response.write(chunk.subarray(0, Math.max(0, at)), () => request.socket.resetAndDestroy());
      return;
    }
    passed += chunk.length;
    response.write(chunk);
  }
  if (tampering.kind === "reset") return void request.socket.resetAndDestroy();
  response.end();
}
