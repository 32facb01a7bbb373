/** The drop-zone's events through SNS to one queue for each of three movers. Needs moto (`npm run servers:install -- moto`). */
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { PutBucketNotificationConfigurationCommand, S3Client } from "@aws-sdk/client-s3";
import { moverDropZonePolicy } from "../../shared/policies.ts";
import { moto } from "../servers/moto.ts";
import { useServer } from "../servers/real-server.ts";
import { createTopic, subscribeQueue } from "../servers/sns.ts";
import { HOSTS, seededRandom, startManyMovers, uploadAndKill } from "../support/many-movers.ts";
import { DROP_ZONE, startWorld } from "../support/world.ts";

test("three movers, killed at random, behind SNS: nothing is lost or archived twice, and all their ledgers verify", async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  await using world = await startWorld({ hosts: HOSTS });
  await using server = await useServer(moto);
  const { dropZone: account, region } = server;
  await account.createBucket(DROP_ZONE, { versioning: true });
  const sns = { endpoint: account.endpoint, region, credentials: account.owner };
  const topic = await createTopic(sns, "airlock");
  const queues = [];
  for (const number of [1, 2, 3]) {
    const queue = await account.createQueue(`airlock-${number}`);
    await subscribeQueue(sns, topic, queue.arn, number === 3); // one without SNS's envelope
    const policy = moverDropZonePolicy({ bucket: DROP_ZONE, secureTransport: false, versioned: true });
    // moto asks for actions that AWS does not: SQS's batches by name, without the queue's ARN, and s3:DeleteObject for
    // a batch of versions
    const more = { Sid: "Moto", Effect: "Allow", Action: ["sqs:*", "s3:DeleteObject"], Resource: "*" } as const;
    const policies = [{ ...policy, Statement: [...policy.Statement, more] }];
    queues.push({ queue, mover: await account.createUser(`mover-${number}`, DROP_ZONE, policies) });
  }
  const owner = new S3Client({
    endpoint: account.endpoint,
    region,
    forcePathStyle: true,
    credentials: account.owner,
    requestChecksumCalculation: "WHEN_REQUIRED",
    maxAttempts: 10, // moto answers 500 now and then when several ask at once
  });
  t.after(() => owner.destroy());
  const TopicConfigurations = [{ TopicArn: topic, Events: ["s3:ObjectCreated:*" as const] }];
  await owner.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: DROP_ZONE,
      NotificationConfiguration: { TopicConfigurations },
    }),
  );
  const movers = await startManyMovers(world, { endpoint: account.endpoint, region, owner, queues });
  movers.startAll(3);
  await uploadAndKill(movers, seededRandom(seed), 90);
  await movers.untilEmpty(120_000);
  await movers.untilByEvents(60_000);
  await movers.stopAll();
  await movers.assertWhole();
});
