import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DeleteObjectCommand, PutBucketNotificationConfigurationCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type { Credentials } from "./server.ts";
import { refusal, sendRaw, sha256, signRequest, startTestServer, type TestServer } from "./testing.ts";

let fixture: TestServer;
let queue: { readonly url: string; readonly arn: string };

before(async () => {
  fixture = await startTestServer();
  fixture.account.createBucket("bucket", { versioning: true });
  queue = fixture.account.createQueue("events", { visibilityTimeoutSeconds: 30 });
});
after(() => fixture[Symbol.asyncDispose]());

interface Message {
  readonly Body: string;
  readonly ReceiptHandle: string;
}

async function call(
  action: string,
  input: object,
  credentials: Credentials = fixture.account.owner,
): Promise<Record<string, unknown>> {
  const { server } = fixture;
  const body = JSON.stringify(input);
  const headers = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": `AmazonSQS.${action}`,
    "content-length": String(body.length),
  };
  const request = { method: "POST", path: "/", headers, body: Buffer.from(body) };
  const signed = signRequest(server, credentials, request, sha256(body), Date.now(), "sqs");
  const response = await sendRaw(server.endpoint, { ...request, headers: signed.headers });
  return { status: response.status, ...(JSON.parse(response.body) as object) };
}

async function receive(input: object = {}): Promise<Message[]> {
  const { Messages = [] } = await call("ReceiveMessage", { QueueUrl: queue.url, MaxNumberOfMessages: 10, ...input });
  return Messages as Message[];
}

async function drain(): Promise<Record<string, unknown>[]> {
  const messages = await receive();
  for (const { ReceiptHandle } of messages) await call("DeleteMessage", { QueueUrl: queue.url, ReceiptHandle });
  return messages.map(({ Body }) => JSON.parse(Body) as Record<string, unknown>);
}

interface EventRecord {
  readonly eventName: string;
  readonly s3: {
    readonly bucket: { readonly name: string };
    readonly object: {
      readonly key: string;
      readonly size?: number;
      readonly versionId?: string;
      readonly eTag?: string;
    };
  };
}

function recordsOf(messages: readonly Record<string, unknown>[]): EventRecord[] {
  return messages.flatMap(({ Records }) => Records as EventRecord[]);
}

test("a configured queue gets a test event, then what its filter lets through, keys encoded", async () => {
  const { client } = fixture;
  const configuration = (QueueArn: string): PutBucketNotificationConfigurationCommand =>
    new PutBucketNotificationConfigurationCommand({
      Bucket: "bucket",
      NotificationConfiguration: {
        QueueConfigurations: [
          {
            QueueArn,
            Events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
            Filter: {
              Key: {
                FilterRules: [
                  { Name: "prefix", Value: "web1/" },
                  { Name: "suffix", Value: ".age" },
                ],
              },
            },
          },
        ],
      },
    });
  assert.equal(await refusal(client.send(configuration(`${queue.arn}-missing`))), "400 InvalidArgument");
  await client.send(configuration(queue.arn));
  const [testEvent] = await drain();
  assert.deepEqual([testEvent?.["Event"], testEvent?.["Bucket"]], ["s3:TestEvent", "bucket"]);

  await client.send(new PutObjectCommand({ Bucket: "bucket", Key: "web2/x.age", Body: "x" }));
  await client.send(new PutObjectCommand({ Bucket: "bucket", Key: "web1/x.txt", Body: "x" }));
  const Key = "web1/a b+ü.age";
  const { VersionId, ETag } = await client.send(new PutObjectCommand({ Bucket: "bucket", Key, Body: "hello" }));
  await client.send(new DeleteObjectCommand({ Bucket: "bucket", Key, VersionId }));
  const [created, removed, ...none] = recordsOf(await drain());
  assert.deepEqual(none, []);
  assert.equal(created?.eventName, "ObjectCreated:Put");
  assert.equal(created?.s3.bucket.name, "bucket");
  assert.equal(created?.s3.object.key, "web1/a+b%2B%C3%BC.age");
  assert.deepEqual(
    [created?.s3.object.size, created?.s3.object.versionId, `"${created?.s3.object.eTag}"`],
    [5, VersionId, ETag],
  );
  assert.deepEqual([removed?.eventName, removed?.s3.object.versionId], ["ObjectRemoved:Delete", VersionId]);
});

test("a long poll ends when a message comes", async () => {
  const began = performance.now();
  const polled = receive({ WaitTimeSeconds: 20 });
  await call("SendMessage", { QueueUrl: queue.url, MessageBody: "hello" });
  const [message] = await polled;
  assert.equal(message?.Body, "hello");
  assert.ok(performance.now() - began < 5000);
  await drain();
  await call("DeleteMessage", { QueueUrl: queue.url, ReceiptHandle: message?.ReceiptHandle });
});

test("a received message is hidden for its timeout, comes back, and goes away when deleted", async () => {
  await call("SendMessage", { QueueUrl: queue.url, MessageBody: "again" });
  const [first] = await receive();
  assert.deepEqual(await receive(), []);
  await call("ChangeMessageVisibility", {
    QueueUrl: queue.url,
    ReceiptHandle: first?.ReceiptHandle,
    VisibilityTimeout: 0,
  });
  const [second] = await receive();
  assert.equal(second?.Body, "again");
  const change = await call("ChangeMessageVisibilityBatch", {
    QueueUrl: queue.url,
    Entries: [
      { Id: "a", ReceiptHandle: second?.ReceiptHandle, VisibilityTimeout: 0 },
      { Id: "b", ReceiptHandle: "gone", VisibilityTimeout: 0 },
    ],
  });
  assert.deepEqual(change["Successful"], [{ Id: "a" }]);
  const [third] = await receive();
  const deleted = await call("DeleteMessageBatch", {
    QueueUrl: queue.url,
    Entries: [{ Id: "a", ReceiptHandle: third?.ReceiptHandle }],
  });
  assert.deepEqual(deleted["Successful"], [{ Id: "a" }]);
  const { Attributes } = await call("GetQueueAttributes", { QueueUrl: queue.url, AttributeNames: ["All"] });
  assert.equal(Reflect.get(Attributes as object, "ApproximateNumberOfMessages"), "0");
  assert.equal(Reflect.get(Attributes as object, "ApproximateNumberOfMessagesNotVisible"), "0");
});

test("queues obey policies and say which queue does not exist", async () => {
  const reader = fixture.account.createUser("reader", {
    Statement: { Effect: "Allow", Action: ["sqs:ReceiveMessage", "sqs:GetQueueUrl"], Resource: queue.arn },
  });
  assert.equal((await call("ReceiveMessage", { QueueUrl: queue.url }, reader))["status"], 200);
  const { QueueUrl } = await call("GetQueueUrl", { QueueName: "events" }, reader);
  assert.equal(QueueUrl, queue.url);
  const denied = await call("DeleteMessage", { QueueUrl: queue.url, ReceiptHandle: "x" }, reader);
  assert.deepEqual([denied["status"], denied["__type"]], [403, "com.amazonaws.sqs#AccessDeniedException"]);
  const missing = await call("ReceiveMessage", { QueueUrl: `${queue.url}x` });
  assert.deepEqual([missing["status"], missing["__type"]], [400, "com.amazonaws.sqs#QueueDoesNotExist"]);
});
