import type { IncomingMessage } from "node:http";
import type { AccountState, Accounts } from "./accounts.ts";
import type { BlobStore } from "./blobs.ts";
import type { KeyHolder } from "./accounts.ts";
import { S3Error } from "./errors.ts";
import type { EventSink } from "./events.ts";
import type { Bucket } from "./model.ts";
import type { OperationName } from "./operations.ts";
import type { Queues } from "./queues.ts";
import type { Reply } from "./reply.ts";
import type { ParsedRequest } from "./request.ts";
import type { ChunkSigner } from "./sigv4.ts";

/** What all requests share. */
export interface World {
  readonly region: string;
  readonly secureTransport: boolean;
  readonly scheme: "http" | "https";
  readonly clock: () => number;
  readonly restoreTakesMs: number;
  readonly signingClock: () => number;
  readonly accounts: Accounts;
  readonly buckets: Map<string, Bucket>;
  readonly blobs: BlobStore;
  readonly events: EventSink;
  readonly queues: Queues;
  /** A number that grows by one with each call: orders versions and uploads. */
  nextSequence(): number;
}

/** How the body proves itself, from x-amz-content-sha256. */
export type PayloadMode =
  | { readonly kind: "unsigned" }
  | { readonly kind: "sha256"; readonly expected: string }
  | { readonly kind: "chunked"; readonly signer: ChunkSigner | undefined; readonly hasTrailer: boolean };

/** Who asks: undefined fields for an unsigned request. */
export interface Caller {
  readonly holder: KeyHolder | undefined;
  readonly authType: "REST-HEADER" | "REST-QUERY-STRING" | undefined;
  readonly signatureAgeMs: number | undefined;
}

export interface Context {
  readonly world: World;
  readonly operation: OperationName;
  readonly request: ParsedRequest;
  readonly message: IncomingMessage;
  readonly caller: Caller;
  readonly payload: PayloadMode;
  readonly sourceAddress: string;
  readonly requestId: string;
  /** Asks the client for the body, where it waits for `100 Continue`. */
  readonly askForBody: () => void;
  /** Awaits the faults that lie before the effect. Every writing handler calls it when nothing but the effect is left to do. */
  readonly beforeEffect: () => Promise<void>;
  readonly bodyLimit: BodyLimit;
}

/** Counts the request's body and carries the fault that cuts it. */
export interface BodyLimit {
  receivedBytes: number;
  resetAtByte: number | undefined;
}

export type Handler = (context: Context) => Promise<Reply> | Reply;

export function header(context: Context, name: string): string | undefined {
  return context.request.headers.get(name);
}

export function query(context: Context, name: string): string | undefined {
  return context.request.query.get(name);
}

/** The bucket that the request names; routing has made sure that it names one. */
export function bucketOf(context: Context): Bucket {
  return findBucket(context.world, context.request.bucket ?? "");
}

export function findBucket(world: World, name: string): Bucket {
  const bucket = world.buckets.get(name);
  if (bucket === undefined) {
    throw new S3Error("NoSuchBucket", "The specified bucket does not exist", { BucketName: name });
  }
  return bucket;
}

/** The key as a byte string; routing has made sure that the request names one. */
export function keyOf(context: Context): string {
  return context.request.keyBytes ?? "";
}

export function ownerXml(account: AccountState, name = "Owner"): string {
  return `<${name}><ID>${account.canonicalId}</ID><DisplayName>${account.name}</DisplayName></${name}>`;
}

export type { Reply } from "./reply.ts";
