/** One request from its first byte to its last: parse, authenticate, authorise, handle, answer; and the faults between. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { neededPermissions } from "./actions.ts";
import { authenticate, type Authenticated } from "./authenticate.ts";
import { authorize } from "./authorize.ts";
import type { BodyLimit, Context, World } from "./context.ts";
import { ConnectionGone, S3Error } from "./errors.ts";
import type { FaultKind, FaultRequest, FaultSet } from "./faults.ts";
import { handlers } from "./handlers/table.ts";
import type { Bucket } from "./model.ts";
import { findOperation, type OperationName, type S3Operation } from "./operations.ts";
import type { Reply } from "./reply.ts";
import { parseRequest, type ParsedRequest } from "./request.ts";
import { errorReply, send, sendReplacement, type Exchange } from "./respond.ts";
import { authenticateSqs, findSqsOperation, readSmallBody, SqsError, sqsErrorReply } from "./sqs-protocol.ts";
import { handleSqs } from "./sqs.ts";
import { InventedError, Replaced, suffer } from "./suffer.ts";

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

/** How far a request has come: what the answer, the faults and the observers need to know of it. */
interface Progress {
  readonly requestId: string;
  readonly bodyLimit: BodyLimit;
  request: ParsedRequest | undefined;
  operation: OperationName | undefined;
  principal: string;
  faultRequest: FaultRequest | undefined;
  faults: readonly FaultKind[];
  code: string | undefined;
}

interface Connection {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly askForBody: () => void;
}

export async function dispatch(options: DispatchOptions, connection: Connection): Promise<void> {
  const { message, response } = connection;
  const requestId = randomBytes(8).toString("hex").toUpperCase();
  const progress: Progress = {
    requestId,
    bodyLimit: { receivedBytes: 0, resetAtByte: undefined },
    request: undefined,
    operation: undefined,
    principal: "anonymous",
    faultRequest: undefined,
    faults: [],
    code: undefined,
  };
  const exchange: Exchange = { response, requestId, isHead: message.method === "HEAD", sentBytes: 0 };
  response.setHeader("x-amz-request-id", requestId);
  response.setHeader("x-amz-id-2", "s3-server");
  // By the injected clock, because clients correct their own clock by it.
  response.setHeader("date", new Date(options.world.signingClock()).toUTCString());
  let status = 0;
  try {
    status = await answer(options, connection, progress, exchange);
  } catch (error) {
    if (!(error instanceof ConnectionGone)) throw error;
    response.destroy();
  } finally {
    if (!message.complete) message.resume();
    options.observe({
      operation: progress.operation ?? "Unknown",
      bucket: progress.request?.bucket,
      key: progress.request?.key,
      versionId: progress.request?.query.get("versionId"),
      status,
      code: progress.code,
      principal: progress.principal,
      requestBytes: progress.bodyLimit.receivedBytes,
      responseBytes: exchange.sentBytes,
    });
  }
}

/** Answers; gives the status that went out. */
async function answer(
  options: DispatchOptions,
  connection: Connection,
  progress: Progress,
  exchange: Exchange,
): Promise<number> {
  const { message, response } = connection;
  let reply: Reply;
  try {
    reply = await run(options, connection, progress);
  } catch (error) {
    if (error instanceof Replaced && progress.faultRequest !== undefined) {
      await sendReplacement(exchange, error.fault, progress.faultRequest);
      return error.fault.status;
    }
    progress.code = codeOf(error);
    reply = replyTo(error, progress.requestId, message.url ?? "/");
  }
  try {
    // A client that was told to wait for 100 Continue may or may not send its body now: only a new connection is safe.
    if (!message.complete && message.headers.expect !== undefined) response.shouldKeepAlive = false;
    await send(exchange, reply, progress.faults);
  } finally {
    releaseBody(reply);
  }
  return reply.status;
}

/** Parses, authenticates, authorises and handles. */
async function run(options: DispatchOptions, connection: Connection, progress: Progress): Promise<Reply> {
  const { world, faults } = options;
  const { message, response } = connection;
  const request = parseRequest(message.method ?? "", message.url ?? "/", message.rawHeaders);
  progress.request = request;
  const sqsOperation = findSqsOperation(request);
  const operation = sqsOperation ?? findOperation(request);
  progress.operation = operation;
  const sqsBody = sqsOperation === undefined ? undefined : await readSmallBody(message);
  const { caller, payload }: Authenticated =
    sqsBody === undefined
      ? authenticate(world, request)
      : { caller: authenticateSqs(world, request, sqsBody), payload: { kind: "unsigned" } };
  progress.principal = caller.holder?.principal.arn ?? "anonymous";

  const { bucket, key, query, headers } = request;
  const faultRequest = { operation, principal: progress.principal, bucket, key, query, headers };
  progress.faultRequest = faultRequest;
  const matched = faults.match(faultRequest);
  progress.faults = matched;
  for (const fault of matched) if (fault.kind === "reset-request") progress.bodyLimit.resetAtByte = fault.atByte;
  const context: Context = {
    world,
    operation,
    request,
    message,
    caller,
    payload,
    sourceAddress: message.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "127.0.0.1",
    requestId: progress.requestId,
    askForBody: connection.askForBody,
    bodyLimit: progress.bodyLimit,
    beforeEffect: () => suffer(matched, "before", faultRequest, response),
  };
  const reply =
    sqsOperation !== undefined && sqsBody !== undefined
      ? await handleSqs(context, sqsOperation, sqsBody)
      : await handle(context, operation as S3Operation); // an operation that isn't a queue's
  try {
    await suffer(matched, "after", faultRequest, response);
  } catch (error) {
    releaseBody(reply);
    throw error;
  }
  return reply;
}

async function handle(context: Context, operation: S3Operation): Promise<Reply> {
  const bucket = findNamedBucket(context.world, context.request, operation);
  if (bucket !== undefined) checkOwnerAndRegion(context, bucket);
  for (const { action, resource } of neededPermissions(operation, context.request)) {
    authorize(context, bucket, action, resource);
  }
  const { handler, writes } = handlers[operation];
  if (!writes) await context.beforeEffect();
  return handler(context);
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
  if (error instanceof SqsError) return sqsErrorReply(error);
  if (error instanceof ConnectionGone) throw error;
  // A bug of this server: said aloud, since a 500 alone would look like a fault of the program under test.
  console.error("s3-server:", error);
  return errorReply(
    new S3Error("InternalError", error instanceof Error ? error.message : String(error)),
    requestId,
    resource,
  );
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof S3Error || error instanceof SqsError) return error.code;
  return error instanceof InventedError ? error.fault.code : undefined;
}
