/** Passes connections on to a server, noting the key and the session token of each signed request (SigV4, in headers). */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface SignedWith {
  readonly accessKeyId: string;
  readonly sessionToken: string | null;
}

export interface Relay extends AsyncDisposable {
  readonly port: number;
  readonly seen: SignedWith[];
}

/** @param targetPort of 127.0.0.1, speaking plain HTTP */
export async function startRelay(targetPort: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  const seen: SignedWith[] = [];
  const server = createServer((socket) => {
    const target = connect({ host: "127.0.0.1", port: targetPort });
    let head = "";
    socket.on("data", (chunk: Buffer) => {
      head += chunk.toString("latin1");
      for (let end = head.indexOf("\r\n\r\n"); end !== -1; end = head.indexOf("\r\n\r\n")) {
        const [, accessKeyId] =
          /\r\nauthorization: AWS4-HMAC-SHA256 Credential=(\w+)\//i.exec(head.slice(0, end)) ?? [];
        const [, sessionToken = null] = /\r\nx-amz-security-token: (\S+)/i.exec(head.slice(0, end)) ?? [];
        if (accessKeyId !== undefined) seen.push({ accessKeyId, sessionToken });
        head = head.slice(end + 4);
      }
      head = head.slice(-16_384); // bodies pass by here too
    });
    for (const [one, other] of [
      [socket, target],
      [target, socket],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    port: address.port,
    seen,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
