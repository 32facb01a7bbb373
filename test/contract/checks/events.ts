import { PutBucketNotificationConfigurationCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { z } from "zod";
import { Unsupported } from "../../servers/server.ts";
import type { Queue } from "../../servers/server.ts";
import { callSqs } from "../../servers/sqs.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";

const eventMessage = z.object({
  Records: z.array(
    z.object({
      eventName: z.string(),
      s3: z.object({
        bucket: z.object({ name: z.string() }),
        object: z.object({
          key: z.string(),
          size: z.number().optional(),
          eTag: z.string().optional(),
          versionId: z.string().optional(),
        }),
      }),
    }),
  ),
});
type S3Event = z.infer<typeof eventMessage>["Records"][number];

const received = z.object({ Messages: z.array(z.object({ Body: z.string() })).optional() });

const noEvents = {
  dropZone: "Objects are found by polling alone, each within the poll's interval.",
  vault: null,
};

/** What one PUT into a bucket with notifications brought, or why there are none. */
async function putAndReceive(
  bench: Bench,
): Promise<{ versionId: string; etag: string; event: S3Event | null } | string> {
  const Bucket = await bench.freshBucket({ versioning: true });
  let queue: Queue;
  try {
    queue = await bench.account.createQueue(Bucket);
  } catch (error) {
    if (error instanceof Unsupported) return "no SQS";
    throw error;
  }
  const target = { QueueArn: queue.arn, Events: ["s3:ObjectCreated:*" as const] };
  await bench.owner.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket,
      NotificationConfiguration: { QueueConfigurations: [target] },
    }),
  );
  const put = await bench.owner.send(new PutObjectCommand({ Bucket, Key: "h1/a b+c.txt", Body: "12345" }));
  return { versionId: put.VersionId ?? "", etag: put.ETag ?? "", event: await receive(bench, queue) };
}

async function receive(bench: Bench, queue: Queue): Promise<S3Event | null> {
  const { account, server } = bench;
  // The first message may be the test event that S3 sends when notifications are set up.
  for (let attempt = 0; attempt < 3; attempt++) {
    const input = { QueueUrl: queue.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 };
    const answer = received.parse(
      await callSqs(account.endpoint, server.region, account.owner, "ReceiveMessage", input),
    );
    for (const { Body } of answer.Messages ?? []) {
      const message = eventMessage.safeParse(JSON.parse(Body));
      if (message.success) return message.data.Records[0] ?? null;
    }
  }
  return null;
}

function check(
  id: string,
  question: string,
  aws: string,
  read: (event: S3Event, put: { versionId: string; etag: string }) => string,
): Check {
  return {
    id,
    question,
    aws,
    ask: async (bench) => {
      const found = await bench.once("event", () => putAndReceive(bench));
      if (typeof found === "string") return found;
      return found.event === null ? "none" : read(found.event, found);
    },
    otherwise: noEvents,
  };
}

const checks: readonly Check[] = [
  check("event", "event of a PUT, in an SQS queue", "ObjectCreated:Put", (event) => event.eventName),
  check("event-key", "key `h1/a b+c.txt` as the event has it", "h1/a+b%2Bc.txt", (event) => event.s3.object.key),
  check(
    "event-version",
    "does the event name version, size and ETag?",
    "yes",
    ({ s3: { object } }, { versionId, etag }) =>
      object.versionId === versionId && object.size === 5 && `"${object.eTag}"` === etag ? "yes" : "no",
  ),
];

export const events: Area = { title: "Events", checks };
