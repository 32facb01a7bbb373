/** Sending a reply, bent by the faults that concern it. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { ConnectionGone, type S3Error } from "./errors.ts";
import type { FaultKind, FaultRequest } from "./faults.ts";
import type { Reply } from "./reply.ts";
import { element } from "./xml.ts";

export interface Exchange {
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly isHead: boolean;
  /** Of the response's body, as far as it was handed to the connection. */
  sentBytes: number;
}

export function errorReply(error: S3Error, requestId: string, resource: string): Reply {
  if (error.status === 304) return { status: 304, headers: { ...error.headers } };
  const details = Object.entries(error.details)
    .map(([name, value]) => element(name, value))
    .join("");
  const body =
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${element("Code", error.code)}${element("Message", error.message)}` +
    `${details}${element("Resource", resource)}${element("RequestId", requestId)}${element("HostId", "s3-server")}</Error>`;
  return { status: error.status, headers: { "content-type": "application/xml", ...error.headers }, body };
}

export async function send(exchange: Exchange, reply: Reply, faults: readonly FaultKind[]): Promise<void> {
  const { response, isHead } = exchange;
  const bends = faults.filter((fault) => isBodyFault(fault));
  const headers = withHeaders(reply, faults);
  const { body } = reply;
  const sizeBytes =
    body === undefined
      ? 0
      : typeof body === "string"
        ? Buffer.byteLength(body)
        : "read" in body
          ? body.sizeBytes
          : body.length;
  const hasBody = reply.status !== 204 && reply.status !== 304;
  if (hasBody && !("content-length" in headers)) headers["content-length"] = String(sizeBytes);
  response.writeHead(reply.status, headers);
  if (isHead || body === undefined || !hasBody) {
    if (bends.length > 0) return sendBytes(exchange, [], bends);
    response.end();
    return;
  }
  if (typeof body === "string" || !("read" in body)) {
    if (bends.length > 0) return sendBytes(exchange, [Buffer.from(body)], bends);
    exchange.sentBytes = sizeBytes;
    response.end(body);
    return;
  }
  await sendBytes(exchange, body.read(), bends);
}

function withHeaders(reply: Reply, faults: readonly FaultKind[]): Record<string, string> {
  const headers = { ...reply.headers };
  for (const fault of faults) {
    if (fault.kind !== "headers") continue;
    for (const [name, value] of Object.entries(fault.headers)) {
      if (value === null) delete headers[name.toLowerCase()];
      else headers[name.toLowerCase()] = value;
    }
  }
  return headers;
}

type BodyFault = Extract<FaultKind, { kind: "reset-response" | "truncate" | "flip" }>;

function isBodyFault(fault: FaultKind): fault is BodyFault {
  return fault.kind === "reset-response" || fault.kind === "truncate" || fault.kind === "flip";
}

async function sendBytes(
  exchange: Exchange,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  bends: readonly BodyFault[],
): Promise<void> {
  const { response } = exchange;
  const cuts = bends.filter((fault) => fault.kind !== "flip").toSorted((a, b) => a.atByte - b.atByte);
  const cut = cuts[0];
  if (cut?.atByte === 0) return end(exchange, cut);
  for await (const original of chunks) {
    let chunk = flipped(original, exchange.sentBytes, bends);
    const isCut = cut !== undefined && exchange.sentBytes + chunk.length >= cut.atByte;
    if (isCut) chunk = chunk.subarray(0, cut.atByte - exchange.sentBytes);
    exchange.sentBytes += chunk.length;
    if (response.destroyed) throw new ConnectionGone("the client went away within the response's body");
    if (!response.write(chunk)) await drained(response);
    if (isCut) return end(exchange, cut);
  }
  response.end();
}

function flipped(chunk: Uint8Array, offset: number, bends: readonly BodyFault[]): Uint8Array {
  for (const fault of bends) {
    const at = fault.atByte - offset;
    if (fault.kind !== "flip" || at < 0 || at >= chunk.length) continue;
    const copy = Buffer.from(chunk);
    copy[at] = (copy[at] ?? 0) ^ 0xff;
    return copy;
  }
  return chunk;
}

/** Waits until what was written has left, then cuts: orderly for a truncation, by RST for a reset. */
async function end({ response }: Exchange, cut: BodyFault): Promise<void> {
  response.flushHeaders();
  // The response hands its first bytes to the socket in the next turn of the loop; the empty write comes after them.
  await new Promise((resolve) => setImmediate(resolve));
  const { socket } = response;
  if (socket === null) return;
  await new Promise<void>((resolve) => socket.write("", () => resolve()));
  if (cut.kind === "truncate") {
    socket.destroySoon();
    return;
  }
  // A reset discards what the peer hasn't read yet: give it a moment to read the bytes that it is to see.
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.resetAndDestroy();
}

async function drained(stream: ServerResponse): Promise<void> {
  const controller = new AbortController();
  const stop = { signal: controller.signal };
  try {
    await Promise.race([once(stream, "drain", stop), once(stream, "close", stop)]);
  } finally {
    controller.abort();
  }
}

/** A replacement: bytes that no handler made. */
export async function sendReplacement(
  exchange: Exchange,
  fault: Extract<FaultKind, { kind: "replace" }>,
  request: FaultRequest,
): Promise<void> {
  const body = typeof fault.body === "function" ? fault.body(request) : (fault.body ?? "");
  const headers = { ...fault.headers };
  if (typeof body === "string" || body instanceof Uint8Array) {
    return send(exchange, { status: fault.status, headers, body: Buffer.from(body) }, []);
  }
  exchange.response.writeHead(fault.status, headers);
  await sendBytes(exchange, body, []);
}
