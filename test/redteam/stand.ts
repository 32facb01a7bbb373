/** Two accounts on real stores, with every role's real policy and key, and the real mover between them. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { formatSigningKey, generateSigningKey, type SigningKey } from "../../shared/keys.ts";
import { parseSegment, type Entry } from "../../shared/ledger.ts";
import { hostPolicy, moverDropZonePolicy, moverVaultPolicy, operatorPolicy } from "../../shared/policies.ts";
import type { Statement } from "../../shared/statement.ts";
import type { Credentials, RunningServer, StoreAccount } from "../servers/server.ts";
import { runMoverHere, verifyHere, type LoggedEvent, type RanHere, type RunHereOptions } from "../support/run-here.ts";
import { metadataOf, put, Sequence, signed } from "./forge.ts";
import { startTamperer, type Tamper } from "./tamperer.ts";

export interface Stand {
  readonly name: string;
  readonly dropZone: RunningServer;
  readonly vault: RunningServer;
  readonly verify: "checksum" | "readback";
  /** Buckets, users and keys of its own. */
  field(options?: FieldOptions): Promise<Field>;
}

export interface FieldOptions {
  /** Further keys of the mover's configuration of host web1. */
  readonly hostOptions?: string;
  readonly otherOptions?: string;
  /** Stands on the way to a store. */
  readonly tamper?: { readonly dropZone?: Tamper; readonly vault?: Tamper };
}

export interface Host {
  readonly name: string;
  readonly client: S3Client;
  readonly key: SigningKey;
  readonly sequence: Sequence;
}

export interface Listed {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly sizeBytes: number;
}

export interface Field extends AsyncDisposable {
  readonly dropZone: string;
  readonly vault: string;
  /** The attacker's, and another one. */
  readonly web1: Host;
  readonly web2: Host;
  readonly dropZoneOwner: S3Client;
  readonly vaultOwner: S3Client;
  /** The mover's two keys. */
  readonly dropZoneMover: S3Client;
  readonly vaultMover: S3Client;
  readonly dir: string;
  readonly moverConfig: string;
  readonly operatorConfig: string;
  /** As a host uploads; the changes are lies. */
  upload(host: Host, bytes: Uint8Array, changes?: Partial<Statement>): Promise<Statement>;
  /** `run --once` */
  move(options?: RunHereOptions): Promise<RanHere>;
  /** The daemon, until it has logged what is waited for, 20 s at most. */
  watch(isIt: (event: LoggedEvent) => boolean, options?: RunHereOptions): Promise<RanHere>;
  verify(): Promise<RanHere>;
  listDropZone(): Promise<readonly Listed[]>;
  listVault(prefix?: string): Promise<readonly Listed[]>;
  readVault(key: string): Promise<Buffer>;
  entries(): Promise<readonly Entry[]>;
  segments(): Promise<readonly string[]>;
}

export function openStand(
  name: string,
  dropZone: RunningServer,
  vault: RunningServer,
  verify: "checksum" | "readback" = "checksum",
): Stand {
  return { name, dropZone, vault, verify, field: (options = {}) => makeField({ dropZone, vault, verify }, options) };
}

const secureTransport = false;

async function makeField(
  { dropZone: zone, vault: safe, verify }: Pick<Stand, "dropZone" | "vault" | "verify">,
  { hostOptions, otherOptions, tamper = {} }: FieldOptions,
): Promise<Field> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "airlock-redteam-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const run = randomBytes(4).toString("hex");
  const [dropZone, vault] = [`red-in-${run}`, `red-out-${run}`];
  const clientOf = ({ endpoint }: StoreAccount, region: string, credentials: Credentials): S3Client => {
    const client = new S3Client({
      endpoint,
      region,
      credentials,
      forcePathStyle: true,
      maxAttempts: 1,
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    stack.defer(() => client.destroy());
    return client;
  };
  const inZone = (credentials: Credentials): S3Client => clientOf(zone.dropZone, zone.region, credentials);
  const inSafe = (credentials: Credentials): S3Client => clientOf(safe.vault, safe.region, credentials);
  const [dropZoneOwner, vaultOwner] = [inZone(zone.dropZone.owner), inSafe(safe.vault.owner)];

  await zone.dropZone.createBucket(dropZone, { versioning: true });
  await safe.vault.createBucket(vault, { objectLock: true });
  const Rule = { DefaultRetention: { Mode: "COMPLIANCE", Days: 1 } } as const;
  const ObjectLockConfiguration = { ObjectLockEnabled: "Enabled", Rule } as const;
  await vaultOwner.send(new PutObjectLockConfigurationCommand({ Bucket: vault, ObjectLockConfiguration }));

  const zoneUser = (name: string, policy: ReturnType<typeof hostPolicy>): Promise<Credentials> =>
    zone.dropZone.createUser(`${name}-${run}`, dropZone, [policy]);
  const safeUser = (name: string, policy: ReturnType<typeof hostPolicy>): Promise<Credentials> =>
    safe.vault.createUser(`${name}-${run}`, vault, [policy]);
  const hostOf = async (name: string): Promise<Host> => {
    const credentials = await zoneUser(name, hostPolicy({ bucket: dropZone, host: name, secureTransport }));
    return { name, client: inZone(credentials), key: generateSigningKey(), sequence: new Sequence() };
  };
  const [web1, web2] = [await hostOf("web1"), await hostOf("web2")];
  const zoneKey = await zoneUser("mover", moverDropZonePolicy({ bucket: dropZone, secureTransport, versioned: true }));
  const safeKey = await safeUser("mover", moverVaultPolicy({ bucket: vault, secureTransport, verify }));
  const paperKey = await safeUser("operator", operatorPolicy({ bucket: vault, secureTransport }));

  const endpointOf = async (account: StoreAccount, by: Tamper | undefined): Promise<string> =>
    by === undefined ? account.endpoint : stack.use(await startTamperer(account.endpoint, by)).endpoint;
  const storeYaml = async (bucket: string, region: string, endpoint: string, key: Credentials): Promise<string> => {
    const [idFile, secretFile] = [join(dir, `${key.accessKeyId}.id`), join(dir, `${key.accessKeyId}.secret`)];
    await writeFile(idFile, key.accessKeyId, { mode: 0o600 });
    await writeFile(secretFile, key.secretAccessKey, { mode: 0o600 });
    return `bucket: ${bucket}, region: ${region}, endpoint: "${endpoint}", forcePathStyle: true, credentials: { accessKeyIdFile: ${idFile}, secretAccessKeyFile: ${secretFile} }`;
  };
  const moverKey = generateSigningKey();
  await writeFile(join(dir, "mover.key"), formatSigningKey(moverKey), { mode: 0o600 });
  const hostYaml = ({ name, key }: Host, more = ""): string =>
    `  ${name}: { publicKeys: ["${key.public.text}"]${more === "" ? "" : `, ${more}`} }`;
  const moverConfig = join(dir, "mover.yaml");
  const zoneEndpoint = await endpointOf(zone.dropZone, tamper.dropZone);
  const safeEndpoint = await endpointOf(safe.vault, tamper.vault);
  await writeFile(
    moverConfig,
    `id: mover-a
signingKey: ${join(dir, "mover.key")}
dropZone: { ${await storeYaml(dropZone, zone.region, zoneEndpoint, zoneKey)} }
vault: { ${await storeYaml(vault, safe.region, safeEndpoint, safeKey)}, verify: ${verify} }
memory: 96MiB
concurrency: 8
state: ${join(dir, "state")}
hosts:
${hostYaml(web1, hostOptions)}
${hostYaml(web2, otherOptions)}
`,
  );
  const operatorConfig = join(dir, "operator.yaml");
  await writeFile(
    operatorConfig,
    `vault: { ${await storeYaml(vault, safe.region, safe.vault.endpoint, paperKey)} }
movers: { mover-a: ["${moverKey.public.text}"] }
hosts:
${[web1, web2].map(({ name, key }) => `  ${name}: ["${key.public.text}"]`).join("\n")}
`,
  );

  const listOf = async (client: S3Client, Bucket: string, Prefix: string): Promise<Listed[]> => {
    const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix }));
    return Versions.map(({ Key = "", VersionId, Size = 0 }) => ({ key: Key, versionId: VersionId, sizeBytes: Size }));
  };
  const readVault = async (Key: string): Promise<Buffer> => {
    const { Body } = await vaultOwner.send(new GetObjectCommand({ Bucket: vault, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  };
  const segments = async (): Promise<string[]> =>
    (await listOf(vaultOwner, vault, "_airlock/ledger/")).map(({ key }) => key).toSorted();
  const [dropZoneMover, vaultMover] = [inZone(zoneKey), inSafe(safeKey)];
  const owned = stack.move();
  return {
    dropZone,
    vault,
    web1,
    web2,
    dropZoneOwner,
    vaultOwner,
    dropZoneMover,
    vaultMover,
    dir,
    moverConfig,
    operatorConfig,
    async upload(host, bytes, changes = {}) {
      const statement = host.sequence.next(dropZone, host.name, bytes, changes);
      await put(host.client, dropZone, statement.key, bytes, { Metadata: metadataOf(signed(statement, host.key)) });
      return statement;
    },
    move: (options) => runMoverHere({ moverConfig }, options),
    async watch(isIt, options) {
      const seen = new AbortController();
      const onEvent = (event: LoggedEvent): void => {
        if (isIt(event)) seen.abort();
      };
      const drain = AbortSignal.any([seen.signal, AbortSignal.timeout(20_000)]);
      return runMoverHere({ moverConfig }, { ...options, once: false, drain, onEvent });
    },
    verify: () => verifyHere({ operatorConfig }),
    listDropZone: () => listOf(dropZoneOwner, dropZone, ""),
    listVault: (prefix = "archive/") => listOf(vaultOwner, vault, prefix),
    readVault,
    async entries() {
      const found = await Promise.all((await segments()).map(readVault));
      return found.flatMap((bytes, index) => parseSegment(bytes, "mover-a", index + 1).entries);
    },
    segments,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
