/** An embedded S3 server with one account and its buckets, and the configuration by which the code under test sees them. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoreConfig } from "../../../shared/config/store-config.ts";
import type { RetryTools } from "../../../shared/s3/retry.ts";
import {
  startS3Server,
  type Account,
  type BucketOptions,
  type Credentials,
  type S3Server,
} from "../../s3-server/server.ts";

export interface World extends AsyncDisposable {
  readonly server: S3Server;
  readonly account: Account;
  readonly dir: string;
  /** Makes the bucket, and a configuration with the owner's key. */
  makeBucket(name: string, options?: BucketOptions): Promise<StoreConfig>;
  configFor(bucket: string, credentials: Credentials): Promise<StoreConfig>;
}

export async function openWorld(): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), "airlock-s3-"));
  const server = await startS3Server({ dir });
  const account = server.createAccount("acme");
  let keys = 0;
  async function configFor(bucket: string, { accessKeyId, secretAccessKey }: Credentials): Promise<StoreConfig> {
    keys += 1;
    const accessKeyIdFile = join(dir, `id-${keys}`);
    const secretAccessKeyFile = join(dir, `secret-${keys}`);
    await writeFile(accessKeyIdFile, `${accessKeyId}\n`);
    await writeFile(secretAccessKeyFile, `${secretAccessKey}\n`, { mode: 0o600 });
    return {
      bucket,
      region: server.region,
      endpoint: server.endpoint,
      forcePathStyle: true,
      credentials: { kind: "files", accessKeyIdFile, secretAccessKeyFile },
      expectedBucketOwner: null,
      checksums: "auto",
    };
  }
  return {
    server,
    account,
    dir,
    configFor,
    makeBucket(name, options = {}) {
      account.createBucket(name, options);
      return configFor(name, account.owner);
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Retries that do not wait. */
export const impatient: RetryTools = { sleep: () => Promise.resolve(), random: () => 0 };

export function forever(): AbortSignal {
  return new AbortController().signal;
}

export async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(body));
}
