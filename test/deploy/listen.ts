/** `node test/deploy/listen.ts PORT…`: listens on them, TCP and UDP, prints a line, and ends with its input. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

for (const port of process.argv.slice(2).map(Number)) {
  const server = createServer((socket) => socket.on("error", () => undefined).end());
  server.listen(port, "::");
  const socket = createSocket("udp6");
  socket.on("message", (message, { port: to, address }) => socket.send(message, to, address));
  socket.bind(port, "::");
  await Promise.all([once(server, "listening"), once(socket, "listening")]);
}
console.log("listening");
process.stdin.once("end", () => process.exit(0)).resume();
