/** The one place that opens connections. Redirects are never followed; every wait and every size has a bound. */
import { Readable } from "node:stream";
import { Agent, EnvHttpProxyAgent, type Dispatcher } from "undici";
import { ClockOffset } from "../clock-offset.ts";
import type { PartBody, RequestOutcome } from "../stores.ts";
import { findLateError, MAX_ERROR_BYTES, StoreAnswer } from "./answer.ts";
import { connectWithin } from "./connect.ts";
import { PIECE_BYTES, readPieces } from "./part-body.ts";

export interface Timeouts {
  /** TCP and TLS together. */
  readonly connectMs: number;
  /** Without any progress, in either direction. */
  readonly idleMs: number;
  /** A body that stays below this on average, once `idleMs` have been spent waiting for it, is given up. */
  readonly minBytesPerSecond: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 10_000, idleMs: 60_000, minBytesPerSecond: 1024 };
export const DEFAULT_MAX_CONNECTIONS = 64;

/** An answer to anything but a GET of an object: listings of 1,000 keys of 1,024 bytes, all of them encoded, fit. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Resolves when so many more bytes of requests' bodies may be sent; one for all connections. */
export type Pace = (sizeBytes: number, signal: AbortSignal) => Promise<void>;

/** What is sent at a time under a {@link Pace}: small, so that each of many slow senders is seen to go on. */
const PACED_BYTES = 16 * 1024;

export interface HttpRequest {
  /** `https://host:port` */
  readonly origin: string;
  readonly method: "GET" | "PUT" | "POST" | "DELETE" | "HEAD";
  /** With its query, as it is sent. */
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: PartBody | null;
  readonly signal: AbortSignal;
}

/** A 2xx. Its body must be read, or destroyed. */
export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; a name that came twice has its values joined by a comma. One character is one byte. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Dispatcher.ResponseData["body"];
}

export interface Network {
  readonly timeouts: Timeouts;
  /** Resolves for 2xx only; anything else is thrown as {@link StoreAnswer}. */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** {@link send}, with its body read whole; a 200 that carries an error is thrown likewise. */
  sendAndRead(request: HttpRequest): Promise<{ response: HttpResponse; body: Uint8Array }>;
  /** Yields a body under the pace that {@link Timeouts} ask for. */
  paced(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  /** The `Date` of the latest answer of any kind, and when it came in. */
  lastDate(): { readonly store: Date; readonly here: Date } | null;
  readonly clock: Pick<ClockOffset, "offsetMs">;
  /** Counts go on. */
  readonly outcomes: Readonly<Record<RequestOutcome, number>>;
  close(): Promise<void>;
}

class SlowBodyError extends Error {
  readonly code = "SLOW_BODY";
}

class OversizeBodyError extends Error {
  readonly code = "OVERSIZE_BODY";
}

export interface NetworkOptions {
  readonly timeouts: Timeouts;
  readonly maxConnections: number;
  readonly pace?: Pace | null;
  /** Called with each answer that asks for fewer requests, also where the request is repeated then. */
  readonly onSlowDown?: () => void;
}

/** Statuses that ask for fewer requests: 503 is S3's SlowDown and ServiceUnavailable, 429 is what others say. */
const SLOW_DOWN = new Set([429, 503]);

export function openNetwork({ timeouts, maxConnections, pace = null, onSlowDown }: NetworkOptions): Network {
  const options = {
    connections: maxConnections,
    headersTimeout: timeouts.idleMs,
    bodyTimeout: timeouts.idleMs,
    connect: connectWithin(timeouts.connectMs),
  };
  // plain http is for loopback and for whoever asked for it: it goes to the store directly, never through a proxy
  const direct = new Agent(options);
  const proxied = new EnvHttpProxyAgent({ ...options, httpProxy: "" });

  let lastDate: { store: Date; here: Date } | null = null;
  const clock = new ClockOffset();
  const outcomes: Record<RequestOutcome, number> = { "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, none: 0 };

  async function send({ origin, method, path, headers, body, signal }: HttpRequest): Promise<HttpResponse> {
    if (pace !== null && body !== null && isSentWhole(body)) await pace(body.length, signal);
    const flat: string[] = [];
    for (const [name, value] of headers) if (name !== "host" && name !== "content-length") flat.push(name, value);
    if (body !== null) flat.push("content-length", String(body.length));
    const sentMs = Date.now();
    const asked = (origin.startsWith("https:") ? proxied : direct).request({
      origin,
      method,
      path,
      headers: flat,
      signal,
      body: isSentWhole(body) ? body : Readable.from(piecesOf(body, signal), { objectMode: false }),
    });
    const answer = await asked.catch((error: unknown) => {
      outcomes.none++;
      throw error;
    });
    outcomes[outcomeOf(answer.statusCode)]++;
    if (SLOW_DOWN.has(answer.statusCode)) onSlowDown?.();
    answer.body.on("error", ignore);
    const response = { status: answer.statusCode, headers: joinHeaders(answer.headers), body: answer.body };
    const date = response.headers.get("date");
    if (date !== undefined) {
      lastDate = { store: new Date(date), here: new Date() };
      clock.add(sentMs, lastDate.here.getTime(), lastDate.store.getTime());
    }
    if (response.status >= 200 && response.status < 300) return response;
    const text = Buffer.from(await readPrefix(response.body, MAX_ERROR_BYTES)).toString("utf8");
    throw new StoreAnswer({ status: response.status, headers: response.headers, body: text, receivedAt: new Date() });
  }

  function piecesOf(body: PartBody, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return pace === null ? readPieces(body) : slowDown(readPieces(body), pace, signal);
  }

  async function sendAndRead(request: HttpRequest): Promise<{ response: HttpResponse; body: Uint8Array }> {
    const response = await send(request);
    if (response.headers.get("content-length") === "0") {
      response.body.resume();
      return { response, body: new Uint8Array() };
    }
    const body = await readPrefix(response.body, MAX_ANSWER_BYTES + 1);
    if (body.length > MAX_ANSWER_BYTES) throw new OversizeBodyError(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    const { status, headers } = response;
    const text = Buffer.from(body.subarray(0, MAX_ERROR_BYTES)).toString("utf8");
    const late =
      request.method === "HEAD" ? null : findLateError({ status, headers, body: text, receivedAt: new Date() });
    if (late !== null) throw late;
    return { response, body };
  }

  /** Drops the connection when there is more than `limit`. */
  async function readPrefix(body: HttpResponse["body"], limit: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of paced(body)) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= limit) break;
    }
    return Buffer.concat(chunks, Math.min(size, limit));
  }

  /** Only the time spent waiting for the store counts: a reader may take as long as it likes. */
  async function* paced(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const iterator = body[Symbol.asyncIterator]();
    let waitedMs = 0;
    let received = 0;
    try {
      for (;;) {
        const from = performance.now();
        const next = await iterator.next();
        if (next.done === true) return;
        waitedMs += performance.now() - from;
        received += next.value.length;
        if (waitedMs > timeouts.idleMs + (received / timeouts.minBytesPerSecond) * 1000) {
          throw new SlowBodyError(`${received} bytes in ${Math.round(waitedMs / 1000)} s`);
        }
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  return {
    timeouts,
    send,
    sendAndRead,
    paced,
    lastDate: () => (lastDate === null || Number.isNaN(lastDate.store.getTime()) ? null : lastDate),
    clock,
    outcomes,
    async close() {
      await Promise.all([direct.destroy(), proxied.destroy()]);
    },
  };
}

async function* slowDown(
  pieces: AsyncIterable<Uint8Array>,
  pace: Pace,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) {
    for (let start = 0; start < piece.length; start += PACED_BYTES) {
      const slice = piece.subarray(start, start + PACED_BYTES);
      await pace(slice.length, signal);
      yield slice;
    }
  }
}

/** 1xx are no final answers: undici keeps them to itself. */
function outcomeOf(status: number): RequestOutcome {
  if (status >= 500) return "5xx";
  if (status >= 400) return "4xx";
  return status >= 300 ? "3xx" : "2xx";
}

/** Larger bodies are sent in pieces, so that each piece counts as progress. */
function isSentWhole(body: PartBody | null): body is Uint8Array | null {
  return body === null || (body instanceof Uint8Array && body.length <= PIECE_BYTES);
}

/** Whoever reads a body gets its error by reading; one that is dropped unread may still report a broken connection. */
function ignore(): void {}

function joinHeaders(headers: Record<string, string | string[] | undefined>): ReadonlyMap<string, string> {
  const joined = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined.set(name, typeof value === "string" ? value : value.join(","));
  }
  return joined;
}
