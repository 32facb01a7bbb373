/** The byte requests as SDK commands: the slower twin of `transport-http.ts`, which has to behave the same. */
import { GetObjectCommand, PutObjectCommand, UploadPartCommand, type S3Client } from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import type { OpenedObject } from "../stores.ts";
import { writeAttributes } from "./attributes.ts";
import { nonsense, toStoreError, type Call } from "./errors.ts";
import type { Network } from "./network.ts";
import { toOpenedObject } from "./opened-object.ts";
import { protectBody, protectPart, type Protection } from "./protect-body.ts";
import type {
  ByteTransport,
  GetRequest,
  Integrity,
  PartRequest,
  PartResult,
  PutRequest,
  PutResult,
} from "./transport.ts";

export interface SdkTransportParts {
  readonly config: StoreConfig;
  readonly client: S3Client;
  readonly network: Network;
  readonly integrity: Integrity;
}

type Command = GetObjectCommand | PutObjectCommand | UploadPartCommand;

export function openSdkTransport({ config, client, network, integrity }: SdkTransportParts): ByteTransport {
  const { bucket, region } = config;
  const owned = { Bucket: bucket, ExpectedBucketOwner: config.expectedBucketOwner ?? undefined };

  function call(operation: string, kind: Call["kind"], key: string): Call {
    return { operation, kind, bucket, key, region };
  }

  async function getObject({ key, versionId, range, ifMatch, signal }: GetRequest): Promise<OpenedObject> {
    const about = call("GetObject", "read", key);
    try {
      const command = new GetObjectCommand({
        ...owned,
        Key: key,
        ...(versionId === null ? {} : { VersionId: versionId }),
        ...(range === null ? {} : { Range: `bytes=${range.first}-${range.last}` }),
        ...(ifMatch === null ? {} : { IfMatch: ifMatch }),
      });
      const answer = watchAnswer(command);
      const { Body } = await client.send(command, { abortSignal: signal });
      if (Body === undefined) throw nonsense(about, "it has no body");
      // in Node the SDK's body is the stream that our own request handler gave it
      const body = Body as AsyncIterable<Uint8Array> & { destroy(): void };
      return toOpenedObject(
        { ...answer(), body: network.paced(body), destroy: () => body.destroy() },
        range,
        about,
        signal,
      );
    } catch (error) {
      throw toStoreError(error, about, signal);
    }
  }

  /** The same headers as over http, put in before signing. */
  function protect(
    command: Command,
    { headers, payloadHash, checksum }: Protection,
    attributes: readonly (readonly [string, string])[],
  ): string | null {
    addHeaders(command, [...attributes, ...headers, ["x-amz-content-sha256", payloadHash]]);
    return checksum;
  }

  async function putObject({
    key,
    body,
    createOnly,
    attributes,
    storageClass,
    signal,
  }: PutRequest): Promise<PutResult> {
    const about = call("PutObject", "write", key);
    try {
      const command = new PutObjectCommand({ ...owned, Key: key, Body: body });
      const headers = writeAttributes(attributes);
      if (createOnly) headers.push(["if-none-match", "*"]);
      if (storageClass !== null) headers.push(["x-amz-storage-class", storageClass]);
      protect(command, protectBody(body, config.checksums, integrity), headers);
      const { ETag, VersionId } = await client.send(command, { abortSignal: signal });
      if (ETag === undefined || ETag === "") throw nonsense(about, "it has no usable ETag");
      return { etag: ETag, versionId: VersionId === undefined || VersionId === "null" ? null : VersionId };
    } catch (error) {
      throw toStoreError(error, about, signal);
    }
  }

  async function uploadPart({ key, uploadId, number, body, signal }: PartRequest): Promise<PartResult> {
    const about = call("UploadPart", "repeatable", key);
    try {
      const part = { ...owned, Key: key, UploadId: uploadId, PartNumber: number, ContentLength: body.length };
      // The SDK hands a body that it does not know through to our own request handler, which does.
      const command = new UploadPartCommand({ ...part, Body: body as Uint8Array });
      const checksum = protect(command, await protectPart(body, config.checksums, integrity), []);
      const { ETag } = await client.send(command, { abortSignal: signal });
      if (ETag === undefined || ETag === "") throw nonsense(about, "it has no usable ETag");
      return { etag: ETag, checksum };
    } catch (error) {
      throw toStoreError(error, about, signal);
    }
  }

  return { getObject, putObject, uploadPart };
}

/** Puts headers into a command's request before it is signed, over what the SDK would have sent. */
export function addHeaders(
  command: { readonly middlewareStack: PutObjectCommand["middlewareStack"] } | Command,
  headers: readonly (readonly [name: string, value: string])[],
): void {
  if (headers.length === 0) return;
  // the three commands' stacks differ in their input types only, which this middleware does not look at
  const stack = command.middlewareStack as PutObjectCommand["middlewareStack"];
  stack.add(
    (next) => async (args) => {
      const request = args.request as { headers: Record<string, string> };
      for (const [name, value] of headers) request.headers[name] = value;
      return next(args);
    },
    { step: "build", name: "addHeaders", priority: "high" },
  );
}

/** Status and headers as our request handler had them: the SDK parses some away (Expires). */
function watchAnswer(command: GetObjectCommand): () => { status: number; headers: ReadonlyMap<string, string> } {
  let seen: { statusCode: number; received: ReadonlyMap<string, string> } = { statusCode: 0, received: new Map() };
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      // the response is the one that our request handler made, typed unknown by the SDK
      seen = result.response as typeof seen;
      return result;
    },
    { step: "deserialize", name: "watchAnswer", priority: "low" },
  );
  return () => ({ status: seen.statusCode, headers: seen.received });
}
