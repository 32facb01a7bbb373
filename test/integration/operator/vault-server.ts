/** A vault on the embedded S3 server, filled from the fixtures, and the operator's program run against it. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { operatorPolicy } from "../../../shared/policies.ts";
import { openLedgerStore } from "../../../shared/s3/ledger-store.ts";
import { openVaultReader } from "../../../shared/s3/vault-reader.ts";
import { openVaultWriter } from "../../../shared/s3/vault-writer.ts";
import type { StoreConfig } from "../../../shared/config/store-config.ts";
import type { PublicKey } from "../../../shared/keys.ts";
import type { VaultName } from "../../../shared/names.ts";
import { startS3Server, type Credentials, type S3Server } from "../../s3-server/server.ts";
import { COMPILE_CACHE } from "../../support/world.ts";
import type { FixtureLedger, FixtureObject } from "../../unit/operator/fixture.ts";

const MAIN = new URL("../../../operator/main.ts", import.meta.url).pathname;
const BUCKET = "acme-vault";

export interface Ran {
  readonly exit: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface VaultServer extends AsyncDisposable {
  /** Where tests put what they restore; removed in the end. */
  readonly folder: string;
  readonly server: S3Server;
  readonly bucket: string;
  readonly owner: Credentials;
  readonly endpoint: string;
  readonly region: string;
  putObject(object: FixtureObject): Promise<void>;
  putLedger(ledger: FixtureLedger): Promise<void>;
  put(name: string, bytes: Uint8Array): Promise<void>;
  configure(
    movers: ReadonlyMap<string, readonly PublicKey[]>,
    hosts: ReadonlyMap<string, readonly PublicKey[]>,
    /** Further keys of the configuration. */
    more?: object,
  ): Promise<void>;
  /** The operator's own policy, or also asking for copies of archived objects. */
  setOperator(mayThaw: boolean): void;
  /** The id of the only version that a name has. */
  versionOf(name: string): Promise<string>;
  start(args: readonly string[], options?: RunOptions): ChildProcessWithoutNullStreams;
  /** `airlock ARGS`, with the configuration given last. */
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
}

export interface VaultServerOptions {
  /** Of what the vault stores; default: now. */
  readonly clock?: () => number;
  /** Days of COMPLIANCE that each object gets; default: no Object Lock. */
  readonly lockDays?: number;
  /** How long a copy of an archived object takes to come. */
  readonly restoreTakesMs?: number;
}

export async function startVaultServer({
  clock,
  lockDays,
  restoreTakesMs = 0,
}: VaultServerOptions = {}): Promise<VaultServer> {
  const folder = await mkdtemp(join(tmpdir(), "airlock-operator-"));
  const clocks = clock === undefined ? {} : { clock, signingClock: Date.now };
  const server = await startS3Server({ dir: folder, restoreTakesMs, ...clocks });
  const account = server.createAccount("acme");
  account.createBucket(
    BUCKET,
    lockDays === undefined ? { versioning: true } : { objectLock: { mode: "COMPLIANCE", days: lockDays } },
  );
  const writerConfig = await writeCredentials(folder, "owner", account.owner, server);
  const readerConfig = await writeCredentials(
    folder,
    "operator",
    account.createUser("operator", operatorPolicy({ bucket: BUCKET, secureTransport: false })),
    server,
  );
  const signal = AbortSignal.timeout(120_000);
  const reader = await openVaultReader(readerConfig);
  const writer = await openVaultWriter(writerConfig, { storageClass: null });
  const configFile = join(folder, "operator.yaml");
  const written = new Set<string>();

  const put = async (name: string, bytes: Uint8Array): Promise<void> => {
    // the tests also put what no mover would
    await writer.createObject(name as VaultName, bytes, { attributes: { metadata: new Map() }, signal });
  };
  return {
    folder,
    server,
    bucket: BUCKET,
    owner: account.owner,
    endpoint: server.endpoint,
    region: server.region,
    put,
    setOperator: (mayThaw) => {
      const policy = operatorPolicy({ bucket: BUCKET, secureTransport: false });
      const without = policy.Statement.map((statement) =>
        statement.Effect === "Deny"
          ? { ...statement, Action: [statement.Action].flat().filter((action) => action !== "s3:RestoreObject") }
          : statement,
      );
      const thaw = {
        Sid: "Thaw",
        Effect: "Allow" as const,
        Action: "s3:RestoreObject",
        Resource: `arn:aws:s3:::${BUCKET}/*`,
      };
      account.setUserPolicies("operator", mayThaw ? { ...policy, Statement: [...without, thaw] } : policy);
    },
    versionOf: async (name) => {
      const page = await reader.listPage({ prefix: name, cursor: null, limit: 2, signal });
      const [only, ...others] = page.versions;
      if (only?.versionId === undefined || only.versionId === null || others.length > 0)
        throw new Error(`not one version of ${name}`);
      return only.versionId;
    },
    start: (args, options) => startAirlock(["--config", configFile, ...args], folder, options),
    putObject: ({ vaultName, bytes }) => put(vaultName, bytes),
    putLedger: async ({ mover, segments }) => {
      await using store = await openLedgerStore(writerConfig, mover);
      for (const [at, bytes] of segments.entries()) {
        if (written.has(`${mover} ${at}`)) continue;
        await store.createSegment(at + 1, bytes, signal);
        written.add(`${mover} ${at}`);
      }
    },
    configure: (movers, hosts, more = {}) => writeFile(configFile, formatConfig(readerConfig, movers, hosts, more)),
    run: (args, options) => runAirlock(["--config", configFile, ...args], folder, options),
    [Symbol.asyncDispose]: async () => {
      await writer[Symbol.asyncDispose]();
      await reader[Symbol.asyncDispose]();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeCredentials(
  folder: string,
  name: string,
  { accessKeyId, secretAccessKey }: { readonly accessKeyId: string; readonly secretAccessKey: string },
  { endpoint, region }: S3Server,
): Promise<StoreConfig> {
  const accessKeyIdFile = join(folder, `${name}.id`);
  const secretAccessKeyFile = join(folder, `${name}.secret`);
  await writeFile(accessKeyIdFile, accessKeyId, { mode: 0o600 });
  await writeFile(secretAccessKeyFile, secretAccessKey, { mode: 0o600 });
  const credentials = { kind: "files" as const, accessKeyIdFile, secretAccessKeyFile };
  return {
    bucket: BUCKET,
    region,
    endpoint,
    forcePathStyle: true,
    credentials,
    expectedBucketOwner: null,
    checksums: "auto",
  };
}

/** JSON is YAML. */
function formatConfig(
  { bucket, region, endpoint, credentials }: StoreConfig,
  movers: ReadonlyMap<string, readonly PublicKey[]>,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
  more: object,
): string {
  const listed = (keys: ReadonlyMap<string, readonly PublicKey[]>): Record<string, unknown[]> =>
    Object.fromEntries([...keys].map(([name, list]) => [name, list.map(formatKey)]));
  const { kind: _, ...files } = { ...credentials };
  const vault = { bucket, region, endpoint, forcePathStyle: true, credentials: files };
  return JSON.stringify({ vault, movers: listed(movers), hosts: listed(hosts), ...more });
}

function formatKey({ text, until }: PublicKey): unknown {
  return until === null ? text : { key: text, until: until.toISOString() };
}

function startAirlock(
  args: readonly string[],
  folder: string,
  { stdin = "", cwd = folder, env = {} }: RunOptions = {},
): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { PATH: process.env["PATH"], HOME: folder, TMPDIR: folder, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  child.stdin.on("error", () => undefined); // a program that does not read its input closes it
  child.stdin.end(stdin);
  return child;
}

export async function runAirlock(args: readonly string[], folder: string, options?: RunOptions): Promise<Ran> {
  const child = startAirlock(args, folder, options);
  const [stdout, stderr] = await Promise.all([collect(child.stdout), collect(child.stderr), once(child, "close")]);
  return { exit: child.exitCode, stdout, stderr: stderr.toString("utf8") };
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(stream));
}
