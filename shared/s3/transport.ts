/** The three requests that carry an object's bytes. Two implementations, one contract, the same tests. */
import type { ByteRange, ObjectAttributes, OpenedObject, PartBody } from "../stores.ts";

export interface GetRequest {
  readonly key: string;
  /** As it goes into the request; `null` asks for the latest. */
  readonly versionId: string | null;
  readonly range: ByteRange | null;
  /** An ETag with its quotes. */
  readonly ifMatch: string | null;
  readonly signal: AbortSignal;
}

export interface PutRequest {
  readonly key: string;
  readonly body: Uint8Array;
  readonly createOnly: boolean;
  readonly attributes: ObjectAttributes;
  /** null: the bucket's own. */
  readonly storageClass: string | null;
  readonly signal: AbortSignal;
}

export interface PartRequest {
  readonly key: string;
  readonly uploadId: string;
  readonly number: number;
  readonly body: PartBody;
  readonly signal: AbortSignal;
}

export interface PutResult {
  /** With its quotes. */
  readonly etag: string;
  /** null: the bucket keeps no versions. */
  readonly versionId: string | null;
}

export interface PartResult {
  readonly etag: string;
  /** Base64 CRC-32; null for a store that takes none. */
  readonly checksum: string | null;
}

/**
 * What is signed of a body, besides its checksum header. `signed-payload`: its SHA-256, which every store has to check.
 * `checksum-unsigned`: nothing, which spares the hash; over TLS, where the start-up probe saw a wrong checksum refused.
 */
export type Integrity = "signed-payload" | "checksum-unsigned";

export interface ByteTransport {
  /** `sizeBytes` of the result is the whole object's, also for a range. */
  getObject(request: GetRequest): Promise<OpenedObject>;
  putObject(request: PutRequest): Promise<PutResult>;
  uploadPart(request: PartRequest): Promise<PartResult>;
}
