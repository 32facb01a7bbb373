/** SQS-shaped queues in memory: delivery with visibility timeouts, long polling, nothing else. */
import { createHash, randomUUID } from "node:crypto";

interface Message {
  readonly messageId: string;
  readonly body: string;
  readonly sentMs: number;
  visibleMs: number;
  receiveCount: number;
  firstReceivedMs: number | undefined;
  receiptHandle: string | undefined;
}

export interface Queue {
  readonly name: string;
  readonly accountId: string;
  readonly arn: string;
  readonly visibilityTimeoutMs: number;
  readonly messages: Message[];
  readonly waiters: Set<() => void>;
}

export interface ReceivedMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly md5: string;
  readonly sentMs: number;
  readonly receiveCount: number;
  readonly firstReceivedMs: number;
}

export interface Queues {
  create(accountId: string, name: string, visibilityTimeoutSeconds?: number): Queue;
  find(arn: string): Queue | undefined;
  send(arn: string, body: string, delayMs?: number): string | undefined;
  /** What is visible now, made invisible for the timeout. */
  take(queue: Queue, max: number, visibilityMs: number): ReceivedMessage[];
  /** False for a receipt handle that stands for no message any more. */
  remove(queue: Queue, receiptHandle: string): boolean;
  changeVisibility(queue: Queue, receiptHandle: string, visibilityMs: number): boolean;
  /** Resolves when a message may have become visible, at the latest after `ms`. */
  wait(queue: Queue, ms: number, signal: AbortSignal): Promise<void>;
}

export function createQueues(region: string, clock: () => number): Queues {
  const byArn = new Map<string, Queue>();
  const wake = (queue: Queue): void => {
    for (const waiter of queue.waiters) waiter();
  };
  const byReceipt = (queue: Queue, receiptHandle: string): Message | undefined =>
    queue.messages.find((message) => message.receiptHandle === receiptHandle);

  return {
    create: (accountId, name, visibilityTimeoutSeconds = 30) => {
      const arn = `arn:aws:sqs:${region}:${accountId}:${name}`;
      const known = byArn.get(arn);
      if (known !== undefined) return known;
      const visibilityTimeoutMs = visibilityTimeoutSeconds * 1000;
      const queue: Queue = { name, accountId, arn, visibilityTimeoutMs, messages: [], waiters: new Set() };
      byArn.set(arn, queue);
      return queue;
    },
    find: (arn) => byArn.get(arn),
    send: (arn, body, delayMs = 0) => {
      const queue = byArn.get(arn);
      if (queue === undefined) return undefined;
      const messageId = randomUUID();
      queue.messages.push({
        messageId,
        body,
        sentMs: clock(),
        visibleMs: clock() + delayMs,
        receiveCount: 0,
        firstReceivedMs: undefined,
        receiptHandle: undefined,
      });
      wake(queue);
      return messageId;
    },
    take: (queue, max, visibilityMs) => {
      const nowMs = clock();
      const taken = queue.messages.filter((message) => message.visibleMs <= nowMs).slice(0, max);
      return taken.map((message) => {
        message.visibleMs = nowMs + visibilityMs;
        message.receiveCount++;
        message.firstReceivedMs ??= nowMs;
        message.receiptHandle = `${message.messageId}#${message.receiveCount}`;
        return {
          messageId: message.messageId,
          receiptHandle: message.receiptHandle,
          body: message.body,
          md5: createHash("md5").update(message.body).digest("hex"),
          sentMs: message.sentMs,
          receiveCount: message.receiveCount,
          firstReceivedMs: message.firstReceivedMs,
        };
      });
    },
    remove: (queue, receiptHandle) => {
      const message = byReceipt(queue, receiptHandle);
      if (message !== undefined) queue.messages.splice(queue.messages.indexOf(message), 1);
      return message !== undefined;
    },
    changeVisibility: (queue, receiptHandle, visibilityMs) => {
      const message = byReceipt(queue, receiptHandle);
      if (message === undefined) return false;
      message.visibleMs = clock() + visibilityMs;
      wake(queue);
      return true;
    },
    wait: async (queue, ms, signal) => {
      const nowMs = clock();
      const pending = queue.messages.map((message) => message.visibleMs - nowMs).filter((left) => left > 0);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, Math.max(1, Math.min(ms, ...pending)));
      signal.addEventListener("abort", () => resolve(), { once: true });
      queue.waiters.add(resolve);
      await promise;
      queue.waiters.delete(resolve);
      clearTimeout(timer);
    },
  };
}
