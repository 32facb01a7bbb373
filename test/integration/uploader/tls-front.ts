/** TLS in front of a plain server, and a proxy that opens tunnels: what lies between a host and its store in real networks. */
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Duplex } from "node:stream";
import type { SelfSigned } from "../../s3-server/self-signed.ts";

interface Listening extends AsyncDisposable {
  readonly port: number;
}

/** Decrypts and passes on to that port of 127.0.0.1. */
export async function startTlsFront(targetPort: number, { key, cert }: SelfSigned): Promise<Listening> {
  const sockets = new Set<Duplex>();
  const server = createTlsServer({ key, cert }, (socket) =>
    join(socket, connect({ host: "127.0.0.1", port: targetPort }), sockets),
  );
  // a client that does not trust the certificate goes away in the middle of the handshake
  server.on("tlsClientError", () => undefined);
  return listen(server, sockets);
}

export interface TunnelProxy extends Listening {
  /** What tunnels were asked for: `host:port`. */
  readonly asked: readonly string[];
}

/**
 * Whatever name it is asked for, it connects to 127.0.0.1.
 * @param authorization `user:password` that a client must give, or null
 */
export async function startTunnelProxy(authorization: string | null): Promise<TunnelProxy> {
  const sockets = new Set<Duplex>();
  const asked: string[] = [];
  const server = createHttpServer((_, response) => response.writeHead(405).end());
  const expected = authorization === null ? undefined : `Basic ${Buffer.from(authorization).toString("base64")}`;
  server.on("connect", ({ url = "", headers }, socket, head) => {
    asked.push(url);
    if (headers["proxy-authorization"] !== expected) {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      return;
    }
    const { port } = new URL(`http://${url}`);
    const target = connect({ host: "127.0.0.1", port: Number(port) }, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      target.write(head);
      join(socket, target, sockets);
    });
    target.on("error", () => socket.destroy());
  });
  return { ...(await listen(server, sockets)), asked };
}

function join(one: Duplex, other: Socket, sockets: Set<Duplex>): void {
  for (const [socket, peer] of [
    [one, other],
    [other, one],
  ] as const) {
    sockets.add(socket);
    socket.on("error", () => peer.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      peer.destroy();
    });
    socket.pipe(peer);
  }
}

async function listen(server: Server, sockets: ReadonlySet<Duplex>): Promise<Listening> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
