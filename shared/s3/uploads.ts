/** Creating objects, whole or in parts: what the writers of both buckets have in common. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
} from "@aws-sdk/client-s3";
import { isAirlockError } from "../errors.ts";
import type { CreateOptions, MultipartUpload, PartBody, UploadedPart } from "../stores.ts";
import { writeAttributes } from "./attributes.ts";
import type { S3Store } from "./client.ts";
import { nonsense } from "./errors.ts";
import { addHeaders } from "./transport-sdk.ts";

/** Create-only. Returns the new version's id, null where there are no versions. */
export async function createObject(
  store: S3Store,
  key: string,
  body: Uint8Array,
  { attributes, signal }: CreateOptions,
  storageClass: string | null,
): Promise<string | null> {
  const { versionId } = await store.bytes.putObject({ key, body, createOnly: true, attributes, storageClass, signal });
  return versionId;
}

export async function beginUpload(
  store: S3Store,
  key: string,
  { attributes, signal }: CreateOptions,
  storageClass: string | null,
): Promise<MultipartUpload> {
  const call = store.describe("CreateMultipartUpload", "write", key);
  const answer = await store.run(call, signal, () => {
    const command = new CreateMultipartUploadCommand({
      ...store.owned,
      Key: key,
      ...(store.config.checksums === "auto" ? { ChecksumAlgorithm: "CRC32" } : {}),
    });
    const headers = writeAttributes(attributes);
    if (storageClass !== null) headers.push(["x-amz-storage-class", storageClass]);
    addHeaders(command, headers);
    return store.client.send(command, { abortSignal: signal });
  });
  const uploadId = answer.UploadId ?? "";
  if (uploadId === "" || uploadId.length > 2048) throw nonsense(call, "it has no usable upload id");
  return { key, uploadId };
}

/** One attempt. */
export async function uploadPart(
  store: S3Store,
  { key, uploadId }: MultipartUpload,
  number: number,
  body: PartBody,
  signal: AbortSignal,
): Promise<UploadedPart> {
  const { etag, checksum } = await store.bytes.uploadPart({ key, uploadId, number, body, signal });
  return { number, etag, checksum };
}

/** Create-only: the store answers 412 when the name exists by now. */
export async function completeUpload(
  store: S3Store,
  { key, uploadId }: MultipartUpload,
  parts: readonly UploadedPart[],
  signal: AbortSignal,
): Promise<string | null> {
  const call = store.describe("CompleteMultipartUpload", "write", key);
  const command = new CompleteMultipartUploadCommand({
    ...store.owned,
    Key: key,
    UploadId: uploadId,
    IfNoneMatch: "*",
    MultipartUpload: {
      Parts: parts
        .toSorted((a, b) => a.number - b.number)
        .map(({ number, etag, checksum }) => ({
          PartNumber: number,
          ETag: etag,
          ...(checksum === null ? {} : { ChecksumCRC32: checksum }),
        })),
    },
  });
  const answer = await store.run(call, signal, () => store.client.send(command, { abortSignal: signal }));
  // a body that was cut short parses to nothing; Ceph 16 leaves the ETag empty and names the key
  if (!answer.ETag && !answer.Key) throw nonsense(call, "it names no object");
  return answer.VersionId === undefined || answer.VersionId === "null" ? null : answer.VersionId;
}

/** Resolves when the upload is gone, whoever ended it. */
export async function abortUpload(
  store: S3Store,
  { key, uploadId }: MultipartUpload,
  signal: AbortSignal,
): Promise<void> {
  const call = store.describe("AbortMultipartUpload", "repeatable", key);
  const send = () =>
    store.client.send(new AbortMultipartUploadCommand({ ...store.owned, Key: key, UploadId: uploadId }), {
      abortSignal: signal,
    });
  try {
    await store.run(call, signal, send);
  } catch (error) {
    if (!isAirlockError(error, "upload-missing")) throw error;
  }
}
