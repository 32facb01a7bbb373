/** The outside of SQS: AWS JSON 1.0 (SQS API reference, "AWS JSON protocol"), its errors and its signatures. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { readClaim } from "./claim.ts";
import type { Caller, World } from "./context.ts";
import { S3Error } from "./errors.ts";
import type { Reply } from "./reply.ts";
import type { ParsedRequest } from "./request.ts";
import { checkScope, checkTime, verifySignature } from "./sigv4.ts";

const maxBodyBytes = 1024 ** 2;
const targetPrefix = "AmazonSQS.";

export const sqsOperations = [
  "SqsReceiveMessage",
  "SqsDeleteMessage",
  "SqsDeleteMessageBatch",
  "SqsChangeMessageVisibility",
  "SqsChangeMessageVisibilityBatch",
  "SqsSendMessage",
  "SqsGetQueueAttributes",
  "SqsGetQueueUrl",
] as const;
export type SqsOperation = (typeof sqsOperations)[number];

/** The operation of a request to a queue; undefined for a request to S3. */
export function findSqsOperation(request: ParsedRequest): SqsOperation | undefined {
  const target = request.headers.get("x-amz-target");
  if (request.method !== "POST" || target?.startsWith(targetPrefix) !== true) return undefined;
  const name = `Sqs${target.slice(targetPrefix.length)}`;
  const found = sqsOperations.find((operation) => operation === name);
  if (found === undefined) throw new SqsError("InvalidAction", `This server does not know ${target}.`);
  return found;
}

export class SqsError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = "SqsError";
    this.code = code;
    this.status = status;
  }
}

export function sqsErrorReply(error: SqsError | S3Error): Reply {
  const code = error instanceof S3Error && error.code === "AccessDenied" ? "AccessDeniedException" : error.code;
  return {
    status: error.status === 404 ? 400 : error.status,
    headers: { "content-type": "application/x-amz-json-1.0", "x-amzn-query-error": `${code};Sender` },
    body: JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message: error.message }),
  };
}

export async function readSmallBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of message.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError("the message has an encoding set");
    sizeBytes += chunk.length;
    if (sizeBytes > maxBodyBytes) throw new SqsError("InvalidParameterValue", "The request is too large.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Unlike S3, SQS signs the body's hash without sending it. */
export function authenticateSqs(world: World, request: ParsedRequest, body: Buffer): Caller {
  const claim = readClaim(request);
  if (claim?.kind !== "header")
    throw new SqsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403);
  checkScope(claim, world.region, "sqs");
  checkTime(claim, world.signingClock());
  const holder = world.accounts.holderOf(claim.accessKeyId);
  if (holder === undefined)
    throw new SqsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403);
  verifySignature(request, claim, holder.secret, createHash("sha256").update(body).digest("hex"));
  return { holder, authType: "REST-HEADER", signatureAgeMs: world.signingClock() - claim.timestampMs };
}

export type Json = Readonly<Record<string, unknown>>;

export function parseJson(source: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (!isJson(value)) throw new SqsError("SerializationException", "The request is not a JSON object.");
  return value;
}

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function text(input: Json, name: string): string {
  const value = input[name];
  if (typeof value !== "string" || value === "") {
    throw new SqsError("MissingRequiredParameterException", `The request must contain the parameter ${name}.`);
  }
  return value;
}

export function number(input: Json, name: string, byDefault: number, minimum: number, maximum: number): number {
  const value = input[name] ?? byDefault;
  if (typeof value !== "number" || !Number.isInteger(value) || value < minimum || value > maximum) {
    throw new SqsError(
      "InvalidParameterValue",
      `Value ${JSON.stringify(value)} for parameter ${name} is invalid. Reason: Must be between ${minimum} and ${maximum}.`,
    );
  }
  return value;
}
