/** The least that a probe can talk to: it stores nothing and believes everything, but for what it is told to refuse. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { hash } from "node:crypto";
import { once } from "node:events";
import { crc32 } from "node:zlib";

export interface Behaviour {
  readonly refusesAlteredParts?: boolean;
  readonly refusesAlteredObjects?: boolean;
  /** A create-only PUT of a name that the probe uses for altered bytes finds it taken. */
  readonly hasAlteredObjects?: boolean;
}

export async function startGullibleStore(behaviour: Behaviour): Promise<{ endpoint: string } & AsyncDisposable> {
  const server = createServer((request, response) => void answer(request, response, behaviour));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, behaviour: Behaviour): Promise<void> {
  // a request's body arrives as Buffers
  const body = Buffer.concat((await request.toArray()) as Buffer[]);
  const { method, url = "" } = request;
  const isPart = url.includes("partNumber=");
  if (method === "POST" && url.includes("uploads")) {
    response.end("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
  } else if (method === "POST") {
    response.end("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>");
  } else if (method === "DELETE") {
    response.writeHead(204).end();
  } else if (method === "GET") {
    response.writeHead(501).end("<Error><Code>NotImplemented</Code></Error>");
  } else if (!isPart && behaviour.hasAlteredObjects === true && url.includes("altered-")) {
    response.writeHead(412).end("<Error><Code>PreconditionFailed</Code></Error>");
  } else if (
    (isPart ? behaviour.refusesAlteredParts : behaviour.refusesAlteredObjects) === true &&
    isAltered(request, body)
  ) {
    response.writeHead(400).end("<Error><Code>BadDigest</Code></Error>");
  } else {
    response.writeHead(200, { etag: '"e"' }).end();
  }
}

function isAltered({ headers }: IncomingMessage, body: Buffer): boolean {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  const claimed = headers["x-amz-content-sha256"];
  return (
    headers["x-amz-checksum-crc32"] !== sum.toString("base64") ||
    (claimed !== "UNSIGNED-PAYLOAD" && claimed !== hash("sha256", body))
  );
}
