import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { PutBucketNotificationConfigurationCommand } from "@aws-sdk/client-s3";
import { moverDropZonePolicy } from "../../../shared/policies.ts";
import { HOSTS, moverOf, seededRandom, startManyMovers, uploadAndKill } from "../../support/many-movers.ts";
import { DROP_ZONE, startWorld } from "../../support/world.ts";

test("three movers, killed at random, then two: nothing is lost or archived twice, and all their ledgers verify", async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  await using world = await startWorld({ hosts: HOSTS });
  const { dropZoneAccount, dropZoneOwner: owner, server } = world;
  const queues = [1, 2, 3].map((number) => {
    const queue = dropZoneAccount.createQueue(`events-${number}`);
    const access = { bucket: DROP_ZONE, secureTransport: false, versioned: true, queueArn: queue.arn };
    return { queue, mover: dropZoneAccount.createUser(`mover-${number}`, moverDropZonePolicy(access)) };
  });
  const QueueConfigurations = queues.map(({ queue }) => ({
    QueueArn: queue.arn,
    Events: ["s3:ObjectCreated:*" as const],
  }));
  await owner.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: DROP_ZONE,
      NotificationConfiguration: { QueueConfigurations },
    }),
  );
  const movers = await startManyMovers(world, { endpoint: server.endpoint, region: server.region, owner, queues });
  movers.startAll(3);
  await uploadAndKill(movers, seededRandom(seed), 60);
  await movers.untilEmpty(60_000);
  await movers.untilByEvents(60_000);
  await movers.stopAll();
  await movers.assertWhole();
  assert.deepEqual(new Set(HOSTS.map((host) => moverOf(host, 3))), new Set([0, 1, 2]), "each has hosts");

  // the number of shares changes while all are stopped: two go on, with what the third one knew of its hosts
  movers.startAll(2);
  await uploadAndKill(movers, seededRandom(seed + 1), 30);
  await movers.untilEmpty(60_000);
  await movers.stopAll();
  const entries = await movers.assertWhole();
  const findings = entries.flatMap((entry) => entry.findings.map(({ code }) => code));
  assert.deepEqual(
    findings.filter((code) => ["replayed", "forked", "missing", "new-epoch"].includes(code)),
    [],
  );
});
