/** The steps of a multipart upload, by the owner. */
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from "@aws-sdk/client-s3";
import type { CompletedPart, CreateMultipartUploadCommandInput } from "@aws-sdk/client-s3";
import { answerOf } from "./bench.ts";
import type { Bench } from "./bench.ts";

type Begin = Omit<CreateMultipartUploadCommandInput, "Bucket" | "Key"> & {
  readonly Bucket?: string;
  readonly Key?: string;
};

export interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

export async function begin(bench: Bench, more: Begin = {}): Promise<Upload> {
  const at = { Bucket: await bench.bucket("plain"), Key: bench.freshKey(), ...more };
  const { UploadId } = await bench.owner.send(new CreateMultipartUploadCommand(at));
  if (UploadId === undefined) throw new Error("CreateMultipartUpload answered without an upload id");
  return { Bucket: at.Bucket, Key: at.Key, UploadId };
}

export async function part(
  bench: Bench,
  upload: Upload,
  PartNumber: number,
  Body: Buffer | string,
): Promise<CompletedPart> {
  const { ETag } = await bench.owner.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
  return { PartNumber, ETag };
}

export async function complete(bench: Bench, upload: Upload, Parts: CompletedPart[]): Promise<string> {
  return answerOf(bench.owner.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } })));
}
