/** What the three real servers have in common: starting two accounts, remembering them in a file, taking them up again. */
import { S3Client, CreateBucketCommand, PutBucketVersioningCommand } from "@aws-sdk/client-s3";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runsFolder } from "./cache.ts";
import { anyAlive, stopRecorded } from "./processes.ts";
import { Missing } from "./server.ts";
import type {
  BucketOptions,
  Credentials,
  PolicyDocument,
  Queue,
  RunningServer,
  ServerName,
  StoreAccount,
} from "./server.ts";

export type RealServerName = Exclude<ServerName, "embedded">;
export const REGION = "us-east-1";

/** All that is needed to use an account of a server that somebody else started. */
export interface LaunchedAccount {
  readonly endpoint: string;
  readonly owner: Credentials;
  /** Where and as whom users are administered. */
  readonly iam: { readonly endpoint: string; readonly credentials: Credentials };
}

export interface RealServer {
  readonly name: RealServerName;
  /** What people call it, and the version that the recorded differences were measured on. */
  readonly title: string;
  /** Installs what is not there yet; rejects with `Missing` when it can't. */
  install(): Promise<string>;
  /** Whether it can be started; installs nothing. */
  isInstalled(): Promise<boolean>;
  /** Starts one account's processes, recorded in `folder`, and waits until it answers. */
  launch(folder: string): Promise<LaunchedAccount>;
  createUser(account: LaunchedAccount, name: string, policies: readonly PolicyDocument[]): Promise<Credentials>;
  createQueue(account: LaunchedAccount, name: string): Promise<Queue>;
}

interface State {
  readonly server: RealServerName;
  readonly accounts: { readonly dropZone: LaunchedAccount; readonly vault: LaunchedAccount };
}

const ACCOUNTS = ["dropZone", "vault"] as const;
const STATE = "state.json";

/** Starts a server of its own; disposing of the handle stops it and removes its folder. `up` leaves it running. */
export async function startServer(server: RealServer, up: boolean): Promise<RunningServer> {
  const folder = join(runsFolder(), up ? server.name : `${server.name}-${randomBytes(4).toString("hex")}`);
  const launch = async (account: (typeof ACCOUNTS)[number]): Promise<LaunchedAccount> => {
    await mkdir(join(folder, account), { recursive: true, mode: 0o700 });
    return server.launch(join(folder, account));
  };
  try {
    // Both are waited for even if one fails: nothing may be started any more when everything is stopped.
    const [dropZone, vault] = await Promise.allSettled([launch("dropZone"), launch("vault")]);
    if (dropZone.status === "rejected") throw dropZone.reason;
    if (vault.status === "rejected") throw vault.reason;
    const state: State = { server: server.name, accounts: { dropZone: dropZone.value, vault: vault.value } };
    await writeFile(join(folder, STATE), JSON.stringify(state), { mode: 0o600 });
    return handleOf(server, state, up ? async () => {} : () => stopRun(folder));
  } catch (error) {
    await stopRun(folder);
    throw error;
  }
}

/** A server that `servers:up` left running, else one of its own. */
export async function useServer(server: RealServer): Promise<RunningServer> {
  const running = await findServerThatIsUp(server);
  if (running !== null) return running;
  if (!(await server.isInstalled())) {
    throw new Missing(`${server.title} is not installed: npm run servers:install -- ${server.name}`);
  }
  return startServer(server, false);
}

/** The server that `servers:up` left running, or null. */
export async function findServerThatIsUp(server: RealServer): Promise<RunningServer | null> {
  const folder = join(runsFolder(), server.name);
  let text: string;
  try {
    text = await readFile(join(folder, STATE), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  for (const account of ACCOUNTS) if (!(await anyAlive(join(folder, account)))) return null;
  // Our own file, written above with mode 0600.
  return handleOf(server, JSON.parse(text) as State, async () => {});
}

/** Stops what a run recorded, then removes all of its files. */
export async function stopRun(folder: string): Promise<void> {
  await Promise.all(ACCOUNTS.map((account) => stopRecorded(join(folder, account))));
  await rm(folder, { recursive: true, force: true });
}

/** Every run that left a folder: those of `servers:up` and those of a test run that was killed. */
export async function listRuns(): Promise<string[]> {
  try {
    return (await readdir(runsFolder())).map((name) => join(runsFolder(), name));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

export function randomCredentials(): Credentials {
  const accessKeyId = `AK${randomBytes(9).toString("hex").toUpperCase()}`;
  return { accessKeyId, secretAccessKey: randomBytes(20).toString("hex") };
}

function handleOf(server: RealServer, state: State, stop: () => Promise<void>): RunningServer {
  const account = (launched: LaunchedAccount): StoreAccount => ({
    endpoint: launched.endpoint,
    owner: launched.owner,
    createBucket: (name, options) => createBucket(launched, name, options ?? {}),
    createUser: (name, _bucket, policies) => server.createUser(launched, name, policies),
    createQueue: (name) => server.createQueue(launched, name),
  });
  return {
    name: server.name,
    region: REGION,
    dropZone: account(state.accounts.dropZone),
    vault: account(state.accounts.vault),
    [Symbol.asyncDispose]: stop,
  };
}

async function createBucket(account: LaunchedAccount, name: string, options: BucketOptions): Promise<void> {
  const client = new S3Client({
    endpoint: account.endpoint,
    region: REGION,
    credentials: account.owner,
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  try {
    await client.send(
      new CreateBucketCommand({ Bucket: name, ...(options.objectLock ? { ObjectLockEnabledForBucket: true } : {}) }),
    );
    if (options.versioning === true && options.objectLock !== true) {
      const enabled = { Status: "Enabled" } as const;
      await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: enabled }));
    }
  } finally {
    client.destroy();
  }
}
