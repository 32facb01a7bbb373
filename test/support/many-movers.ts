/**
 * Several movers that share one drop-zone, each with a queue of its own, killed at random while hosts upload: what has to
 * hold afterwards, whatever the store and however its events are fanned out.
 */
import assert from "node:assert/strict";
import { randomBytes, createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { isInShare } from "../../mover/share.ts";
import { formatSigningKey, generateSigningKey } from "../../shared/keys.ts";
import { parseSegment, type Entry } from "../../shared/ledger.ts";
import { formatDropZoneName, newToken, STATEMENT_SUFFIX } from "../../shared/names.ts";
import {
  formatStatement,
  inlineStatement,
  signStatement,
  statementDigest,
  type Statement,
} from "../../shared/statement.ts";
import type { Credentials, Queue } from "../servers/server.ts";
import { DROP_ZONE, VAULT, type Running, type World } from "./world.ts";

/** So named that each of three movers has some, and each of two. */
export const HOSTS = ["web1", "web2", "db", "app2", "constructor", "backup"];
const MOVERS = ["mover-1", "mover-2", "mover-3"];

export interface SharedDropZone {
  readonly endpoint: string;
  readonly region: string;
  readonly owner: S3Client;
  /** One for each mover, with the key that may use it. */
  readonly queues: readonly { readonly queue: Queue; readonly mover: Credentials }[];
}

export interface ManyMovers {
  /** Starts `count` movers with shares 1/count to count/count, in place of those that run. */
  startAll(count: number): void;
  /** Kills one, whichever, with SIGKILL and starts it again. */
  killOne(random: () => number): Promise<void>;
  /** Uploads until each of those that run has moved something that an event named. */
  untilByEvents(timeoutMs: number): Promise<void>;
  /** Each has to end with 0. */
  stopAll(): Promise<void>;
  upload(host: string, sizeBytes: number, partBytes?: number): Promise<string>;
  untilEmpty(timeoutMs: number): Promise<void>;
  /** Everything that was uploaded is in the vault once, recorded by the mover whose host it was, and verified. */
  assertWhole(): Promise<readonly Entry[]>;
}

export async function startManyMovers(world: World, zone: SharedDropZone): Promise<ManyMovers> {
  const keys = MOVERS.map(() => generateSigningKey());
  const running = new Map<string, Running>();
  const uploaded: string[] = [];
  const sequences = new Map<string, { epoch: string; seq: number; prev: string | null }>();
  const store = (bucket: string, endpoint: string, region: string, id: string): string =>
    `{ bucket: ${bucket}, region: ${region}, endpoint: "${endpoint}", forcePathStyle: true, credentials: { accessKeyIdFile: ${id}.id, secretAccessKeyFile: ${id}.secret } }`;
  const hosts = HOSTS.map((host) => `  ${host}: { publicKeys: ["${world.hostKeys.get(host)?.public.text}"] }`).join(
    "\n",
  );
  const vault = store(VAULT, world.server.endpoint, world.server.region, join(world.dir, "vault-mover"));
  for (const [index, { mover }] of zone.queues.entries()) {
    const id = join(world.dir, `shared-${index}`);
    await writeFile(`${id}.id`, mover.accessKeyId, { mode: 0o600 });
    await writeFile(`${id}.secret`, mover.secretAccessKey, { mode: 0o600 });
    await writeFile(join(world.dir, `${MOVERS[index]}.key`), formatSigningKey(keys[index] ?? assert.fail()), {
      mode: 0o600,
    });
  }
  const configure = async (index: number, count: number): Promise<string> => {
    const file = join(world.dir, `${MOVERS[index]}-of-${count}.yaml`);
    const dropZone = store(DROP_ZONE, zone.endpoint, zone.region, join(world.dir, `shared-${index}`));
    await writeFile(
      file,
      `id: ${MOVERS[index]}
signingKey: ${join(world.dir, `${MOVERS[index]}.key`)}
dropZone: ${dropZone}
vault: ${vault}
discover: { poll: 500ms, share: ${index + 1}/${count}, sqs: { queueUrl: "${zone.queues[index]?.queue.url}", sweep: "* * * * *" } }
memory: 64MiB
concurrency: 8
state: ${join(world.dir, `${MOVERS[index]}.state`)}
hosts:
${hosts}
`,
    );
    return file;
  };
  await writeFile(
    world.operatorConfig,
    `vault: ${store(VAULT, world.server.endpoint, world.server.region, join(world.dir, "operator"))}
movers: { ${MOVERS.map((mover, index) => `${mover}: ["${keys[index]?.public.text}"]`).join(", ")} }
hosts:
${HOSTS.map((host) => `  ${host}: ["${world.hostKeys.get(host)?.public.text}"]`).join("\n")}
`,
  );
  for (const count of [2, 3]) for (let index = 0; index < count; index++) await configure(index, count);
  let count = 0;
  const start = (index: number): void => {
    const file = join(world.dir, `${MOVERS[index]}-of-${count}.yaml`);
    running.set(MOVERS[index] ?? "", world.start("mover", ["--config", file, "run"]));
  };

  const upload = async (host: string, sizeBytes: number, partBytes?: number): Promise<string> => {
    const bytes = randomBytes(sizeBytes);
    const signer = world.hostKeys.get(host) ?? assert.fail(host);
    const sequence = sequences.get(host) ?? { epoch: randomBytes(16).toString("base64url"), seq: 0, prev: null };
    sequences.set(host, sequence);
    const at = new Date();
    const statement: Statement = {
      v: 1,
      bucket: DROP_ZONE,
      key: formatDropZoneName({ host, set: "files", at, token: newToken(), name: "a b+ü.bin" }),
      host,
      set: "files",
      epoch: sequence.epoch,
      seq: ++sequence.seq,
      prev: sequence.prev,
      size: sizeBytes,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      encoding: [],
      startedAt: at.toISOString(),
    };
    sequence.prev = statementDigest(statement);
    const signed = signStatement(statement, signer);
    const target = { Bucket: DROP_ZONE, Key: statement.key };
    uploaded.push(statement.key);
    if (partBytes === undefined) {
      const Metadata = { airlock: inlineStatement(signed) ?? assert.fail() };
      await zone.owner.send(new PutObjectCommand({ ...target, Body: bytes, Metadata }));
      return statement.key;
    }
    const { UploadId } = await zone.owner.send(new CreateMultipartUploadCommand(target));
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let first = 0, PartNumber = 1; first < sizeBytes; first += partBytes, PartNumber++) {
      const Body = bytes.subarray(first, first + partBytes);
      const { ETag } = await zone.owner.send(new UploadPartCommand({ ...target, UploadId, PartNumber, Body }));
      Parts.push({ PartNumber, ETag });
    }
    const beside = { ...target, Key: statement.key + STATEMENT_SUFFIX, Body: formatStatement(signed) };
    await zone.owner.send(new PutObjectCommand(beside));
    await zone.owner.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
    return statement.key;
  };

  const readLedgers = async (): Promise<readonly { mover: string; entry: Entry }[]> => {
    const found: { mover: string; entry: Entry }[] = [];
    for (const mover of MOVERS) {
      const segments = await world.listVault(`_airlock/ledger/${mover}/`);
      for (const [index, { key }] of segments.entries()) {
        const { entries } = parseSegment(await world.readVault(key), mover, index + 1);
        found.push(...entries.map((entry) => ({ mover, entry })));
      }
    }
    return found;
  };

  const untilEmpty = async (timeoutMs: number): Promise<void> => {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const { Versions = [] } = await zone.owner.send(new ListObjectVersionsCommand({ Bucket: DROP_ZONE }));
      if (Versions.length === 0) return;
      for (const [name, mover] of running) {
        if (mover.process.exitCode !== null) assert.fail(`${name} ended: ${(await mover.ended).stderr.slice(-2000)}`);
      }
      assert.ok(performance.now() < deadline, `left: ${Versions.map(({ Key }) => Key).join(" ")}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };

  return {
    startAll(next) {
      count = next;
      for (let index = 0; index < count; index++) start(index);
    },
    async killOne(random) {
      const index = Math.floor(random() * count);
      const victim = running.get(MOVERS[index] ?? "") ?? assert.fail();
      victim.process.kill("SIGKILL");
      const { signal, stderr } = await victim.ended;
      assert.equal(signal, "SIGKILL", stderr);
      start(index);
    },
    async stopAll() {
      for (const mover of running.values()) mover.process.kill("SIGTERM");
      for (const [name, mover] of running) {
        const { exit, stderr } = await mover.ended;
        // one that was killed a moment ago may still be starting: there is nothing to drain yet
        const wasStarting =
          exit === 1 && !stderr.includes('"event":"started"') && stderr.includes("interrupted by SIGTERM");
        assert.ok(exit === 0 || wasStarting, `${name}: ${exit}: ${stderr.slice(-2000)}`);
      }
      running.clear();
    },
    upload,
    untilEmpty,
    async untilByEvents(timeoutMs) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        for (const host of HOSTS) await upload(host, 100);
        await untilEmpty(timeoutMs);
        const byEvents = (await readLedgers()).filter(({ entry }) => entry.exposureFrom === "event");
        const left = new Set(running.keys()).difference(new Set(byEvents.map(({ mover }) => mover)));
        if (left.size === 0) return;
        assert.ok(performance.now() < deadline, `no event reaches ${[...left].join(", ")}`);
      }
    },
    async assertWhole() {
      const archived = (await world.listVault()).map(({ key }) => key);
      assert.equal(archived.length, uploaded.length, "each is in the vault once");
      const recorded = (await readLedgers()).filter(({ entry }) => entry.source !== null);
      assert.deepEqual(new Set(recorded.map(({ entry }) => entry.source?.key)), new Set(uploaded));
      const names = new Map<string | undefined, Set<string | undefined>>();
      for (const { entry } of recorded) {
        const ofKey = names.get(entry.source?.key) ?? new Set();
        names.set(entry.source?.key, ofKey.add(entry.vault?.name));
      }
      assert.ok([...names.values()].every((ofKey) => ofKey.size === 1));
      const created = recorded.filter(({ entry }) => entry.disposition === "archived");
      assert.equal(
        new Set(created.map(({ entry }) => entry.source?.key)).size,
        created.length,
        "none is archived twice",
      );
      const verified = await world.run("operator", ["verify"]);
      assert.equal(verified.exit, 0, verified.stdout + verified.stderr);
      return recorded.map(({ entry }) => entry);
    },
  };
}

/** Whose share a host is in, from 0. */
export function moverOf(host: string, count: number): number {
  return Array.from({ length: count }, (_, index) => index).findIndex((index) =>
    isInShare(host, { index: index + 1, of: count }),
  );
}

/** The same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Uploads from all hosts while movers are killed at random; then everything has to be in the vault. */
export async function uploadAndKill(movers: ManyMovers, random: () => number, objects: number): Promise<void> {
  for (let index = 0; index < objects; index++) {
    const host = HOSTS[Math.floor(random() * HOSTS.length)] ?? "web1";
    if (index % 25 === 24) await movers.upload(host, 11 * 2 ** 20, 5 * 2 ** 20);
    else await movers.upload(host, Math.floor(random() * 5000));
    if (index % 6 === 5) await new Promise((resolve) => setTimeout(resolve, random() * 500));
    if (index % 15 === 14) await movers.killOne(random);
  }
}
