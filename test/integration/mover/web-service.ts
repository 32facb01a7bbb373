/** A webhook's or heartbeat's other end. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Visit {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly body: string;
}

export interface WebService extends AsyncDisposable {
  readonly origin: string;
  readonly visits: readonly Visit[];
  /** What is answered from now on. */
  status: number;
  /** Resolves with the first visit that matches, from now on or before; rejects after 30 s. */
  visited(matches: (visit: Visit) => boolean): Promise<Visit>;
}

export async function startWebService(): Promise<WebService> {
  const visits: Visit[] = [];
  const watchers = new Set<() => void>();
  const service = { status: 200 };
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      response.writeHead(service.status).end();
      visits.push({ method: request.method, path: request.url, body });
      for (const watcher of watchers) watcher();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return Object.assign(service, {
    origin: `http://127.0.0.1:${port}`,
    visits,
    visited: (matches: (visit: Visit) => boolean) =>
      new Promise<Visit>((resolve, reject) => {
        const timer = setTimeout(() => {
          watchers.delete(look);
          reject(new Error(`nobody came within 30 s but ${JSON.stringify(visits)}`));
        }, 30_000);
        const look = (): void => {
          const visit = visits.find(matches);
          if (visit === undefined) return;
          watchers.delete(look);
          clearTimeout(timer);
          resolve(visit);
        };
        watchers.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  });
}
