/** Amazon SQS, as far as a consumer of S3's events needs it. */
import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { isAllowed } from "./authorize.ts";
import type { Context } from "./context.ts";
import type { Queue } from "./queues.ts";
import type { Reply } from "./reply.ts";
import { isJson, number, parseJson, SqsError, text, type Json, type SqsOperation } from "./sqs-protocol.ts";

export async function handleSqs(context: Context, operation: SqsOperation, body: Buffer): Promise<Reply> {
  const input = parseJson(body.toString("utf8"));
  if (operation === "SqsGetQueueUrl") return reply(getQueueUrl(context, input));
  const queue = findQueue(context, text(input, "QueueUrl"));
  allow(context, queue, operation);
  switch (operation) {
    case "SqsReceiveMessage":
      return reply(await receiveMessage(context, queue, input));
    case "SqsDeleteMessage":
      await context.beforeEffect();
      context.world.queues.remove(queue, text(input, "ReceiptHandle"));
      return reply({});
    case "SqsChangeMessageVisibility":
      await context.beforeEffect();
      changeVisibility(context, queue, input);
      return reply({});
    case "SqsDeleteMessageBatch":
      await context.beforeEffect();
      return reply(batch(input, (entry) => void context.world.queues.remove(queue, text(entry, "ReceiptHandle"))));
    case "SqsChangeMessageVisibilityBatch":
      await context.beforeEffect();
      return reply(batch(input, (entry) => changeVisibility(context, queue, entry)));
    case "SqsSendMessage": {
      const message = text(input, "MessageBody");
      await context.beforeEffect();
      const id = context.world.queues.send(queue.arn, message, number(input, "DelaySeconds", 0, 0, 900) * 1000);
      return reply({ MessageId: id, MD5OfMessageBody: createHash("md5").update(message).digest("hex") });
    }
    default:
      return reply({ Attributes: attributesOf(context, queue, input) });
  }
}

function reply(output: Json): Reply {
  return { status: 200, headers: { "content-type": "application/x-amz-json-1.0" }, body: JSON.stringify(output) };
}

/** By the URL's path, whichever host it names: /ACCOUNT/NAME. */
function findQueue(context: Context, url: string): Queue {
  const [, accountId = "", name = ""] = /\/(\d{12})\/([\w-]{1,80})$/.exec(url) ?? [];
  const queue = context.world.queues.find(`arn:aws:sqs:${context.world.region}:${accountId}:${name}`);
  if (queue === undefined) throw new SqsError("QueueDoesNotExist", "The specified queue does not exist.");
  return queue;
}

function allow(context: Context, queue: Queue, operation: SqsOperation): void {
  const action = `sqs:${operation.slice(3).replace(/Batch$/, "")}`;
  // Queue policies are unknown here: a queue serves its own account.
  const isOwn = context.caller.holder?.account.id === queue.accountId;
  if (isOwn && isAllowed(context, undefined, action, queue.arn)) return;
  const arn = context.caller.holder?.principal.arn ?? "anonymous";
  throw new SqsError(
    "AccessDeniedException",
    `User: ${arn} is not authorized to perform: ${action} on resource: ${queue.arn}`,
    403,
  );
}

function getQueueUrl(context: Context, input: Json): Json {
  const named = input["QueueOwnerAWSAccountId"];
  const accountId = typeof named === "string" ? named : (context.caller.holder?.account.id ?? "");
  const host = context.request.headers.get("host") ?? "";
  const queue = findQueue(context, `/${accountId}/${text(input, "QueueName")}`);
  allow(context, queue, "SqsGetQueueUrl");
  return { QueueUrl: `${context.world.scheme}://${host}/${queue.accountId}/${queue.name}` };
}

async function receiveMessage(context: Context, queue: Queue, input: Json): Promise<Json> {
  const { queues } = context.world;
  const max = number(input, "MaxNumberOfMessages", 1, 1, 10);
  const visibilityMs = number(input, "VisibilityTimeout", queue.visibilityTimeoutMs / 1000, 0, 43_200) * 1000;
  const endMs = performance.now() + number(input, "WaitTimeSeconds", 0, 0, 20) * 1000;
  await context.beforeEffect();
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  context.message.socket.once("close", onClose);
  try {
    let messages = queues.take(queue, max, visibilityMs);
    while (messages.length === 0 && performance.now() < endMs && !gone.signal.aborted) {
      await queues.wait(queue, endMs - performance.now(), gone.signal);
      // A message that is taken for a client that has gone would stay invisible for nothing.
      if (!gone.signal.aborted) messages = queues.take(queue, max, visibilityMs);
    }
    if (messages.length === 0) return {};
    return {
      Messages: messages.map((message) => ({
        MessageId: message.messageId,
        ReceiptHandle: message.receiptHandle,
        MD5OfBody: message.md5,
        Body: message.body,
        Attributes: {
          SentTimestamp: String(message.sentMs),
          ApproximateReceiveCount: String(message.receiveCount),
          ApproximateFirstReceiveTimestamp: String(message.firstReceivedMs),
        },
      })),
    };
  } finally {
    context.message.socket.off("close", onClose);
  }
}

function changeVisibility(context: Context, queue: Queue, input: Json): void {
  const seconds = number(input, "VisibilityTimeout", Number.NaN, 0, 43_200);
  if (!context.world.queues.changeVisibility(queue, text(input, "ReceiptHandle"), seconds * 1000)) {
    throw new SqsError("InvalidParameterValue", "The receipt handle is not valid for this queue any more.");
  }
}

/** Each entry succeeds or fails on its own. */
function batch(input: Json, apply: (entry: Json) => void): Json {
  const entries: unknown = input["Entries"];
  if (!Array.isArray(entries) || entries.length === 0)
    throw new SqsError("EmptyBatchRequest", "The batch request doesn't contain any entries.");
  if (entries.length > 10)
    throw new SqsError("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.");
  const successful: Json[] = [];
  const failed: Json[] = [];
  for (const entry of entries as unknown[]) {
    if (!isJson(entry)) throw new SqsError("SerializationException", "An entry is not a JSON object.");
    const id = text(entry, "Id");
    try {
      apply(entry);
      successful.push({ Id: id });
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      failed.push({ Id: id, Code: error.code, Message: error.message, SenderFault: true });
    }
  }
  return { Successful: successful, Failed: failed };
}

function attributesOf(context: Context, queue: Queue, input: Json): Json {
  const nowMs = context.world.clock();
  const visible = queue.messages.filter((message) => message.visibleMs <= nowMs).length;
  const inFlight = queue.messages.filter(
    (message) => message.visibleMs > nowMs && message.receiptHandle !== undefined,
  ).length;
  const all = new Map([
    ["QueueArn", queue.arn],
    ["ApproximateNumberOfMessages", String(visible)],
    ["ApproximateNumberOfMessagesNotVisible", String(inFlight)],
    ["ApproximateNumberOfMessagesDelayed", String(queue.messages.length - visible - inFlight)],
    ["VisibilityTimeout", String(queue.visibilityTimeoutMs / 1000)],
  ]);
  const names: unknown = input["AttributeNames"];
  const wanted = Array.isArray(names) ? (names as unknown[]) : [];
  const isAll = wanted.includes("All");
  return Object.fromEntries([...all].filter(([name]) => isAll || wanted.includes(name)));
}
