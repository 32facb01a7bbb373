/**
 * What can be reached from where this runs:
 *
 *     node test/deploy/reach.ts tcp:ADDRESS:PORT udp:ADDRESS:PORT …
 *
 * Prints a line for each: `tcp:ADDRESS:PORT open`, or why not; `silent` is what never answered.
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";

const TIMEOUT_MS = 3_000;

const lines = process.argv.slice(2).map(async (target) => {
  const [, kind, host = "", port] = /^(tcp|udp):(.+):(\d+)$/.exec(target) ?? [];
  return `${target} ${await (kind === "udp" ? tryUdp : tryTcp)(host, Number(port))}`;
});
console.log((await Promise.all(lines)).join("\n"));

function tryTcp(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (seen: string): void => {
      socket.destroy();
      resolve(seen);
    };
    socket.setTimeout(TIMEOUT_MS, () => end("silent"));
    socket.on("error", (error) => end("code" in error ? String(error.code) : error.message));
    socket.on("connect", () => end("open"));
  });
}

function tryUdp(address: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    const end = (seen: string): void => {
      clearTimeout(timer);
      socket.removeAllListeners("error").on("error", () => undefined);
      socket.close();
      resolve(seen);
    };
    const timer = setTimeout(() => end("silent"), TIMEOUT_MS);
    socket.on("error", (error) => end("code" in error ? String(error.code) : error.message));
    socket.on("message", () => end("open"));
    socket.connect(port, address, () => socket.send("?"));
  });
}
