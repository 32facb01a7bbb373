/** Who is told of runs: an HTTP server on loopback that keeps what it is sent. */
import { once } from "node:events";
import { createServer } from "node:http";

interface Told {
  readonly path: string;
  readonly body: string;
}

export interface Listener extends AsyncDisposable {
  readonly address: string;
  /** The next message that has not been given yet; null when none comes in that time. */
  next(timeoutMs: number): Promise<Told | null>;
}

export async function startListener(): Promise<Listener> {
  const told: Told[] = [];
  let wake = (): void => undefined;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      told.push({ path: request.url ?? "", body: Buffer.concat(chunks).toString() });
      response.writeHead(200).end("OK");
      wake();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    address: `http://127.0.0.1:${address.port}`,
    async next(timeoutMs) {
      if (told.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return told.shift() ?? null;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
