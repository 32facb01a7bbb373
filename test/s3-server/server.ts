/**
 * An S3 server for tests: in one process, several accounts, over node:http. It means to behave as AWS S3 does.
 *
 *     await using server = await startS3Server({ dir });
 *     const account = server.createAccount("acme");
 *     const host = account.createUser("web1", policy);
 *     account.createBucket("acme-dropzone", { versioning: true });
 *     const client = new S3Client({ endpoint: server.endpoint, region: server.region, forcePathStyle: true, credentials: host });
 *
 * Faults: `server.faults.add({ operation: "PutObject", nth: 2, times: 1, fault: { kind: "reset", when: "after" } })`,
 * see faults.ts. main.ts runs it as a process of its own. What it does not do: README.md.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createAccounts, type Credentials } from "./accounts.ts";
import { openBlobStore } from "./blobs.ts";
import type { World } from "./context.ts";
import { dispatch, type ObservedRequest } from "./dispatch.ts";
import { createEventSink } from "./events.ts";
import { createFaults, type Faults } from "./faults.ts";
import { addBucket } from "./handlers/bucket.ts";
import type { LockMode } from "./model.ts";
import { parsePolicy, type PolicyDocument } from "./policy.ts";
import type { Quirks } from "./quirks.ts";
import { createQueues } from "./queues.ts";

export type { Credentials } from "./accounts.ts";
export type { ObservedRequest } from "./dispatch.ts";
export type { Fault, FaultKind, FaultRequest, FaultRule, Faults } from "./faults.ts";
export type { OperationName } from "./operations.ts";
export type { PolicyDocument, PolicyStatement } from "./policy.ts";

export interface S3ServerOptions {
  /** Where bodies are kept, in a folder of their own that goes away with `close`. */
  readonly dir: string;
  /** Default: eu-central-1. */
  readonly region?: string;
  /** Default: 0, any free port. */
  readonly port?: number;
  /** Epoch in ms; default: Date.now. */
  readonly clock?: () => number;
  /**
   * What the times of signatures are held against and the Date header tells; default: `clock`. Date.now lets clients
   * with the real time in, while `clock` runs through days of retention.
   */
  readonly signingClock?: () => number;
  /** Serves https with this key pair (PEM); self-signed.ts makes one. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /**
   * What policies see as aws:SecureTransport. Default: true, also over plain HTTP, since tests use loopback where a
   * deployment uses TLS; false to test a policy that refuses plain HTTP.
   */
  readonly secureTransport?: boolean;
  /** How long it takes until an archived object that was asked for can be read. Default: 0. */
  readonly restoreTakesMs?: number;
}

export interface BucketOptions {
  readonly versioning?: boolean;
  readonly objectLock?: boolean | { readonly mode: LockMode; readonly days: number };
  readonly policy?: PolicyDocument;
  /** Where it is to be another store than AWS S3. */
  readonly quirks?: Quirks;
  /** Another region than the server's: requests are answered by a redirect. */
  readonly region?: string;
}

export interface Account {
  /** Twelve digits. */
  readonly id: string;
  readonly owner: Credentials;
  /** May be called again for a second key; policies given then replace the first ones. */
  createUser(name: string, ...policies: PolicyDocument[]): Credentials;
  setUserPolicies(name: string, ...policies: PolicyDocument[]): void;
  /** A further key with fixed values, of a user or (without a name) of the root. */
  addKey(credentials: Credentials, userName?: string): void;
  createBucket(name: string, options?: BucketOptions): void;
  /** A queue at the same endpoint; a known one is given again. */
  createQueue(
    name: string,
    options?: { readonly visibilityTimeoutSeconds?: number },
  ): { readonly url: string; readonly arn: string };
}

export interface S3Server extends AsyncDisposable {
  /** http://127.0.0.1:PORT */
  readonly endpoint: string;
  readonly region: string;
  /** Makes an account, with its root's credentials. Bucket names are global. */
  createAccount(name: string): Account;
  readonly faults: Faults;
  /** Calls the observer when a request has ended; gives the function that ends that. */
  onRequest(observer: (request: ObservedRequest) => void): () => void;
  /** Stops listening and cuts all connections, keeping everything stored; `comeUp` listens again at the same port. */
  goDown(): Promise<void>;
  comeUp(): Promise<void>;
  close(): Promise<void>;
}

export async function startS3Server(options: S3ServerOptions): Promise<S3Server> {
  const { region = "eu-central-1", clock = Date.now, tls } = options;
  const blobs = await openBlobStore(options.dir);
  const queues = createQueues(region, clock);
  let sequence = 0;
  const nextSequence = (): number => ++sequence;
  const world: World = {
    region,
    clock,
    restoreTakesMs: options.restoreTakesMs ?? 0,
    scheme: tls === undefined ? "http" : "https",
    signingClock: options.signingClock ?? clock,
    secureTransport: tls !== undefined || (options.secureTransport ?? true),
    accounts: createAccounts(),
    buckets: new Map(),
    blobs,
    events: createEventSink(queues, region, clock, nextSequence),
    queues,
    nextSequence,
  };
  const faults = createFaults();
  const observers = new Set<(request: ObservedRequest) => void>();
  const observe = (request: ObservedRequest): void => {
    for (const observer of observers) observer(request);
  };
  const answer = (message: IncomingMessage, response: ServerResponse, askForBody: () => void): void => {
    // A failure here is a bug of this server; it must not hide in a rejected promise.
    dispatch({ world, faults, observe }, { message, response, askForBody }).catch((error: unknown) => {
      console.error("s3-server:", error);
      response.destroy();
    });
  };
  const server: Server = tls === undefined ? createHttpServer() : createHttpsServer(tls);
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 0;
  server.on("request", (message, response) => answer(message, response, () => undefined));
  server.on("checkContinue", (message, response) => answer(message, response, () => response.writeContinue()));
  await listen(server, options.port ?? 0);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const { port } = address;
  const endpoint = `${world.scheme}://127.0.0.1:${port}`;

  let isClosed = false;
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    if (server.listening) await stop(server);
    blobs.close();
  };
  return {
    endpoint,
    region,
    createAccount: (name) =>
      createAccount(world, name, (accountId, queueName, seconds) => {
        const queue = queues.create(accountId, queueName, seconds);
        return { url: `${endpoint}/${accountId}/${queueName}`, arn: queue.arn };
      }),
    faults,
    onRequest: (observer) => {
      observers.add(observer);
      return () => void observers.delete(observer);
    },
    goDown: () => stop(server),
    comeUp: () => listen(server, port),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listen(server: Server, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", resolve);
  await promise;
  server.off("error", reject);
}

async function stop(server: Server): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.close((error) => (error === undefined ? resolve() : reject(error)));
  server.closeAllConnections();
  await promise;
}

function createAccount(
  world: World,
  name: string,
  createQueue: (accountId: string, name: string, visibilityTimeoutSeconds?: number) => { url: string; arn: string },
): Account {
  const account = world.accounts.add(name);
  const owner = world.accounts.addKey(account, undefined);
  return {
    id: account.id,
    owner,
    createUser: (userName, ...policies) => {
      if (policies.length > 0 || !account.users.has(userName)) world.accounts.setPolicies(account, userName, policies);
      return world.accounts.addKey(account, userName);
    },
    setUserPolicies: (userName, ...policies) => world.accounts.setPolicies(account, userName, policies),
    addKey: (credentials, userName) => void world.accounts.addKey(account, userName, credentials),
    createBucket: (
      bucketName,
      { versioning = false, objectLock = false, policy, region = world.region, quirks = {} } = {},
    ) => {
      const bucket = addBucket(world, account, {
        name: bucketName,
        region,
        versioning,
        objectLock: objectLock !== false,
        quirks,
      });
      if (typeof objectLock === "object") {
        bucket.objectLock = { rule: { mode: objectLock.mode, amount: objectLock.days, unit: "Days" } };
      }
      if (policy !== undefined) {
        bucket.policy = { text: JSON.stringify(policy), statements: parsePolicy(policy, "bucket", bucketName) };
      }
    },
    createQueue: (queueName, { visibilityTimeoutSeconds } = {}) =>
      createQueue(account.id, queueName, visibilityTimeoutSeconds),
  };
}
