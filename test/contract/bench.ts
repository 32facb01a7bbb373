/** What a check has at hand: a server's buckets, its owner's client, users with policies, and short answers. */
import { S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoreConfig } from "../../shared/config/store-config.ts";
import type { BucketOptions, Credentials, PolicyDocument, RunningServer, StoreAccount } from "../servers/server.ts";
import { sendSigned } from "../servers/sign.ts";
import type { PlainResponse, SignedRequest } from "../servers/sign.ts";

export type BucketKind = "plain" | "versioned" | "locked";

export interface Bench {
  readonly server: RunningServer;
  readonly account: StoreAccount;
  readonly owner: S3Client;
  /** One bucket of each kind for all checks of a run. */
  bucket(kind: BucketKind): Promise<string>;
  /** For checks that list everything or change the bucket itself. */
  freshBucket(options?: BucketOptions): Promise<string>;
  /** A key that no other check uses. */
  freshKey(folder?: string): string;
  clientOf(credentials: Credentials, options?: Partial<S3ClientConfig>): S3Client;
  /** Users are made once per name and bucket. */
  user(name: string, bucket: string, policies: readonly PolicyDocument[]): Promise<S3Client>;
  keyOf(name: string, bucket: string, policies: readonly PolicyDocument[]): Promise<Credentials>;
  /** A bucket as Airlock's own configuration names it, with this key in files. */
  configOf(bucket: string, credentials: Credentials): Promise<StoreConfig>;
  /** Computed once per run. */
  once<T>(name: string, make: () => Promise<T>): Promise<T>;
  /** A request that the SDK would not send, signed by the owner. */
  raw(request: Pick<SignedRequest, "method"> & Partial<SignedRequest> & { path: string }): Promise<PlainResponse>;
  close(): Promise<void>;
}

export function openBench(server: RunningServer): Bench {
  const account = server.dropZone;
  const clients: S3Client[] = [];
  const made = new Map<string, Promise<unknown>>();
  const run = randomBytes(4).toString("hex");
  let count = 0;

  const clientOf: Bench["clientOf"] = (credentials, options = {}) => {
    const client = new S3Client({
      endpoint: account.endpoint,
      region: server.region,
      credentials,
      forcePathStyle: true,
      maxAttempts: 1,
      // Off unless a check is about them, so that a store that rejects them can be asked everything else.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      // The SDK's advice on failed streams; here failures are answers.
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      requestHandler: { connectionTimeout: 5_000, requestTimeout: 30_000, throwOnRequestTimeout: true },
      ...options,
    });
    clients.push(client);
    return client;
  };
  const once = <T>(name: string, make: () => Promise<T>): Promise<T> => {
    if (!made.has(name)) made.set(name, make());
    // Each name is used for one type only; the map can't say so.
    return made.get(name) as Promise<T>;
  };
  const freshBucket = async (options: BucketOptions = {}): Promise<string> => {
    const name = `contract-${run}-${++count}`;
    await account.createBucket(name, options);
    return name;
  };
  const keyOf: Bench["keyOf"] = (name, bucket, policies) =>
    once(`key ${name} ${bucket}`, () => account.createUser(`${name}-${run}-${++count}`, bucket, policies));
  const secrets = (): Promise<string> => once("folder of secrets", () => mkdtemp(join(tmpdir(), "airlock-contract-")));
  return {
    server,
    account,
    owner: clientOf(account.owner),
    bucket: (kind) =>
      once(`bucket ${kind}`, () => freshBucket({ versioning: kind !== "plain", objectLock: kind === "locked" })),
    freshBucket,
    freshKey: (folder = "k") => `${folder}/${run}-${++count}`,
    clientOf,
    keyOf,
    user: (name, bucket, policies) =>
      once(`user ${name} ${bucket}`, async () => clientOf(await keyOf(name, bucket, policies))),
    configOf: async (bucket, { accessKeyId, secretAccessKey }) => {
      const accessKeyIdFile = join(await secrets(), `${++count}`);
      const secretAccessKeyFile = `${accessKeyIdFile}.secret`;
      await writeFile(accessKeyIdFile, accessKeyId);
      await writeFile(secretAccessKeyFile, secretAccessKey, { mode: 0o600 });
      return {
        bucket,
        region: server.region,
        endpoint: account.endpoint,
        forcePathStyle: true,
        credentials: { kind: "files", accessKeyIdFile, secretAccessKeyFile },
        expectedBucketOwner: null,
        checksums: "auto",
      };
    },
    once,
    raw: ({ path, ...request }) =>
      sendSigned({
        url: new URL(path, account.endpoint),
        service: "s3",
        region: server.region,
        credentials: account.owner,
        ...request,
      }),
    close: async () => {
      for (const client of clients) client.destroy();
      if (made.has("folder of secrets")) await rm(await secrets(), { recursive: true, force: true });
    },
  };
}

/** "200", or a refusal as its status and code: "412 PreconditionFailed". */
export async function answerOf(call: Promise<{ $metadata: { httpStatusCode?: number } }>): Promise<string> {
  try {
    return String((await call).$metadata.httpStatusCode);
  } catch (error) {
    return refusalOf(error);
  }
}

/** The same for HEAD, whose refusals have no body and so no code. */
export async function statusOf(call: Promise<{ $metadata: { httpStatusCode?: number } }>): Promise<string> {
  return (await answerOf(call)).slice(0, 3);
}

export function refusalOf(error: unknown): string {
  if (error instanceof S3ServiceException) return `${error.$metadata.httpStatusCode} ${error.name}`;
  // An answer whose body is not the XML that S3 would send: the SDK keeps it with the error of its parser.
  const response = error instanceof Error && "$response" in error ? error.$response : undefined;
  if (typeof response === "object" && response !== null && "statusCode" in response) {
    return `${String(response.statusCode)} with an unreadable body`;
  }
  // No HTTP answer at all is a fault of the server or of this suite, and never an answer to a question.
  throw error;
}

/** The answer to a request that was sent without the SDK. */
export function plainAnswerOf(response: PlainResponse): string {
  const code = /<Code>([^<]*)<\/Code>/.exec(response.text)?.[1];
  return code === undefined ? String(response.status) : `${response.status} ${code}`;
}
