/**
 * What a benchmark of the mover runs on: a drop-zone and a vault in a store that is a process of its own, with the
 * roles' real policies, a host that uploads, and the mover's program as a user starts it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { StoreConfig } from "../../shared/config/store-config.ts";
import { formatSigningKey, generateSigningKey, type SigningKey } from "../../shared/keys.ts";
import { hostPolicy, moverDropZonePolicy, moverVaultPolicy } from "../../shared/policies.ts";
import { watchProcessTree, type TreeUse } from "./process-tree.ts";

const DROP_ZONE = "bench-dropzone";
const VAULT = "bench-vault";
export const MOVER_MAIN = fileURLToPath(new URL("../../mover/main.ts", import.meta.url));
const SERVER_MAIN = fileURLToPath(new URL("../s3-server/main.ts", import.meta.url));
const START_TIMEOUT_MS = 30_000;

export interface SceneOptions {
  /** The mover's `memory`. */
  readonly memory: string;
  /** Default: web1. */
  readonly hosts?: readonly string[];
  /** The mover's `discover`, told where the queue of events is; default: its own defaults. */
  readonly discover?: (eventsUrl: string) => object;
  readonly signal: AbortSignal;
}

export interface SceneHost {
  readonly name: string;
  readonly key: SigningKey;
  readonly dropZone: StoreConfig;
}

export interface Scene extends AsyncDisposable {
  /** The first of them. */
  readonly host: SceneHost;
  readonly hosts: readonly SceneHost[];
  readonly dir: string;
  readonly configFile: string;
  readonly endpoint: string;
  readonly region: string;
  readonly dropZone: {
    readonly bucket: string;
    readonly owner: z.infer<typeof credentialsSchema>;
    /** Of what is created, for the mover; and of what is removed, to look at afterwards. */
    readonly queues: { readonly events: Queue; readonly removals: Queue };
  };
  /** `airlock-mover run --once`, to its end. */
  runMover(timeoutMs: number): Promise<MoverRun>;
}

export interface MoverRun {
  readonly objects: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly use: TreeUse;
}

const credentialsSchema = z.object({ accessKeyId: z.string(), secretAccessKey: z.string() });
const queueSchema = z.object({ url: z.string(), arn: z.string() });
type Queue = z.infer<typeof queueSchema>;
const accountSchema = z.object({ users: z.record(z.string(), credentialsSchema) });
const dropZoneSchema = accountSchema.extend({
  owner: credentialsSchema,
  queues: z.object({ events: queueSchema, removals: queueSchema }),
});
const listeningSchema = z.object({
  endpoint: z.string(),
  region: z.string(),
  accounts: z.object({ dropZone: dropZoneSchema, vault: accountSchema }),
});
type Listening = z.infer<typeof listeningSchema>;
const outcomeSchema = z.object({ objects: z.number(), bytes: z.number(), held: z.number(), failed: z.number() });

export async function startScene(options: SceneOptions): Promise<Scene> {
  const { memory, hosts: names = ["web1"], discover, signal } = options;
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "airlock-bench-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const { listening, server } = await startStore(dir, names, signal);
  stack.defer(() => end(server));

  const storeOf = async (bucket: string, account: "dropZone" | "vault", user: string): Promise<StoreConfig> => {
    const made = listening.accounts[account].users[user];
    if (made === undefined) throw new Error(`the store made no user ${user}`);
    const accessKeyIdFile = join(dir, `${account}-${user}.id`);
    const secretAccessKeyFile = join(dir, `${account}-${user}.secret`);
    await writeFile(accessKeyIdFile, made.accessKeyId, { mode: 0o600 });
    await writeFile(secretAccessKeyFile, made.secretAccessKey, { mode: 0o600 });
    return {
      bucket,
      region: listening.region,
      endpoint: listening.endpoint,
      forcePathStyle: true,
      credentials: { kind: "files", accessKeyIdFile, secretAccessKeyFile },
      expectedBucketOwner: null,
      checksums: "auto",
    };
  };
  await writeFile(join(dir, "mover.key"), formatSigningKey(generateSigningKey()), { mode: 0o600 });
  const hosts: SceneHost[] = [];
  for (const name of names) {
    hosts.push({ name, key: generateSigningKey(), dropZone: await storeOf(DROP_ZONE, "dropZone", name) });
  }
  const [host] = hosts;
  if (host === undefined) throw new RangeError("a scene has a host");
  const configFile = join(dir, "mover.yaml");
  // JSON is YAML
  const config = {
    id: "mover-a",
    signingKey: join(dir, "mover.key"),
    dropZone: toYaml(await storeOf(DROP_ZONE, "dropZone", "mover")),
    vault: toYaml(await storeOf(VAULT, "vault", "mover")),
    memory,
    state: join(dir, "state"),
    hosts: Object.fromEntries(hosts.map(({ name, key }) => [name, { publicKeys: [key.public.text] }])),
    ...(discover === undefined ? {} : { discover: discover(listening.accounts.dropZone.queues.events.url) }),
  };
  await writeFile(configFile, JSON.stringify(config));
  const { endpoint, region } = listening;
  const { owner, queues } = listening.accounts.dropZone;
  const owned = stack.move();
  return {
    host,
    hosts,
    dir,
    configFile,
    endpoint,
    region,
    dropZone: { bucket: DROP_ZONE, owner, queues },
    runMover: (timeoutMs) => runMover(dir, configFile, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startStore(
  dir: string,
  hosts: readonly string[],
  signal: AbortSignal,
): Promise<{ listening: Listening; server: ChildProcess }> {
  const secureTransport = false; // it listens on loopback
  const setup = {
    accounts: {
      dropZone: {
        users: {
          ...Object.fromEntries(
            hosts.map((host) => [host, { policies: [hostPolicy({ bucket: DROP_ZONE, host, secureTransport })] }]),
          ),
          mover: {
            policies: [
              moverDropZonePolicy({
                bucket: DROP_ZONE,
                secureTransport,
                versioned: true,
                queueArn: "arn:aws:sqs:*:*:events",
              }),
            ],
          },
        },
        queues: ["events", "removals"],
        buckets: { [DROP_ZONE]: { versioning: true } },
      },
      vault: {
        users: { mover: { policies: [moverVaultPolicy({ bucket: VAULT, secureTransport, verify: "checksum" })] } },
        buckets: { [VAULT]: { objectLock: { mode: "COMPLIANCE", days: 1 } } },
      },
    },
  };
  const setupFile = join(dir, "setup.json");
  await writeFile(setupFile, JSON.stringify(setup), { mode: 0o600 });
  const store = join(dir, "store");
  await mkdir(store);
  // it ends with our end of its standard input, even when we are killed
  const server = spawn(process.execPath, [SERVER_MAIN, "--dir", store, "--setup", setupFile], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const started = AbortSignal.any([signal, AbortSignal.timeout(START_TIMEOUT_MS)]);
    const line = await firstLine(server.stdout, started);
    return { listening: listeningSchema.parse(JSON.parse(line)), server };
  } catch (error) {
    await end(server);
    throw error;
  }
}

export async function firstLine(input: Readable, signal: AbortSignal): Promise<string> {
  for await (const line of createInterface({ input, signal })) return line;
  signal.throwIfAborted();
  throw new Error("the store ended before it listened");
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(timer);
}

async function runMover(dir: string, configFile: string, signal: AbortSignal): Promise<MoverRun> {
  const logFile = join(dir, "mover.log");
  const log = createWriteStream(logFile);
  await once(log, "open");
  const startedAtMs = performance.now();
  const child = spawn(MOVER_MAIN, ["--config", configFile, "--json", "run", "--once"], {
    stdio: ["ignore", "pipe", log],
    env: { PATH: process.env["PATH"], HOME: dir },
  });
  const stop = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", stop);
  const exited = once(child, "exit");
  try {
    if (child.pid === undefined) throw new Error("the mover could not be started");
    using watch = watchProcessTree(child.pid);
    const [stdout] = await Promise.all([text(child.stdout), exited]);
    const durationMs = performance.now() - startedAtMs;
    signal.throwIfAborted();
    if (child.exitCode !== 0)
      throw new Error(`the mover ended with ${child.exitCode}: ${stdout}${await endOf(logFile)}`);
    const { held, failed, ...moved } = outcomeSchema.parse(JSON.parse(stdout));
    if (held + failed > 0)
      throw new Error(`the mover held ${held} objects and failed at ${failed}: ${await endOf(logFile)}`);
    return { ...moved, durationMs, use: watch.use };
  } finally {
    signal.removeEventListener("abort", stop);
    log.end();
    await finished(log);
  }
}

function toYaml({ bucket, region, endpoint, forcePathStyle, credentials }: StoreConfig): object {
  if (credentials.kind !== "files") throw new TypeError("a benchmark's credentials are in files");
  const { accessKeyIdFile, secretAccessKeyFile } = credentials;
  return { bucket, region, endpoint, forcePathStyle, credentials: { accessKeyIdFile, secretAccessKeyFile } };
}

async function endOf(logFile: string): Promise<string> {
  return (await readFile(logFile, "utf8")).slice(-2000);
}
