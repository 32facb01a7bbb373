/** The embedded server behind the same handle as the real ones. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startS3Server } from "../s3-server/server.ts";
import type { Account } from "../s3-server/server.ts";
import type { RunningServer, StoreAccount } from "./server.ts";

export async function startEmbedded(): Promise<RunningServer> {
  const dir = await mkdtemp(join(tmpdir(), "airlock-s3-"));
  const server = await startS3Server({ dir, region: "us-east-1" });
  const account = (made: Account): StoreAccount => ({
    endpoint: server.endpoint,
    owner: made.owner,
    createBucket: async (name, options = {}) => made.createBucket(name, options),
    createUser: async (name, _bucket, policies) => made.createUser(name, ...policies),
    createQueue: async (name) => made.createQueue(name),
  });
  return {
    name: "embedded",
    region: server.region,
    dropZone: account(server.createAccount("drop-zone")),
    vault: account(server.createAccount("vault")),
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
