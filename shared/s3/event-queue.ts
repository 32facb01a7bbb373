/** The queue that a drop-zone's events go to: Amazon SQS, or what speaks its JSON protocol. */
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SQSClient,
  type BatchResultErrorEntry,
} from "@aws-sdk/client-sqs";
import type { StoreConfig } from "../config/store-config.ts";
import { AirlockError } from "../errors.ts";
import { credentialsConfig } from "./credentials.ts";
import { toStoreError } from "./errors.ts";
import type { Attempt } from "./key-probe.ts";
import { DEFAULT_TIMEOUTS, openNetwork, type Timeouts } from "./network.ts";
import { guardCredentials } from "./guard-credentials.ts";
import { createRequestHandler } from "./request-handler.ts";

/** SQS's limit for one request of any kind. */
export const MAX_QUEUE_BATCH = 10;
/** SQS's own have some hundred. */
const MAX_RECEIPT = 8 * 1024;
/** SQS's longest: an empty queue costs three requests a minute. */
const WAIT_SECONDS = 20;

/** Stands for one delivery of a message: all that has to be kept of it. */
export interface Delivery {
  readonly receipt: string;
}

export interface QueueMessage extends Delivery {
  /** Up to 1 MiB, by whoever may write to the queue. */
  readonly body: string;
}

/** One that was received is hidden for {@link visibilityMs}, and comes again unless it is deleted. */
export interface EventQueue {
  readonly visibilityMs: number;
  /** At most {@link MAX_QUEUE_BATCH}, as soon as there is one: none after 20 s, or at once unless it may wait. */
  receive(mayWait: boolean, signal: AbortSignal): Promise<readonly QueueMessage[]>;
  /** At most {@link MAX_QUEUE_BATCH}. */
  remove(messages: readonly Delivery[], signal: AbortSignal): Promise<void>;
  /** Hides them for {@link visibilityMs} from now on. At most {@link MAX_QUEUE_BATCH}. */
  extend(messages: readonly Delivery[], signal: AbortSignal): Promise<void>;
}

export interface EventQueueOptions {
  readonly queueUrl: string;
  /** Whole seconds; default: a minute. */
  readonly visibilityMs?: number;
  readonly timeouts?: Partial<Timeouts>;
}

/** With the drop-zone's credentials. Nothing is repeated here: who receives goes on receiving anyway. */
export function openEventQueue(
  dropZone: StoreConfig,
  { queueUrl, visibilityMs = 60_000, timeouts = {} }: EventQueueOptions,
): EventQueue & AsyncDisposable {
  const { client, network, region } = openClient(dropZone, queueUrl, timeouts);
  const QueueUrl = queueUrl;
  const VisibilityTimeout = Math.ceil(visibilityMs / 1000);

  async function run<T>(operation: string, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (thrown) {
      const call = { operation, kind: "read", bucket: "", key: null, region } as const;
      const error = toStoreError(thrown, call, signal);
      const remedy =
        "check discover.sqs.queueUrl, and that the drop-zone's key may use the queue (`airlock-mover init`)";
      throw new AirlockError(error.code, error.message, { subject: queueUrl, remedy, cause: thrown });
    }
  }

  return {
    visibilityMs,

    receive: (mayWait, signal) =>
      run("ReceiveMessage", signal, async () => {
        const input = {
          QueueUrl,
          MaxNumberOfMessages: MAX_QUEUE_BATCH,
          WaitTimeSeconds: mayWait ? WAIT_SECONDS : 0,
          VisibilityTimeout,
        };
        const { Messages = [] } = await client.send(new ReceiveMessageCommand(input), { abortSignal: signal });
        return Messages.slice(0, MAX_QUEUE_BATCH).flatMap(({ Body, ReceiptHandle }) => {
          if (Body === undefined || ReceiptHandle === undefined) return [];
          if (ReceiptHandle.length > MAX_RECEIPT)
            throw new AirlockError(
              "store-unavailable",
              `ReceiveMessage: a receipt of ${ReceiptHandle.length} characters`,
            );
          return { body: Body, receipt: ReceiptHandle };
        });
      }),

    remove: (messages, signal) =>
      run("DeleteMessageBatch", signal, async () => {
        const Entries = messages.map(({ receipt }, index) => ({ Id: String(index), ReceiptHandle: receipt }));
        const command = new DeleteMessageBatchCommand({ QueueUrl, Entries });
        const { Failed } = await client.send(command, { abortSignal: signal });
        refuseFailures("DeleteMessageBatch", Failed);
      }),

    extend: (messages, signal) =>
      run("ChangeMessageVisibilityBatch", signal, async () => {
        const Entries = messages.map(({ receipt }, index) => ({
          Id: String(index),
          ReceiptHandle: receipt,
          VisibilityTimeout,
        }));
        const command = new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries });
        const { Failed } = await client.send(command, { abortSignal: signal });
        refuseFailures("ChangeMessageVisibilityBatch", Failed);
      }),

    async [Symbol.asyncDispose]() {
      client.destroy();
      await network.close();
    },
  };
}

/** What a key can do with the queue, tried without harm. */
export interface QueueProbe extends AsyncDisposable {
  /** One message at most, which is not hidden from anybody. */
  receive(signal: AbortSignal): Promise<Attempt>;
  /** With a receipt that stands for no message. */
  remove(signal: AbortSignal): Promise<Attempt>;
  extend(signal: AbortSignal): Promise<Attempt>;
}

export function openQueueProbe(dropZone: StoreConfig, queueUrl: string): QueueProbe {
  const { client, network, region } = openClient(dropZone, queueUrl);
  const call = { operation: "SQS", kind: "read", bucket: "", key: null, region } as const;
  const target = { QueueUrl: queueUrl, ReceiptHandle: "airlock-check" };

  async function attempt(signal: AbortSignal, send: () => Promise<unknown>): Promise<Attempt> {
    try {
      await send();
      return { verdict: "allowed", detail: "done" };
    } catch (thrown) {
      const { code, message } = toStoreError(thrown, call, signal);
      if (code === "interrupted") throw thrown;
      if (code === "access-denied") return { verdict: "denied", detail: message };
      const isReceipt = /ReceiptHandle|InvalidParameterValue/.test(message);
      return { verdict: isReceipt ? "allowed" : "unknown", detail: message };
    }
  }

  return {
    receive: (signal) =>
      attempt(signal, () => {
        const input = { QueueUrl: queueUrl, MaxNumberOfMessages: 1, WaitTimeSeconds: 0, VisibilityTimeout: 0 };
        return client.send(new ReceiveMessageCommand(input), { abortSignal: signal });
      }),
    remove: (signal) => attempt(signal, () => client.send(new DeleteMessageCommand(target), { abortSignal: signal })),
    extend: (signal) =>
      attempt(signal, () =>
        client.send(new ChangeMessageVisibilityCommand({ ...target, VisibilityTimeout: 0 }), { abortSignal: signal }),
      ),
    async [Symbol.asyncDispose]() {
      client.destroy();
      await network.close();
    },
  };
}

function openClient(dropZone: StoreConfig, queueUrl: string, timeouts: Partial<Timeouts> = {}) {
  const { origin } = new URL(queueUrl);
  const region = regionOf(queueUrl) ?? dropZone.region;
  // an answer is to be expected after 20 s and not before
  const idleMs = WAIT_SECONDS * 1000 + 10_000;
  const network = openNetwork({ timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts, idleMs }, maxConnections: 4 });
  const client = new SQSClient({
    ...credentialsConfig(dropZone.credentials),
    region,
    endpoint: origin,
    ignoreConfiguredEndpointUrls: true,
    maxAttempts: 1,
    requestHandler: createRequestHandler(network),
  });
  client.config.credentials = guardCredentials(client.config.credentials);
  return { client, network, region };
}

/** Of `https://sqs.eu-central-1.amazonaws.com/111122223333/airlock` and its likes; null for anybody else's. */
function regionOf(queueUrl: string): string | null {
  return /^sqs\.([a-z0-9-]{1,64})\.(?:amazonaws\.com|api\.aws)/.exec(new URL(queueUrl).host)?.[1] ?? null;
}

function refuseFailures(operation: string, failed: readonly BatchResultErrorEntry[] = []): void {
  const [first] = failed;
  if (first === undefined) return;
  const code = /^[A-Za-z0-9._-]{1,64}$/.test(first.Code ?? "") ? first.Code : "Unknown";
  throw new AirlockError("request-invalid", `${operation}: ${failed.length} were refused (${code})`);
}
