/** One store, opened: the SDK's client for everything that is not bytes, and a {@link ByteTransport} for what is. */
import { HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import type { RequestOutcome } from "../stores.ts";
import { credentialsConfig } from "./credentials.ts";
import { guardCredentials } from "./guard-credentials.ts";
import { toStoreError, type Call, type CallKind } from "./errors.ts";
import {
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_TIMEOUTS,
  openNetwork,
  type Network,
  type Pace,
  type Timeouts,
} from "./network.ts";
import { createRequestHandler, originOf } from "./request-handler.ts";
import { DEFAULT_RETRY, retry, systemRetryTools, type RetryPolicy, type RetryTools } from "./retry.ts";
import { openHttpTransport, type BucketAddress } from "./transport-http.ts";
import { openSdkTransport } from "./transport-sdk.ts";
import type { ByteTransport, Integrity } from "./transport.ts";

export interface S3Options {
  /** Which implementation carries bytes. */
  readonly transport?: "http" | "sdk";
  /** `signed-payload` unless the start-up probe saw the store refuse a wrong checksum. */
  readonly integrity?: Integrity;
  readonly timeouts?: Partial<Timeouts>;
  readonly maxConnections?: number;
  /** null, as by default: bodies are sent as fast as they go. */
  readonly pace?: Pace | null;
  /** Called with each answer that asks for fewer requests. */
  readonly onSlowDown?: () => void;
  readonly retry?: RetryPolicy;
  readonly retryTools?: RetryTools;
  readonly now?: () => Date;
  /** For the start-up probe alone: the bytes of every object and part are altered after they were signed. */
  readonly alterBodies?: boolean;
}

export interface S3Store extends AsyncDisposable {
  readonly config: StoreConfig;
  readonly client: S3Client;
  readonly bytes: ByteTransport;
  /** Goes into every SDK command. */
  readonly owned: { readonly Bucket: string; readonly ExpectedBucketOwner: string | undefined };
  /** The date that the store put on its latest answer, with the moment at which it came in. */
  lastDate(): { readonly store: Date; readonly here: Date } | null;
  /** How far the store's clock is ahead of this one, as all its answers show it: `shared/clock-offset.ts`. */
  clockOffsetMs(): number;
  /** How all attempts so far ended. */
  requests(): Readonly<Record<RequestOutcome, number>>;
  describe(operation: string, kind: CallKind, key: string | null): Call;
  /** Runs one SDK call with its errors mapped; what is safe to repeat is repeated. */
  run<T>(call: Call, signal: AbortSignal, attempt: () => Promise<T>): Promise<T>;
  repeat<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T>;
}

export async function openS3(config: StoreConfig, options: S3Options = {}): Promise<S3Store> {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const network = openNetwork({
    timeouts,
    maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
    pace: options.pace ?? null,
    ...(options.onSlowDown === undefined ? {} : { onSlowDown: options.onSlowDown }),
  });
  const client = createClient(config, network);
  const { bucket, region } = config;
  const now = options.now ?? (() => new Date());
  const integrity = options.integrity ?? "signed-payload";
  const carrier = options.alterBodies === true ? alteringBodies(network) : network;
  const describe = (operation: string, kind: CallKind, key: string | null): Call => ({
    operation,
    kind,
    bucket,
    key,
    region,
  });

  async function openTransport(): Promise<ByteTransport> {
    if (options.transport === "sdk") return openSdkTransport({ config, client, network, integrity });
    const address = await resolveAddress(config, network);
    const credentials = () => client.config.credentials();
    const { expectedBucketOwner, checksums } = config;
    return openHttpTransport({
      bucket,
      region,
      expectedBucketOwner,
      checksums,
      integrity,
      address,
      network: carrier,
      credentials,
      now,
    });
  }

  async function dispose(): Promise<void> {
    client.destroy();
    await network.close();
  }

  const repeat = <T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> =>
    retry(attempt, signal, options.retry ?? DEFAULT_RETRY, options.retryTools ?? systemRetryTools);

  async function run<T>(call: Call, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    const once = async (): Promise<T> => {
      try {
        return await attempt();
      } catch (error) {
        throw toStoreError(error, call, signal);
      }
    };
    return call.kind === "write" ? once() : repeat(signal, once);
  }

  try {
    return {
      config,
      client,
      bytes: await openTransport(),
      owned: { Bucket: bucket, ExpectedBucketOwner: config.expectedBucketOwner ?? undefined },
      lastDate: () => network.lastDate(),
      clockOffsetMs: () => network.clock.offsetMs,
      requests: () => network.outcomes,
      describe,
      run,
      repeat,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw toStoreError(error, describe("HeadObject", "read", null));
  }
}

function alteringBodies(network: Network): Network {
  const sendAndRead: Network["sendAndRead"] = (request) => {
    // what the probe sends is in memory
    if (!(request.body instanceof Uint8Array)) return network.sendAndRead(request);
    const body = Uint8Array.from(request.body, (byte, index) => (index === 0 ? byte ^ 1 : byte));
    return network.sendAndRead({ ...request, body });
  };
  return { ...network, sendAndRead };
}

function createClient(
  config: StoreConfig,
  network: Network,
  credentials = credentialsConfig(config.credentials),
): S3Client {
  const client = new S3Client({
    ...credentials,
    region: config.region,
    ...(config.endpoint === null ? {} : { endpoint: config.endpoint }),
    // an endpoint from the environment would escape the configuration's rule about plain http
    ignoreConfiguredEndpointUrls: true,
    forcePathStyle: config.forcePathStyle,
    followRegionRedirects: false,
    // repeating is decided by `retry.ts`, which knows what is safe to repeat
    maxAttempts: 1,
    // bytes are protected by the transport; the SDK adds a checksum only where S3 insists (DeleteObjects)
    requestChecksumCalculation: "WHEN_REQUIRED",
    // The default asks for `x-amz-checksum-mode` and compares what comes back with what it reads, which stores answer
    // for ranges with the whole object's checksum. What is read is compared with a signed digest anyway.
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
    requestHandler: createRequestHandler(network),
  });
  client.config.credentials = guardCredentials(client.config.credentials);
  return client;
}

/** Asks the SDK where it would send a request for this bucket, by building one (which takes some key) and not sending it. */
export async function resolveAddress(config: StoreConfig, network: Network): Promise<BucketAddress> {
  const client = createClient(config, network, { credentials: { accessKeyId: "none", secretAccessKey: "none" } });
  const command = new HeadObjectCommand({ Bucket: config.bucket, Key: "k" });
  let address: BucketAddress | null = null;
  command.middlewareStack.add(
    () =>
      async ({ request }) => {
        // an SDK request; its type is not exported by the client package
        const { protocol, hostname, port, path } = request as {
          protocol: string;
          hostname: string;
          port?: number;
          path: string;
        };
        const location = { protocol, hostname, ...(port === undefined ? {} : { port }) };
        address = { origin: originOf(location), basePath: path.slice(0, -"/k".length) };
        return { response: {}, output: { $metadata: {} } };
      },
    { step: "build", name: "resolveAddress", priority: "high" },
  );
  await client.send(command);
  client.destroy();
  if (address === null) throw new TypeError(`no address for the bucket ${config.bucket}`);
  return address;
}
