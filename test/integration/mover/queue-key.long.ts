import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { eventQueuePolicy, moverDropZonePolicy, queueArnOf, type Policy } from "../../../shared/policies.ts";
import { DROP_ZONE, startWorld, VAULT } from "../../support/world.ts";
import { startDaemon } from "./daemon.ts";

interface Power {
  readonly power: string;
  readonly got: string;
}

const QUEUE = ["receive events from the queue", "delete a message", "keep a message hidden"];

describe("the queue and its policies", { concurrency: 2 }, () => {
  test("init --queue-url --share: prints what the key and the queue need and configures both; the mover needs no more", async () => {
    await using world = await startWorld({ poll: "1d", events: { sweep: "0 0 29 2 *" } });
    const queue = world.queue ?? assert.fail();
    const config = join(world.dir, "etc", "mover.yaml");
    const options = ["--id", "mover-b", "--drop-zone", DROP_ZONE, "--vault", VAULT, "--region", world.server.region];
    const more = ["--endpoint", world.server.endpoint, "--queue-url", queue.url, "--share", "1/1"];
    const made = await world.run("mover", ["--config", config, "init", ...options, ...more]);
    assert.equal(made.exit, 0, made.stderr);
    const policies = JSON.parse(made.stdout) as { dropZone: Policy; vault: Policy; queue: object };
    assert.deepEqual(policies.queue, eventQueuePolicy({ bucket: DROP_ZONE, queueArn: queue.arn }));
    const text = await readFile(config, "utf8");
    assert.ok(text.includes(`discover:\n  sqs: { queueUrl: "${queue.url}" }\n  share: 1/1\n`), text);

    world.dropZoneAccount.setUserPolicies("mover", policies.dropZone);
    const daemon = startDaemon(world);
    await daemon.logged("started");
    const { key } = await world.putSigned("web1", randomBytes(100));
    await daemon.logged("object-archived", (line) => line["key"] === key);
    daemon.process.kill("SIGTERM");
    const { exit, stderr } = await daemon.ended;
    assert.equal(exit, 0);
    assert.doesNotMatch(stderr, /events-unreachable|event-retry/);
  });

  test("check: each power over the queue is tried, and the one that the key lacks is named", async () => {
    await using world = await startWorld({ events: { sweep: "* * * * *" } });
    const queueArn = world.queue?.arn ?? assert.fail();
    const whole = moverDropZonePolicy({ bucket: DROP_ZONE, secureTransport: false, versioned: true, queueArn });
    const without = (action: string): Policy => ({
      ...whole,
      Statement: whole.Statement.map((statement) => ({
        ...statement,
        Action: [statement.Action].flat().filter((one) => one !== action),
      })),
    });
    const cases: readonly [policy: Policy, lacking: string | null, exit: number][] = [
      [whole, null, 0],
      [without("sqs:ReceiveMessage"), QUEUE[0] ?? "", 4],
      [without("sqs:DeleteMessage"), QUEUE[1] ?? "", 4],
      [without("sqs:ChangeMessageVisibility"), QUEUE[2] ?? "", 4],
    ];
    for (const [policy, lacking, exit] of cases) {
      world.dropZoneAccount.setUserPolicies("mover", policy);
      const ran = await world.run("mover", ["--json", "check"]);
      assert.equal(ran.exit, exit, ran.stdout + ran.stderr);
      const { keys } = JSON.parse(ran.stdout) as { keys: { key: string; findings: Power[] }[] };
      const found = keys.find(({ key }) => key === "drop-zone")?.findings.filter(({ power }) => QUEUE.includes(power));
      assert.deepEqual(
        found?.map(({ power, got }) => [power, got]),
        QUEUE.map((power) => [power, power === lacking ? "denied" : "allowed"]),
      );
    }
  });
});

test("a queue's ARN is read from its address: all of it on AWS, account and name elsewhere", () => {
  const aws = "https://sqs.eu-central-1.amazonaws.com/111122223333/airlock";
  assert.equal(queueArnOf(aws, "us-east-1"), "arn:aws:sqs:eu-central-1:111122223333:airlock");
  assert.equal(queueArnOf("http://127.0.0.1:9324/000000000000/q", "us-east-1"), "arn:aws:sqs:us-east-1:000000000000:q");
  assert.equal(queueArnOf("https://queue.example.net/q", "us-east-1"), "arn:aws:sqs:us-east-1:*:q");
});
