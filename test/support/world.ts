/**
 * Two accounts in the embedded store, with every role's real policy, keys and configuration file: what the demo, the
 * integration and the fault tests stand on. The programs run as processes of their own, as a user would start them.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { formatSigningKey, generateSigningKey, type SigningKey } from "../../shared/keys.ts";
import { formatDropZoneName, newToken, STATEMENT_SUFFIX } from "../../shared/names.ts";
import { hostPolicy, moverDropZonePolicy, moverVaultPolicy, operatorPolicy } from "../../shared/policies.ts";
import { openVaultReader } from "../../shared/s3/vault-reader.ts";
import {
  formatStatement,
  inlineStatement,
  signStatement,
  statementDigest,
  type Statement,
} from "../../shared/statement.ts";
import type { StoredVersion } from "../../shared/stores.ts";
import type { Quirks } from "../s3-server/quirks.ts";
import { startS3Server, type Account, type Credentials, type S3Server } from "../s3-server/server.ts";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const DROP_ZONE = "acme-dropzone";
export const VAULT = "acme-vault";

export interface WorldOptions {
  /** Default: true. */
  readonly versioned?: boolean;
  /** Default: web1. */
  readonly hosts?: readonly string[];
  readonly memory?: string;
  readonly concurrency?: number;
  readonly poll?: string;
  /** An age recipient; default: nothing is encrypted. */
  readonly recipient?: string;
  /** Further lines of the mover's configuration for each host, such as `foreign: true`. */
  readonly hostOptions?: string;
  readonly clock?: () => number;
  /** What requests are held against, and the Date header tells; default: `clock`. */
  readonly signingClock?: () => number;
  /** Where the stores are to be others than AWS S3. */
  readonly quirks?: { readonly dropZone?: Quirks; readonly vault?: Quirks };
  /** Default: with Object Lock, and so versions. */
  readonly vaultVersions?: "locked" | "none";
  /** Default: checksum. */
  readonly verify?: "checksum" | "readback";
  /** Further keys of the mover's `vault`, such as `parts: { max: 1000 }`. */
  readonly vaultOptions?: string;
  /** The drop-zone's events go to a queue, and the mover takes them; the drop-zone itself is listed at `sweep`. */
  readonly events?: { readonly sweep: string };
}

export interface Ran {
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ran>;
}

export interface World extends AsyncDisposable {
  readonly dir: string;
  readonly server: S3Server;
  readonly dropZoneAccount: Account;
  readonly vaultAccount: Account;
  /** With the owners' keys: for what no role may do. */
  readonly dropZoneOwner: S3Client;
  readonly vaultOwner: S3Client;
  readonly hostCredentials: ReadonlyMap<string, Credentials>;
  readonly hostKeys: ReadonlyMap<string, SigningKey>;
  /** Where events go; null without them. */
  readonly queue: { readonly url: string; readonly arn: string } | null;
  readonly moverConfig: string;
  readonly operatorConfig: string;
  uploaderConfig(host: string): string;
  /** Starts a role's program. */
  start(role: "uploader" | "mover" | "operator", args: readonly string[], options?: StartOptions): Running;
  /** Starts it and waits for its end, 60 s at most. */
  run(role: "uploader" | "mover" | "operator", args: readonly string[], options?: StartOptions): Promise<Ran>;
  /** Stores a signed object as the uploader would; the parts' size makes it a multipart one. */
  putSigned(
    host: string,
    bytes: Uint8Array,
    options?: { readonly name?: string; readonly partBytes?: number },
  ): Promise<Statement>;
  listDropZone(): Promise<readonly StoredVersion[]>;
  listVault(prefix?: string): Promise<readonly StoredVersion[]>;
  readDropZone(key: string): Promise<Buffer>;
  readVault(name: string): Promise<Buffer>;
}

export interface StartOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** Compiling the programs anew is half of what a short run costs. */
export const COMPILE_CACHE = join(root, "node_modules/.cache/node-compile");

const MAINS = { uploader: "uploader/main.ts", mover: "mover/main.ts", operator: "operator/main.ts" };

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), "airlock-world-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  await mkdir(join(dir, "store"));
  const server = await startS3Server({
    dir: join(dir, "store"),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.signingClock === undefined ? {} : { signingClock: options.signingClock }),
  });
  stack.defer(() => server.close());
  const { versioned = true, hosts = ["web1"] } = options;
  const dropZoneAccount = server.createAccount("drop-zone");
  const vaultAccount = server.createAccount("vault");
  const { quirks = {}, verify = "checksum", vaultVersions = "locked" } = options;
  dropZoneAccount.createBucket(DROP_ZONE, { versioning: versioned, quirks: quirks.dropZone ?? {} });
  vaultAccount.createBucket(VAULT, {
    ...(vaultVersions === "locked" ? { objectLock: { mode: "COMPLIANCE", days: 30 } } : {}),
    quirks: quirks.vault ?? {},
  });
  const secureTransport = false;
  const queue = options.events === undefined ? null : dropZoneAccount.createQueue("airlock-events");

  const writeCredentials = async (name: string, { accessKeyId, secretAccessKey }: Credentials): Promise<string> => {
    const [idFile, secretFile] = [join(dir, `${name}.id`), join(dir, `${name}.secret`)];
    await writeFile(idFile, accessKeyId, { mode: 0o600 });
    await writeFile(secretFile, secretAccessKey, { mode: 0o600 });
    return `{ accessKeyIdFile: ${idFile}, secretAccessKeyFile: ${secretFile} }`;
  };
  const storeYaml = (bucket: string, credentials: string, more = ""): string =>
    `{ bucket: ${bucket}, region: ${server.region}, endpoint: "${server.endpoint}", forcePathStyle: true, credentials: ${credentials}${more} }`;

  const vaultYaml = `, verify: ${verify}${options.vaultOptions === undefined ? "" : `, ${options.vaultOptions}`}`;
  const moverKey = generateSigningKey();
  await writeFile(join(dir, "mover.key"), formatSigningKey(moverKey), { mode: 0o600 });
  const hostKeys = new Map<string, SigningKey>();
  const hostCredentials = new Map<string, Credentials>();
  for (const host of hosts) {
    const key = generateSigningKey();
    hostKeys.set(host, key);
    await writeFile(join(dir, `${host}.key`), formatSigningKey(key), { mode: 0o600 });
    const credentials = dropZoneAccount.createUser(host, hostPolicy({ bucket: DROP_ZONE, host, secureTransport }));
    hostCredentials.set(host, credentials);
    await writeFile(
      join(dir, `${host}.yaml`),
      `host: ${host}
dropZone: ${storeYaml(DROP_ZONE, await writeCredentials(host, credentials))}
signingKey: ${join(dir, `${host}.key`)}
encrypt: ${options.recipient === undefined ? "none" : `{ recipients: [${options.recipient}] }`}
spool: ${join(dir, `${host}.spool`)}
`,
    );
  }
  const dropZoneMover = dropZoneAccount.createUser(
    "mover",
    moverDropZonePolicy({
      bucket: DROP_ZONE,
      secureTransport,
      versioned,
      ...(queue === null ? {} : { queueArn: queue.arn }),
    }),
  );
  const vaultMover = vaultAccount.createUser("mover", moverVaultPolicy({ bucket: VAULT, secureTransport, verify }));
  const operator = vaultAccount.createUser("operator", operatorPolicy({ bucket: VAULT, secureTransport }));
  const moverConfig = join(dir, "mover.yaml");
  await writeFile(
    moverConfig,
    `id: mover-a
signingKey: ${join(dir, "mover.key")}
dropZone: ${storeYaml(DROP_ZONE, await writeCredentials("dropzone-mover", dropZoneMover))}
vault: ${storeYaml(VAULT, await writeCredentials("vault-mover", vaultMover), vaultYaml)}
discover: { poll: ${options.poll ?? "200ms"}${queue === null ? "" : `, sqs: { queueUrl: "${queue.url}", sweep: "${options.events?.sweep}" }`} }
memory: ${options.memory ?? "96MiB"}
concurrency: ${options.concurrency ?? 16}
state: ${join(dir, "state")}
hosts:
${hosts.map((host) => `  ${host}: { publicKeys: ["${hostKeys.get(host)?.public.text}"]${options.hostOptions === undefined ? "" : `, ${options.hostOptions}`} }`).join("\n")}
`,
  );
  const operatorConfig = join(dir, "operator.yaml");
  await writeFile(
    operatorConfig,
    `vault: ${storeYaml(VAULT, await writeCredentials("operator", operator))}
movers: { mover-a: ["${moverKey.public.text}"] }
hosts:
${hosts.map((host) => `  ${host}: ["${hostKeys.get(host)?.public.text}"]`).join("\n")}
`,
  );

  const owner = (account: Account): S3Client =>
    new S3Client({
      endpoint: server.endpoint,
      region: server.region,
      forcePathStyle: true,
      credentials: account.owner,
      requestChecksumCalculation: "WHEN_REQUIRED",
    });
  const dropZoneOwner = owner(dropZoneAccount);
  const vaultOwner = owner(vaultAccount);
  stack.defer(() => {
    dropZoneOwner.destroy();
    vaultOwner.destroy();
  });
  if (queue !== null) {
    const QueueConfigurations = [{ QueueArn: queue.arn, Events: ["s3:ObjectCreated:*" as const] }];
    const NotificationConfiguration = { QueueConfigurations };
    await dropZoneOwner.send(
      new PutBucketNotificationConfigurationCommand({ Bucket: DROP_ZONE, NotificationConfiguration }),
    );
  }
  const readerOf = (bucket: string, account: Account) =>
    openVaultReader({
      bucket,
      region: server.region,
      endpoint: server.endpoint,
      forcePathStyle: true,
      credentials: {
        kind: "files",
        accessKeyIdFile: join(dir, `owner-${account.id}.id`),
        secretAccessKeyFile: join(dir, `owner-${account.id}.secret`),
      },
      expectedBucketOwner: null,
      checksums: "auto",
    });
  for (const account of [dropZoneAccount, vaultAccount]) await writeCredentials(`owner-${account.id}`, account.owner);
  const listAll = async (bucket: string, account: Account, prefix: string): Promise<StoredVersion[]> => {
    await using reader = await readerOf(bucket, account);
    const found: StoredVersion[] = [];
    let cursor: string | null = null;
    do {
      const page = await reader.listPage({ prefix, cursor, limit: 1000, signal: AbortSignal.timeout(30_000) });
      found.push(...page.versions);
      cursor = page.next;
    } while (cursor !== null);
    return found;
  };

  const readAll = async (bucket: string, account: Account, key: string): Promise<Buffer> => {
    await using reader = await readerOf(bucket, account);
    const opened = await reader.openObject(key, null, null, AbortSignal.timeout(30_000));
    const chunks: Uint8Array[] = [];
    for await (const chunk of opened.body) chunks.push(chunk);
    return Buffer.concat(chunks);
  };

  const sequences = new Map<string, { readonly epoch: string; seq: number; prev: string | null }>();
  const children = new Set<ChildProcess>();
  stack.defer(() => {
    for (const child of children) child.kill("SIGKILL");
  });
  const configs = { uploader: join(dir, `${hosts[0]}.yaml`), mover: moverConfig, operator: operatorConfig };

  const start: World["start"] = (role, args, { stdin, env } = {}) => {
    const given = args.includes("--config") ? args : ["--config", configs[role], ...args];
    const child = spawn(process.execPath, [join(root, MAINS[role]), ...given], {
      env: { PATH: process.env.PATH, HOME: dir, NODE_NO_WARNINGS: "1", NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    children.add(child);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on("error", () => undefined); // a program that ends without reading its input is no failure of the test
    child.stdin.end(stdin);
    const ended = once(child, "close").then(([exit, signal]: unknown[]) => {
      children.delete(child);
      return { exit: exit as number | null, signal: signal as NodeJS.Signals | null, stdout, stderr }; // what "close" gives
    });
    return { process: child, ended };
  };

  const owned = stack.move();
  return {
    dir,
    server,
    dropZoneAccount,
    vaultAccount,
    dropZoneOwner,
    vaultOwner,
    hostCredentials,
    hostKeys,
    queue,
    moverConfig,
    operatorConfig,
    uploaderConfig: (host) => join(dir, `${host}.yaml`),
    start,
    async run(role, args, startOptions) {
      const running = start(role, args, startOptions);
      const timer = setTimeout(() => running.process.kill("SIGKILL"), 60_000);
      const ran = await running.ended;
      clearTimeout(timer);
      return ran;
    },
    async putSigned(host, bytes, { name = "file.bin", partBytes } = {}) {
      const key = hostKeys.get(host);
      if (key === undefined) throw new Error(`no such host: ${host}`);
      const sequence = sequences.get(host) ?? { epoch: randomBytes(16).toString("base64url"), seq: 0, prev: null };
      sequences.set(host, sequence);
      const now = new Date();
      const statement: Statement = {
        v: 1,
        bucket: DROP_ZONE,
        key: formatDropZoneName({ host, set: "files", at: now, token: newToken(), name }),
        host,
        set: "files",
        epoch: sequence.epoch,
        seq: ++sequence.seq,
        prev: sequence.prev,
        size: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
        encoding: [],
        startedAt: now.toISOString(),
      };
      sequence.prev = statementDigest(statement);
      const signed = signStatement(statement, key);
      const target = { Bucket: DROP_ZONE, Key: statement.key };
      const create = { ...target, IfNoneMatch: "*" };
      if (partBytes === undefined) {
        const Metadata = { airlock: inlineStatement(signed) ?? "" };
        await dropZoneOwner.send(new PutObjectCommand({ ...create, Body: bytes, Metadata }));
        return statement;
      }
      const { UploadId } = await dropZoneOwner.send(new CreateMultipartUploadCommand(target));
      const Parts = [];
      for (let first = 0, PartNumber = 1; first < bytes.length; first += partBytes, PartNumber++) {
        const Body = bytes.subarray(first, first + partBytes);
        const { ETag } = await dropZoneOwner.send(new UploadPartCommand({ ...target, UploadId, PartNumber, Body }));
        Parts.push({ PartNumber, ETag });
      }
      await dropZoneOwner.send(
        new PutObjectCommand({ ...create, Key: statement.key + STATEMENT_SUFFIX, Body: formatStatement(signed) }),
      );
      await dropZoneOwner.send(new CompleteMultipartUploadCommand({ ...create, UploadId, MultipartUpload: { Parts } }));
      return statement;
    },
    listDropZone: () => listAll(DROP_ZONE, dropZoneAccount, ""),
    listVault: (prefix = "archive/") => listAll(VAULT, vaultAccount, prefix),
    readDropZone: (key) => readAll(DROP_ZONE, dropZoneAccount, key),
    readVault: (name) => readAll(VAULT, vaultAccount, name),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
