/** Waiting, pacing, proxies and credentials that change: what only shows over time or on the wire. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { S3Client } from "@aws-sdk/client-s3";
import type { StoreConfig } from "../../../shared/config/store-config.ts";
import { isAirlockError, type Code } from "../../../shared/errors.ts";
import { openS3, type S3Options } from "../../../shared/s3/client.ts";
import { fileCredentials } from "../../../shared/s3/credentials.ts";
import { forever, impatient, readAll } from "./fixture.ts";

const signal = forever();
const GET = { key: "k", versionId: null, range: null, ifMatch: null, signal };

const hasCode =
  (code: Code) =>
  (error: unknown): boolean => {
    assert.ok(isAirlockError(error, code), `${code} expected, and not ${String(error)}`);
    return true;
  };

let dir = "";
let credentials: StoreConfig["credentials"];
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-network-"));
  credentials = { kind: "files", accessKeyIdFile: join(dir, "id"), secretAccessKeyFile: join(dir, "secret") };
  await writeFile(join(dir, "id"), "AKIAEXAMPLE");
  await writeFile(join(dir, "secret"), "secret", { mode: 0o600 });
});
after(() => rm(dir, { recursive: true }));

function configFor(endpoint: string): StoreConfig {
  return {
    bucket: "b",
    region: "eu-west-1",
    endpoint,
    forcePathStyle: true,
    credentials,
    expectedBucketOwner: null,
    checksums: "auto",
  };
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `http://127.0.0.1:${address.port}`;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}

for (const transport of ["http", "sdk"] as const) {
  describe(`over ${transport}`, () => {
    async function withStore(
      answer: (response: ServerResponse) => void,
      options: S3Options,
      use: (endpoint: string) => Promise<void>,
    ): Promise<void> {
      const server = createServer((request, response) => {
        request.resume();
        answer(response);
      });
      const endpoint = await listen(server);
      try {
        await using store = await openS3(configFor(endpoint), { ...options, transport, retryTools: impatient });
        await assert.rejects(
          async () => readAll((await store.bytes.getObject(GET)).body),
          hasCode("store-unavailable"),
        );
        await use(endpoint);
      } finally {
        await close(server);
      }
    }

    it("a body that stops coming is given up", async () => {
      const stall = (response: ServerResponse): void => {
        response.writeHead(200, { etag: '"e"', "content-length": "1000" });
        response.write("some");
      };
      await withStore(stall, { timeouts: { idleMs: 300 } }, async () => undefined);
    });

    it("a body that drips is given up, though it never stops for long", async () => {
      const ends: Promise<unknown>[] = [];
      const drip = (response: ServerResponse): void => {
        response.writeHead(200, { etag: '"e"', "content-length": "1000000" });
        const timer = setInterval(() => response.write("x"), 20);
        ends.push(once(response, "close").then(() => clearInterval(timer)));
      };
      const began = performance.now();
      // the connection is dropped by the client, before the store ends it
      await withStore(
        drip,
        { timeouts: { idleMs: 400, minBytesPerSecond: 1000 } },
        async () => void (await Promise.all(ends)),
      );
      assert.ok(performance.now() - began < 5000);
    });

    it("a reader may take its time: only waiting for the store counts", async () => {
      const server = createServer((request, response) => {
        request.resume();
        response.writeHead(200, { etag: '"e"', "content-length": "200000" }).end(Buffer.alloc(200_000));
      });
      const endpoint = await listen(server);
      await using store = await openS3(configFor(endpoint), {
        transport,
        timeouts: { idleMs: 150, minBytesPerSecond: 1_000_000 },
      });
      let bytes = 0;
      for await (const chunk of (await store.bytes.getObject(GET)).body) {
        bytes += chunk.length;
        await delay(100);
      }
      assert.equal(bytes, 200_000);
      await close(server);
    });

    it("a closed object frees its connection", async () => {
      const ends: Promise<unknown>[] = [];
      const server = createServer((request, response) => {
        request.resume();
        ends.push(once(response, "close"));
        response.writeHead(200, { etag: '"e"', "content-length": "100000000" });
        response.write(Buffer.alloc(65_536));
      });
      const endpoint = await listen(server);
      await using store = await openS3(configFor(endpoint), { transport, maxConnections: 1 });
      for (let round = 0; round < 3; round += 1) {
        const opened = await store.bytes.getObject(GET);
        opened.close();
      }
      await Promise.all(ends);
      assert.equal(ends.length, 3);
      await close(server);
    });

    it("a refused connection is no uncertain write", async () => {
      const server = createServer();
      const endpoint = await listen(server);
      await close(server);
      await using store = await openS3(configFor(endpoint), { transport });
      const put = {
        key: "k",
        body: Buffer.from("x"),
        createOnly: true,
        attributes: { metadata: new Map() },
        storageClass: null,
        signal,
      };
      await assert.rejects(store.bytes.putObject(put), hasCode("store-unavailable"));
    });

    it("https goes through HTTPS_PROXY, and plain http never through a proxy", async () => {
      const asked: string[] = [];
      const proxy = createServer((request, response) => {
        asked.push(`${request.method} ${request.url}`);
        response.writeHead(502).end();
      });
      proxy.on("connect", (request, socket) => {
        asked.push(`CONNECT ${request.url}`);
        socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      });
      const url = await listen(proxy);
      process.env["HTTPS_PROXY"] = url;
      process.env["HTTP_PROXY"] = url;
      try {
        await using secure = await openS3(configFor("https://store.invalid"), { transport });
        await assert.rejects(secure.bytes.getObject(GET), hasCode("store-unavailable"));
        assert.deepEqual(new Set(asked), new Set(["CONNECT store.invalid:443"]));
        asked.length = 0;
        await using plain = await openS3(configFor("http://127.0.0.1:1"), { transport });
        await assert.rejects(plain.bytes.getObject(GET), hasCode("store-unavailable"));
        assert.deepEqual(asked, []);
      } finally {
        delete process.env["HTTPS_PROXY"];
        delete process.env["HTTP_PROXY"];
        await close(proxy);
      }
    });

    it("an answer that is not HTTP, or has endless headers, is no answer", async () => {
      for (const junk of ["SSH-2.0-OpenSSH\r\n", `HTTP/1.1 200 OK\r\n${"x-junk: x\r\n".repeat(100_000)}`]) {
        const server = createTcpServer((socket) => {
          socket.on("error", () => undefined);
          socket.once("data", () => socket.write(junk));
        });
        server.listen(0, "127.0.0.1");
        await once(server, "listening");
        const address = server.address();
        if (address === null || typeof address === "string") throw new Error("the server has no port");
        await using store = await openS3(configFor(`http://127.0.0.1:${address.port}`), {
          transport,
          timeouts: { idleMs: 500 },
        });
        await assert.rejects(store.bytes.getObject(GET), hasCode("store-unavailable"));
        await store[Symbol.asyncDispose]();
        server.close();
      }
    });
  });
}

describe("credential files, through the SDK's client", () => {
  it("are looked at again before long, so that a rotated key is used without a restart", async () => {
    const [id, secret] = [join(dir, "rotating-id"), join(dir, "rotating-secret")];
    await writeFile(id, "AKIAOLD");
    await writeFile(secret, "old", { mode: 0o600 });
    // as if it were read twenty seconds ago
    const client = new S3Client({
      region: "eu-west-1",
      credentials: fileCredentials(id, secret, () => Date.now() - 20_000),
    });
    assert.equal((await client.config.credentials()).accessKeyId, "AKIAOLD");
    await writeFile(id, "AKIANEWER");
    assert.equal((await client.config.credentials()).accessKeyId, "AKIANEWER");
    client.destroy();
  });
});
