/**
 * The byte requests over undici, signed by `sigv4.ts`: the SDK's middleware costs several times the CPU of the request
 * itself. Endpoint, region and credentials are still the SDK's, so its rules for them are the only ones.
 */
import type { StoreConfig } from "../config/store-config.ts";
import type { OpenedObject } from "../stores.ts";
import { writeAttributes } from "./attributes.ts";
import { nonsense, toStoreError, type Call } from "./errors.ts";
import type { Network } from "./network.ts";
import { toOpenedObject } from "./opened-object.ts";
import { protectBody, protectPart } from "./protect-body.ts";
import { EMPTY_PAYLOAD_HASH, encodePath, formatQuery, signHeaders, type SigningCredentials } from "./sigv4.ts";
import type {
  ByteTransport,
  GetRequest,
  Integrity,
  PartRequest,
  PartResult,
  PutRequest,
  PutResult,
} from "./transport.ts";

/** Where a bucket's objects are, as the SDK's endpoint rules have it. */
export interface BucketAddress {
  /** `https://bucket.s3.eu-west-1.amazonaws.com`, or the endpoint's own with the bucket in {@link basePath}. */
  readonly origin: string;
  /** Empty, or `/bucket`; no slash at its end. */
  readonly basePath: string;
}

export interface HttpTransportParts {
  readonly bucket: string;
  readonly region: string;
  readonly expectedBucketOwner: string | null;
  readonly checksums: StoreConfig["checksums"];
  readonly integrity: Integrity;
  readonly address: BucketAddress;
  readonly network: Network;
  readonly credentials: () => Promise<SigningCredentials>;
  readonly now: () => Date;
}

type Headers = [name: string, value: string][];

export function openHttpTransport(parts: HttpTransportParts): ByteTransport {
  const { bucket, region, network, integrity, address } = parts;
  const { host } = new URL(address.origin);
  const scope = { region, service: "s3" };

  function call(operation: string, kind: Call["kind"], key: string): Call {
    return { operation, kind, bucket, key, region };
  }

  async function prepare(method: "GET" | "PUT", key: string, query: string, headers: Headers, payloadHash: string) {
    const path = `${address.basePath}/${encodePath(key)}`;
    headers.push(["host", host]);
    if (parts.expectedBucketOwner !== null) headers.push(["x-amz-expected-bucket-owner", parts.expectedBucketOwner]);
    const request = { method, path, query, headers, payloadHash };
    return {
      origin: address.origin,
      method,
      path: query === "" ? path : `${path}?${query}`,
      headers: signHeaders(request, await parts.credentials(), parts.now(), scope),
    };
  }

  async function getObject({ key, versionId, range, ifMatch, signal }: GetRequest): Promise<OpenedObject> {
    const about = call("GetObject", "read", key);
    try {
      const headers: Headers = [];
      if (range !== null) headers.push(["range", `bytes=${range.first}-${range.last}`]);
      if (ifMatch !== null) headers.push(["if-match", ifMatch]);
      const query = versionId === null ? "" : formatQuery([["versionId", versionId]]);
      const request = await prepare("GET", key, query, headers, EMPTY_PAYLOAD_HASH);
      const { status, headers: answered, body } = await network.send({ ...request, body: null, signal });
      const destroy = (): void => void body.destroy();
      const bytes = network.paced(body);
      return toOpenedObject({ status, headers: answered, body: bytes, destroy }, range, about, signal);
    } catch (error) {
      throw toStoreError(error, about, signal);
    }
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
      const headers: Headers = writeAttributes(attributes);
      if (createOnly) headers.push(["if-none-match", "*"]);
      if (storageClass !== null) headers.push(["x-amz-storage-class", storageClass]);
      const { headers: protection, payloadHash } = protectBody(body, parts.checksums, integrity);
      for (const [name, value] of protection) headers.push([name, value]);
      const request = await prepare("PUT", key, "", headers, payloadHash);
      const { response } = await network.sendAndRead({ ...request, body, signal });
      const versionId = response.headers.get("x-amz-version-id") ?? "null";
      return { etag: requireEtag(response.headers, about), versionId: versionId === "null" ? null : versionId };
    } catch (error) {
      throw toStoreError(error, about, signal);
    }
  }

  async function uploadPart({ key, uploadId, number, body, signal }: PartRequest): Promise<PartResult> {
    const about = call("UploadPart", "repeatable", key);
    try {
      const { headers: protection, payloadHash, checksum } = await protectPart(body, parts.checksums, integrity);
      const headers: Headers = protection.map(([name, value]) => [name, value]);
      const query = formatQuery([
        ["partNumber", String(number)],
        ["uploadId", uploadId],
      ]);
      const request = await prepare("PUT", key, query, headers, payloadHash);
      const { response } = await network.sendAndRead({ ...request, body, signal });
      return { etag: requireEtag(response.headers, about), checksum };
    } catch (error) {
      throw toStoreError(error, about, signal);
    }
  }

  return { getObject, putObject, uploadPart };
}

/** A 200 without one is somebody else's: S3 answers no upload without its ETag. */
function requireEtag(headers: ReadonlyMap<string, string>, call: Call): string {
  const etag = headers.get("etag") ?? "";
  if (etag === "" || etag.length > 1024) throw nonsense(call, "it has no usable ETag");
  return etag;
}
