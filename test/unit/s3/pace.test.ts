import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { DEFAULT_TIMEOUTS, openNetwork } from "../../../shared/s3/network.ts";

describe("what is sent under a pace", () => {
  let server: Server;
  let received = 0;
  before(async () => {
    server = createServer((request, response) => {
      request.on("data", (chunk: Buffer) => (received += chunk.length));
      request.on("end", () => response.end());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(async () => {
    server.close();
    await once(server, "close");
  });

  const put = (body: Uint8Array, signal: AbortSignal) => {
    // an address, as a server on a port has
    const { port } = server.address() as AddressInfo;
    return {
      origin: `http://127.0.0.1:${port}`,
      method: "PUT" as const,
      path: "/x",
      headers: [],
      body,
      signal,
    };
  };

  for (const sizeBytes of [1, 200_000, 3_000_001]) {
    it(`asks for each of ${sizeBytes} bytes before it goes, and never for much at once`, async () => {
      const { signal } = new AbortController();
      const asked: number[] = [];
      let sent = 0;
      received = 0;
      const pace = (bytes: number): Promise<void> => {
        assert.ok(received <= sent, "nothing goes before it is asked for");
        asked.push(bytes);
        sent += bytes;
        return Promise.resolve();
      };
      const network = openNetwork({ timeouts: DEFAULT_TIMEOUTS, maxConnections: 1, pace });
      await network.sendAndRead(put(Buffer.alloc(sizeBytes), signal));
      await network.close();
      assert.equal(sent, sizeBytes);
      assert.equal(received, sizeBytes);
      assert.ok(Math.max(...asked) <= 256 * 1024);
    });
  }

  it("stops at an abort while it waits for its turn", async () => {
    const stop = new AbortController();
    received = 0;
    const waits = Promise.withResolvers<void>();
    const pace = (_: number, signal: AbortSignal): Promise<void> => {
      waits.resolve();
      return new Promise((__, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
    };
    const network = openNetwork({ timeouts: DEFAULT_TIMEOUTS, maxConnections: 1, pace });
    const sending = network.sendAndRead(put(Buffer.alloc(1_000_000), stop.signal));
    await waits.promise;
    stop.abort(new Error("enough"));
    await assert.rejects(sending);
    await network.close();
    assert.equal(received, 0);
  });
});
