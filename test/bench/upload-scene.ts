/**
 * What a benchmark of the uploader runs on: a bucket in versitygw, which spends as much CPU time on what the one side
 * sends as on the other's; the uploader as its package installs it, and the pipeline that people build without Airlock.
 * Both have the same key.
 */
import { DeleteObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { formatSigningKey, generateSigningKey } from "../../shared/keys.ts";
import { BENCH_PEERS } from "../servers/bench-peers.ts";
import { useServer } from "../servers/real-server.ts";
import type { StoreAccount } from "../servers/server.ts";
import { TOOLS } from "../servers/tools.ts";
import { versitygw } from "../servers/versitygw.ts";
import { runTimed, type ProgramRun } from "./timed-program.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const RUN_TIMEOUT_MS = 5 * 60_000;

export interface UploadScene extends AsyncDisposable {
  readonly folder: string;
  /** `airlock-uploader put FILE`, with zstd and age. */
  putFile(file: string): Promise<ProgramRun>;
  /** `airlock-uploader put -- COMMAND…`, likewise. */
  putCommand(command: readonly string[]): Promise<ProgramRun>;
  /** `zstd -3 FILE | age -r … | mc pipe …` */
  pipeFile(file: string): Promise<ProgramRun>;
}

export async function startUploadScene(signal: AbortSignal): Promise<UploadScene> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "airlock-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const { dropZone: account, region } = stack.use(await useServer(versitygw));
  const bucket = `bench-${Date.now()}`;
  await account.createBucket(bucket);
  const store = { account, bucket, region };
  stack.defer(() => emptyBucket(store));
  const program = await buildUploader(folder, signal);
  const recipient = await identityToRecipient(await generateIdentity());
  const configFile = await writeConfig(folder, store, recipient);
  const { accessKeyId, secretAccessKey } = account.owner;

  /** The store begins each run empty, with nothing of the last one to write to its disk. */
  const run = async (command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<ProgramRun> => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(RUN_TIMEOUT_MS)]);
    const ran = await runTimed(command, args, { PATH: process.env["PATH"], HOME: folder, ...env }, limit);
    await emptyBucket(store);
    return ran;
  };
  const owned = stack.move();
  return {
    folder,
    putFile: (file) => run(program, ["--config", configFile, "put", file, "--set", "bench"], {}),
    putCommand: (command) => run(program, ["--config", configFile, "put", "--set", "bench", "--", ...command], {}),
    pipeFile: (file) =>
      run("bash", ["-o", "pipefail", "-c", PIPELINE, "bash", file, recipient, bucket], {
        AGE: TOOLS.age,
        MC: BENCH_PEERS.mc,
        MC_HOST_store: account.endpoint.replace("://", `://${accessKeyId}:${secretAccessKey}@`),
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const PIPELINE = `zstd -3 --quiet --stdout "$1" | "$AGE" -r "$2" | "$MC" --quiet pipe "store/$3/piped.zst.age"`;

/** The package's program, compiled, with this checkout's dependencies. */
async function buildUploader(folder: string, signal: AbortSignal): Promise<string> {
  const target = join(folder, "package");
  await promisify(execFile)(process.execPath, [join(ROOT, "scripts/build-package.ts"), target], { signal });
  await symlink(join(ROOT, "node_modules"), join(target, "node_modules"));
  return join(target, "uploader/main.js");
}

interface Store {
  readonly account: StoreAccount;
  readonly bucket: string;
  readonly region: string;
}

async function writeConfig(folder: string, { account, bucket, region }: Store, recipient: string): Promise<string> {
  const file = (name: string): string => join(folder, name);
  const { accessKeyId, secretAccessKey } = account.owner;
  await writeFile(file("key.id"), accessKeyId, { mode: 0o600 });
  await writeFile(file("key.secret"), secretAccessKey, { mode: 0o600 });
  await writeFile(file("host.key"), formatSigningKey(generateSigningKey()), { mode: 0o600 });
  const credentials = { accessKeyIdFile: file("key.id"), secretAccessKeyFile: file("key.secret") };
  const config = {
    host: "web1",
    dropZone: { bucket, region, endpoint: account.endpoint, forcePathStyle: true, credentials },
    signingKey: file("host.key"),
    encrypt: { recipients: [recipient] },
    spool: file("spool"),
  };
  await writeFile(file("uploader.yaml"), JSON.stringify(config)); // JSON is YAML
  return file("uploader.yaml");
}

async function emptyBucket({ account, bucket, region }: Store): Promise<void> {
  const client = new S3Client({ endpoint: account.endpoint, region, credentials: account.owner, forcePathStyle: true });
  try {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    await Promise.all(Contents.map(({ Key }) => client.send(new DeleteObjectCommand({ Bucket: bucket, Key }))));
  } finally {
    client.destroy();
  }
}
