/** One request from its first byte to its last: parse, authenticate, authorise, handle, answer; and the faults between. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { neededPermissions } from "./actions.ts";
import { authenticate } from "./authenticate.ts";
import { authorize } from "./authorize.ts";
import type { Context, World } from "./context.ts";
import { ConnectionGone, S3Error } from "./errors.ts";
import type { FaultKind, FaultRequest, FaultSet } from "./faults.ts";
import { handlers } from "./handlers/table.ts";
import type { Bucket } from "./model.ts";
import { findOperation, type OperationName } from "./operations.ts";
import type { Reply } from "./reply.ts";
import { parseRequest, type ParsedRequest } from "./request.ts";
import { errorReply, send, sendReplacement, type Exchange } from "./respond.ts";

/** What an observer is told when a request has ended. */
export interface ObservedRequest {
  readonly operation: OperationName | "Unknown";
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly versionId: string | undefined;
  /** 0: the connection was cut instead. */
  readonly status: number;
  /** The error's code, where the answer was one. */
  readonly code: string | undefined;
  readonly principal: string;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface DispatchOptions {
  readonly world: World;
  readonly faults: FaultSet;
  readonly observe: (request: ObservedRequest) => void;
}

/** Ends the handling: the answer is the fault's own. */
class Replaced extends Error {
  readonly fault: Extract<FaultKind, { kind: "replace" }>;
  constructor(fault: Extract<FaultKind, { kind: "replace" }>) {
    super("replaced by a fault");
    this.fault = fault;
  }
}

/** An error that a fault invented. */
class InventedError extends Error {
  readonly fault: Extract<FaultKind, { kind: "error" }>;
  constructor(fault: Extract<FaultKind, { kind: "error" }>) {
    super(fault.message ?? fault.code);
    this.fault = fault;
  }
}

export async function dispatch(
  { world, faults, observe }: DispatchOptions,
  message: IncomingMessage,
  response: ServerResponse,
  askForBody: () => void,
): Promise<void> {
  const requestId = randomBytes(8).toString("hex").toUpperCase();
  const isHead = message.method === "HEAD";
  const exchange: Exchange = { response, requestId, isHead, sentBytes: 0 };
  response.setHeader("x-amz-request-id", requestId);
  response.setHeader("x-amz-id-2", "s3-server");
  const bodyLimit: { receivedBytes: number; resetAtByte: number | undefined } = {
    receivedBytes: 0,
    resetAtByte: undefined,
  };
  let request: ParsedRequest | undefined;
  let operation: OperationName | undefined;
  let principal = "anonymous";
  let matched: readonly FaultKind[] = [];
  let faultRequest: FaultRequest | undefined;
  let status = 0;
  let code: string | undefined;
  let reply: Reply | undefined;
  try {
    try {
      request = parseRequest(message.method ?? "", message.url ?? "/", message.rawHeaders);
      operation = findOperation(request);
      const { caller, payload } = authenticate(world, request);
      principal = caller.holder?.principal.arn ?? "anonymous";
      faultRequest = {
        operation,
        principal,
        bucket: request.bucket,
        key: request.key,
        query: request.query,
        headers: request.headers,
      };
      const current = faultRequest;
      matched = faults.match(current);
      for (const fault of matched) if (fault.kind === "reset-request") bodyLimit.resetAtByte = fault.atByte;
      const context: Context = {
        world,
        operation,
        request,
        message,
        caller,
        payload,
        sourceAddress: message.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "127.0.0.1",
        requestId,
        askForBody,
        bodyLimit,
        beforeEffect: () => suffer(matched, "before", current, response),
      };
      reply = await handle(context, findNamedBucket(world, request, operation));
      await suffer(matched, "after", current, response);
    } catch (error) {
      releaseBody(reply);
      reply = replyTo(error, requestId, message.url ?? "/");
      code = error instanceof S3Error ? error.code : error instanceof InventedError ? error.fault.code : undefined;
      if (error instanceof Replaced && faultRequest !== undefined) {
        status = error.fault.status;
        await sendReplacement(exchange, error.fault, faultRequest);
        return;
      }
    }
    status = reply.status;
    // A client that was told to wait for 100 Continue may or may not send its body now: only a new connection is safe.
    if (!message.complete && message.headers.expect !== undefined) response.shouldKeepAlive = false;
    await send(exchange, reply, matched);
  } catch (error) {
    if (!(error instanceof ConnectionGone)) throw error;
    response.destroy();
  } finally {
    releaseBody(reply);
    if (!message.complete) message.resume();
    observe({
      operation: operation ?? "Unknown",
      bucket: request?.bucket,
      key: request?.key,
      versionId: request?.query.get("versionId"),
      status,
      code,
      principal,
      requestBytes: bodyLimit.receivedBytes,
      responseBytes: exchange.sentBytes,
    });
  }
}

function releaseBody(reply: Reply | undefined): void {
  const body = reply?.body;
  if (typeof body === "object" && "release" in body) body.release();
}

function findNamedBucket(world: World, request: ParsedRequest, operation: OperationName): Bucket | undefined {
  if (request.bucket === undefined || operation === "CreateBucket") return undefined;
  const bucket = world.buckets.get(request.bucket);
  if (bucket === undefined) {
    throw new S3Error("NoSuchBucket", "The specified bucket does not exist", { BucketName: request.bucket });
  }
  return bucket;
}

async function handle(context: Context, bucket: Bucket | undefined): Promise<Reply> {
  const { operation, request } = context;
  if (bucket !== undefined) checkOwnerAndRegion(context, bucket);
  for (const { action, resource } of neededPermissions(operation, request))
    authorize(context, bucket, action, resource);
  const entry = handlers[operation];
  if (entry === undefined) throw new S3Error("NotImplemented", `This server does not know ${operation}.`);
  if (!entry.writes) await context.beforeEffect();
  return entry.handler(context);
}

function checkOwnerAndRegion(context: Context, bucket: Bucket): void {
  if (bucket.region !== context.world.region) {
    throw new S3Error(
      "PermanentRedirect",
      "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
      { Bucket: bucket.name, Endpoint: `s3.${bucket.region}.amazonaws.com` },
      { "x-amz-bucket-region": bucket.region },
    );
  }
  const expected = context.request.headers.get("x-amz-expected-bucket-owner");
  if (expected !== undefined && expected !== bucket.account.id) throw new S3Error("AccessDenied", "Access Denied");
}

function replyTo(error: unknown, requestId: string, resource: string): Reply {
  if (error instanceof S3Error) return errorReply(error, requestId, resource);
  if (error instanceof InventedError) {
    const { status, code, retryAfterSeconds } = error.fault;
    const invented = Object.assign(new S3Error("InternalError", error.message), { code, status });
    const reply = errorReply(invented, requestId, resource);
    if (retryAfterSeconds !== undefined) reply.headers["retry-after"] = String(retryAfterSeconds);
    return reply;
  }
  if (error instanceof Replaced) return { status: error.fault.status, headers: {} };
  if (error instanceof ConnectionGone) throw error;
  // A bug of this server: said aloud, since a 500 alone would look like a fault of the program under test.
  console.error("s3-server:", error);
  return errorReply(
    new S3Error("InternalError", error instanceof Error ? error.message : String(error)),
    requestId,
    resource,
  );
}

/** Carries out the faults of one moment, in the order of their rules. */
async function suffer(
  faults: readonly FaultKind[],
  when: "before" | "after",
  request: FaultRequest,
  response: ServerResponse,
): Promise<void> {
  for (const fault of faults) {
    if (!("when" in fault) || fault.when !== when) continue;
    switch (fault.kind) {
      case "delay":
        await waitOrGone(response, fault.ms);
        break;
      case "hook":
        await fault.run(request);
        break;
      case "hang":
        await waitOrGone(response, undefined);
        throw new ConnectionGone("the client gave up a request that hangs by a fault");
      case "reset":
        response.socket?.resetAndDestroy();
        throw new ConnectionGone("reset by a fault");
      case "error":
        throw new InventedError(fault);
      case "replace":
        throw new Replaced(fault);
    }
  }
}

/** Ends after the time, or when the connection is gone. */
async function waitOrGone(response: ServerResponse, ms: number | undefined): Promise<void> {
  if (response.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
  response.once("close", resolve);
  await promise;
  clearTimeout(timer);
  response.off("close", resolve);
}
