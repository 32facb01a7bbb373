/** A vault in a store that is a process of its own, filled as movers fill one, and the operator's program beside it. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { StoreConfig } from "../../shared/config/store-config.ts";
import { generateSigningKey } from "../../shared/keys.ts";
import { buildSegment, formatEntry, segmentDigest, segmentName, type SegmentHeader } from "../../shared/ledger.ts";
import type { VaultName } from "../../shared/names.ts";
import { operatorPolicy } from "../../shared/policies.ts";
import { NO_ATTRIBUTES } from "../../shared/s3/attributes.ts";
import { openVaultWriter } from "../../shared/s3/vault-writer.ts";
import type { FixtureObject, Host } from "../unit/operator/fixture.ts";
import { end, firstLine } from "./scene.ts";
import { runTimed, type ProgramRun } from "./timed-program.ts";

const VAULT = "bench-vault";
const MOVER = "mover-a";
const SERVER_MAIN = fileURLToPath(new URL("../s3-server/main.ts", import.meta.url));
const OPERATOR_MAIN = fileURLToPath(new URL("../../operator/main.ts", import.meta.url));
const START_TIMEOUT_MS = 30_000;
const PARALLEL = 32;

export interface VaultScene extends AsyncDisposable {
  /** Records them in segments of so many, and stores their bytes where `store` says so. */
  fill(objects: Iterable<FixtureObject>, perSegment: number, store: boolean): Promise<void>;
  /** `airlock ARGS` to its end, with a home of its own. */
  run(args: readonly string[]): Promise<ProgramRun>;
}

const credentialsSchema = z.object({ accessKeyId: z.string(), secretAccessKey: z.string() });
const listeningSchema = z.object({
  endpoint: z.string(),
  region: z.string(),
  accounts: z.object({
    vault: z.object({ owner: credentialsSchema, users: z.object({ operator: credentialsSchema }) }),
  }),
});

export async function startVaultScene(hosts: readonly Host[], signal: AbortSignal): Promise<VaultScene> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "airlock-bench-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const policies = [operatorPolicy({ bucket: VAULT, secureTransport: false })]; // it listens on loopback
  const buckets = { [VAULT]: { objectLock: { mode: "COMPLIANCE", days: 30 } } };
  const setup = { accounts: { vault: { users: { operator: { policies } }, buckets } } };
  await writeFile(join(dir, "setup.json"), JSON.stringify(setup), { mode: 0o600 });
  await mkdir(join(dir, "store"));
  // it ends with our end of its standard input, even when we are killed
  const server = spawn(
    process.execPath,
    [SERVER_MAIN, "--dir", join(dir, "store"), "--setup", join(dir, "setup.json")],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  stack.defer(() => end(server));
  const started = AbortSignal.any([signal, AbortSignal.timeout(START_TIMEOUT_MS)]);
  const listening = listeningSchema.parse(JSON.parse(await firstLine(server.stdout, started)));

  const storeAs = async (name: string, keys: z.infer<typeof credentialsSchema>): Promise<StoreConfig> => {
    const [accessKeyIdFile, secretAccessKeyFile] = [join(dir, `${name}.id`), join(dir, `${name}.secret`)];
    await writeFile(accessKeyIdFile, keys.accessKeyId, { mode: 0o600 });
    await writeFile(secretAccessKeyFile, keys.secretAccessKey, { mode: 0o600 });
    return {
      bucket: VAULT,
      region: listening.region,
      endpoint: listening.endpoint,
      forcePathStyle: true,
      credentials: { kind: "files", accessKeyIdFile, secretAccessKeyFile },
      expectedBucketOwner: null,
      checksums: "auto",
    };
  };
  const { owner, users } = listening.accounts.vault;
  const writer = await openVaultWriter(await storeAs("owner", owner), { storageClass: null, maxConnections: PARALLEL });
  stack.use(writer);
  const moverKey = generateSigningKey();
  const { bucket, region, endpoint, forcePathStyle, credentials } = await storeAs("operator", users.operator);
  const { kind: _, ...files } = { ...credentials };
  const vault = { bucket, region, endpoint, forcePathStyle, credentials: files };
  const keys = Object.fromEntries(hosts.map(({ name, key }) => [name, [key.public.text]]));
  const configFile = join(dir, "operator.yaml");
  // JSON is YAML
  await writeFile(configFile, JSON.stringify({ vault, movers: { [MOVER]: [moverKey.public.text] }, hosts: keys }));

  const put = async (name: string, bytes: Uint8Array): Promise<void> => {
    // segments are put where no mover's archive is
    await writer.createObject(name as VaultName, bytes, { attributes: NO_ATTRIBUTES, signal });
  };
  const owned = stack.move();
  return {
    fill: async (objects, perSegment, store) => {
      const segments = makeSegments(objects, perSegment, moverKey);
      await inParallel(segments, async ({ number, bytes, objects: recorded }) => {
        if (store) for (const object of recorded) await put(object.vaultName, object.bytes);
        await put(segmentName(MOVER, number), bytes);
      });
    },
    run: (args) =>
      runTimed(
        process.execPath,
        [OPERATOR_MAIN, "--config", configFile, ...args],
        { PATH: process.env["PATH"], HOME: dir, NODE_NO_WARNINGS: "1" },
        signal,
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface MadeSegment {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly objects: readonly FixtureObject[];
}

function* makeSegments(
  objects: Iterable<FixtureObject>,
  perSegment: number,
  key: ReturnType<typeof generateSigningKey>,
): Generator<MadeSegment, void, undefined> {
  let [number, index, prev]: [number, number, string | null] = [0, 0, null];
  const make = (recorded: readonly FixtureObject[]): MadeSegment => {
    const lines = recorded.map(({ entry }) => formatEntry({ index: ++index, ...entry }));
    const writtenAt = recorded.at(-1)?.entry.at ?? "";
    const header: SegmentHeader = { v: 1, mover: MOVER, segment: ++number, prev, writtenAt };
    const bytes = buildSegment(header, lines, null, key);
    prev = segmentDigest(bytes);
    return { number, bytes, objects: recorded };
  };
  let recorded: FixtureObject[] = [];
  for (const object of objects) {
    recorded.push(object);
    if (recorded.length < perSegment) continue;
    yield make(recorded);
    recorded = [];
  }
  if (recorded.length > 0) yield make(recorded);
}

async function inParallel<Item>(items: Iterator<Item>, work: (item: Item) => Promise<void>): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let next = items.next(); next.done !== true; next = items.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}
