import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { DEFAULT_TIMEOUTS, openNetwork } from "../../../shared/s3/network.ts";

/** More than what lies between a sender and a reader who does not read. */
const SENT_BYTES = 8 * 1024 * 1024;

for (const closing of [true, false]) {
  test(`a connection that is reset while its answer waits to be read is an error of that request alone (to be closed: ${closing})`, async () => {
    const { promise: full, resolve: isFull } = Promise.withResolvers<() => void>();
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        const connection = closing ? "Connection: close\r\n" : "";
        socket.write(`HTTP/1.1 200 OK\r\n${connection}Content-Length: ${SENT_BYTES * 2}\r\n\r\n`);
        socket.write(Buffer.alloc(SENT_BYTES));
        isFull(() => socket.resetAndDestroy());
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    const network = openNetwork({ timeouts: DEFAULT_TIMEOUTS, maxConnections: 1 });
    try {
      const { body } = await network.send({
        origin: `http://127.0.0.1:${address.port}`,
        method: "GET",
        path: "/",
        headers: [],
        body: null,
        signal: AbortSignal.timeout(30_000),
      });
      const reset = await full;
      const broken = once(body, "error").then(([error]: unknown[]) => error);
      reset();
      const error = await broken;
      assert.ok(error instanceof Error && "code" in error, String(error));
    } finally {
      await network.close();
      server.close();
    }
  });
}
