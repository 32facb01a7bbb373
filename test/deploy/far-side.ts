/**
 * What lies beyond the vault box's packet filter, as a process in a network namespace of its own: two accounts with
 * everybody's keys behind HTTPS on port 443, the provider's list of addresses likewise, and listeners on whatever other
 * ports a taken box might try.
 *
 *     node test/deploy/far-side.ts CERTIFICATE KEY RANGES.json
 *
 * Prints a line of JSON when all of it listens, stores an object for each line `put` that it reads and says what the
 * vault has for each line `list`. Ends with its input.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server } from "node:net";
import { createInterface } from "node:readline";
import { createServer as createTlsServer } from "node:tls";
import { startWorld } from "../support/world.ts";
import { OTHER_TCP, OTHER_UDP, RANGES_NAME } from "./far-names.ts";

const [certificateFile = "", keyFile = "", rangesFile = ""] = process.argv.slice(2);
const PART_BYTES = 5 * 2 ** 20;

const world = await startWorld();
const store = new URL(world.server.endpoint);
const ranges = createHttpServer((_, response) => {
  readFile(rangesFile).then(
    (list) => response.end(list),
    () => response.writeHead(500).end(),
  );
});
const front = createTlsServer(
  { cert: await readFile(certificateFile), key: await readFile(keyFile), ALPNProtocols: ["http/1.1"] },
  (socket) => {
    socket.on("error", () => socket.destroy());
    if (socket.servername === RANGES_NAME) {
      ranges.emit("connection", socket);
      return;
    }
    const inner = connect(Number(store.port), store.hostname);
    inner.on("error", () => socket.destroy());
    socket.on("close", () => inner.destroy());
    socket.pipe(inner).pipe(socket);
  },
);
await listen(front, 443);
for (const port of OTHER_TCP) {
  await listen(
    createServer((socket) => socket.on("error", () => undefined).end()),
    port,
  );
}
for (const port of OTHER_UDP) {
  const socket = createSocket("udp6");
  socket.on("message", (message, { port: to, address }) => socket.send(message, to, address));
  socket.bind(port, "::");
  await once(socket, "listening");
}
say({ moverConfig: world.moverConfig, endpoint: world.server.endpoint, home: world.dir });

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "put") say(await world.putSigned("web1", Buffer.alloc(3 * PART_BYTES, line), { partBytes: PART_BYTES }));
  if (line === "list") {
    const [archived, waiting] = [await world.listVault("archive/"), await world.listDropZone()];
    say({ archived: archived.map(({ key }) => key), waiting: waiting.map(({ key }) => key) });
  }
}
await world[Symbol.asyncDispose]();
process.exit(0);

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "::");
  await once(server, "listening");
}

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
