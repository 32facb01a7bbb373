/**
 * How long an object lies in the drop-zone: from the moment the uploader has the store's 200 to the moment the store
 * deletes it, both by this machine's clock. The mover and the store are processes of their own; the store says when it
 * deleted what, in events that are read afterwards.
 */
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { PutBucketNotificationConfigurationCommand, S3Client, type Event } from "@aws-sdk/client-s3";
import { z } from "zod";
import { openDropZoneWriter } from "../../shared/s3/drop-zone-writer.ts";
import { inlineStatement, STATEMENT_METADATA } from "../../shared/statement.ts";
import { callSqs } from "../servers/sqs.ts";
import type { BenchContext, Benchmark } from "./benchmark.ts";
import { createSigner, nameFor } from "./fill.ts";
import { end, MOVER_MAIN, startScene, type Scene, type SceneHost } from "./scene.ts";

const SIZE_BYTES = 64 * 1024;
const RATE_PER_S = 50;
const SECONDS = 60;
const WARM_UP_SECONDS = 5;
const FLOOD = 10_000;
const FLOOD_SIZE_BYTES = 64;
const OTHERS_PER_S = 10;
const QUIET_SECONDS = 20;
const DRAIN_TIMEOUT_MS = 900_000;

const MODES = [
  { name: "polling", discover: () => ({ poll: "200ms" }) },
  {
    name: "events",
    discover: (queueUrl: string) => ({ poll: "200ms", sqs: { queueUrl, sweep: "*/10 * * * *" } }),
  },
] as const;

/** When each object became the drop-zone's, epoch ms, by key. */
type Stored = Map<string, number>;

export const exposure: Benchmark = {
  name: "exposure",
  description: `how long ${RATE_PER_S} objects/s of 64 KiB lie in the drop-zone, by polling and by events, and beside a flood`,
  async run(context) {
    for (const mode of MODES) await measure(mode, context);
  },
};

async function measure(mode: (typeof MODES)[number], { say, report, signal }: BenchContext): Promise<void> {
  await using scene = await startScene({
    memory: "128MiB",
    hosts: ["web1", "web2"],
    discover: mode.discover,
    signal,
  });
  const [flooding, other] = scene.hosts;
  if (flooding === undefined || other === undefined) throw new RangeError("two hosts are needed");
  await tellQueues(scene, mode.name === "events");
  const removals = new Removals(scene);
  const figure = (metric: string, values: readonly number[]): void => {
    for (const [name, share] of [
      ["p50", 0.5],
      ["p99", 0.99],
      ["max", 1],
    ] as const) {
      report({ metric: `${mode.name}/${metric}/${name}`, value: at(values, share), unit: "ms", better: "lower" });
    }
  };
  {
    await using _mover = await startMover(scene, signal);
    say(`${mode.name}: ${RATE_PER_S} objects/s for ${SECONDS} s (load ${loadavg()[0]?.toFixed(1)})`);
    await removals.settle(await put(flooding, RATE_PER_S, forSeconds(WARM_UP_SECONDS), signal));
    const exposures = await removals.settle(await put(flooding, RATE_PER_S, forSeconds(SECONDS), signal));
    figure("50-per-second", exposures);
    report({ metric: `${mode.name}/50-per-second/objects`, value: exposures.length, unit: "", better: "higher" });
    say(`${mode.name}: another host alone, ${OTHERS_PER_S} objects/s (load ${loadavg()[0]?.toFixed(1)})`);
    figure("quiet", await removals.settle(await put(other, OTHERS_PER_S, forSeconds(QUIET_SECONDS), signal)));
  }
  say(`${mode.name}: a flood of ${FLOOD} objects is laid down`);
  const flood = await putAll(flooding, FLOOD, signal);
  const atStart = performance.now();
  await using _mover = await startMover(scene, signal);
  say(`${mode.name}: the other host beside the flood (load ${loadavg()[0]?.toFixed(1)})`);
  const over = new AbortController();
  const drained = removals.settle(new Map(Array.from(flood, (key) => [key, 0]))).finally(() => over.abort());
  drained.catch(() => undefined); // likewise
  const others = await put(other, OTHERS_PER_S, over.signal, signal);
  await drained;
  report({
    metric: `${mode.name}/flood/drained`,
    value: (performance.now() - atStart) / 1000,
    unit: "s",
    better: "lower",
  });
  figure("beside-flood", await removals.settle(others));
}

function forSeconds(seconds: number): AbortSignal {
  return AbortSignal.timeout(seconds * 1000);
}

/** At a steady rate, however long each takes, until it is over. */
async function put(host: SceneHost, perSecond: number, over: AbortSignal, signal: AbortSignal): Promise<Stored> {
  await using writer = await openDropZoneWriter(host.dropZone, { maxConnections: 64 });
  const body = randomBytes(SIZE_BYTES);
  const sha256 = createHash("sha256").update(body).digest("hex");
  const sign = createSigner(host);
  const stored: Stored = new Map();
  const under: Promise<void>[] = [];
  const putOne = async (key: string, inline: string): Promise<void> => {
    const attributes = { metadata: new Map([[STATEMENT_METADATA, inline]]) };
    await writer.createObject(key, body, { attributes, signal });
    stored.set(key, performance.timeOrigin + performance.now());
  };
  const startMs = performance.now();
  for (let count = 0; !over.aborted; count++) {
    const waitMs = startMs + (count * 1000) / perSecond - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    signal.throwIfAborted();
    const key = nameFor(host, "object.bin");
    const putting = putOne(key, inlineStatement(sign(key, SIZE_BYTES, sha256)) ?? "");
    putting.catch(() => undefined); // it is thrown where all are awaited; until then it must not end the process
    under.push(putting);
  }
  await Promise.all(under);
  return stored;
}

async function putAll(host: SceneHost, count: number, signal: AbortSignal): Promise<ReadonlySet<string>> {
  await using writer = await openDropZoneWriter(host.dropZone, { maxConnections: 32 });
  const body = randomBytes(FLOOD_SIZE_BYTES);
  const sha256 = createHash("sha256").update(body).digest("hex");
  const sign = createSigner(host);
  const keys = new Set<string>();
  const lane = async (): Promise<void> => {
    while (keys.size < count) {
      const key = nameFor(host, "tiny.bin");
      keys.add(key);
      const inline = inlineStatement(sign(key, FLOOD_SIZE_BYTES, sha256)) ?? "";
      await writer.createObject(key, body, {
        attributes: { metadata: new Map([[STATEMENT_METADATA, inline]]) },
        signal,
      });
    }
  };
  await Promise.all(Array.from({ length: 32 }, lane));
  return keys;
}

/** The real program, until it is disposed of. */
async function startMover(scene: Scene, signal: AbortSignal): Promise<AsyncDisposable> {
  const log = await open(join(scene.dir, "mover.log"), "a");
  const from = (await log.stat()).size;
  const child = spawn(MOVER_MAIN, ["--config", scene.configFile, "--json", "run"], {
    stdio: ["ignore", "ignore", log.fd],
    env: { PATH: process.env["PATH"], HOME: scene.dir },
  });
  const exited = once(child, "exit");
  const lines = await open(join(scene.dir, "mover.log"), "r");
  try {
    for (let text = ""; !text.includes('"event":"started"');) {
      signal.throwIfAborted();
      if (child.exitCode !== null) throw new Error(`the mover ended with ${child.exitCode}: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { bytesRead, buffer } = await lines.read(Buffer.alloc(64 * 1024), 0, 64 * 1024, from);
      text = buffer.subarray(0, bytesRead).toString();
    }
  } catch (error) {
    await end(child);
    throw error;
  } finally {
    await lines.close();
  }
  return {
    async [Symbol.asyncDispose]() {
      await end(child);
      await exited;
      await log.close();
    },
  };
}

const receivedSchema = z.object({
  Messages: z.array(z.object({ Body: z.string(), ReceiptHandle: z.string() })).default([]),
});
const removalSchema = z.object({
  Records: z.array(z.object({ eventTime: z.string(), s3: z.object({ object: z.object({ key: z.string() }) }) })),
});

/** When the store deleted what, as it says. */
class Removals {
  readonly #scene: Scene;
  readonly #atMs = new Map<string, number>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** How long each lay there, ascending, once all are gone. */
  async settle(stored: Stored): Promise<number[]> {
    const deadline = performance.now() + DRAIN_TIMEOUT_MS;
    const keys = new Set(stored.keys());
    for (await this.#read(); keys.intersection(this.#atMs).size < keys.size; await this.#read()) {
      if (performance.now() > deadline) throw new Error("the mover does not empty the drop-zone");
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // one that is deleted before its uploader has read the answer lay there for no time
    const exposures = Array.from(stored, ([key, storedMs]) => Math.max(0, (this.#atMs.get(key) ?? 0) - storedMs));
    return exposures.toSorted((a, b) => a - b);
  }

  async #read(): Promise<void> {
    const { endpoint, region, dropZone } = this.#scene;
    const QueueUrl = dropZone.queues.removals.url;
    for (;;) {
      const input = { QueueUrl, MaxNumberOfMessages: 10 };
      const answer = await callSqs(endpoint, region, dropZone.owner, "ReceiveMessage", input);
      const { Messages } = receivedSchema.parse(answer);
      if (Messages.length === 0) return;
      for (const { Body } of Messages) {
        const parsed = removalSchema.safeParse(JSON.parse(Body)); // the first one is S3's test event
        for (const { eventTime, s3 } of parsed.data?.Records ?? []) {
          this.#atMs.set(decodeURIComponent(s3.object.key.replaceAll("+", " ")), Date.parse(eventTime));
        }
      }
      const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
      await callSqs(endpoint, region, dropZone.owner, "DeleteMessageBatch", { QueueUrl, Entries });
    }
  }
}

async function tellQueues({ endpoint, region, dropZone }: Scene, ofCreated: boolean): Promise<void> {
  const { bucket, owner, queues } = dropZone;
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: owner });
  const target = (arn: string, event: Event) => ({ QueueArn: arn, Events: [event] });
  const QueueConfigurations = [
    ...(ofCreated ? [target(queues.events.arn, "s3:ObjectCreated:*")] : []),
    target(queues.removals.arn, "s3:ObjectRemoved:*"),
  ];
  try {
    await client.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket: bucket,
        NotificationConfiguration: { QueueConfigurations },
      }),
    );
  } finally {
    client.destroy();
  }
}

function at(sorted: readonly number[], share: number): number {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new RangeError("nothing was measured");
  return value;
}
