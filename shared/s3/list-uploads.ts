/** Multipart uploads that were begun and neither completed nor aborted. As with any listing, nothing is believed unchecked. */
import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import type { ListOptions, OpenUpload, UploadPage } from "../stores.ts";
import type { S3Store } from "./client.ts";
import { nonsense } from "./errors.ts";
import { decoderOf, formatCursor, nextMarker, parseCursor } from "./list.ts";

const MAX_KEY_BYTES = 4 * 1024;
const MAX_UPLOAD_ID = 1024;
const MAX_CURSOR = 16 * 1024;

export async function listUploads(store: S3Store, options: ListOptions): Promise<UploadPage> {
  const { prefix, cursor, signal } = options;
  const limit = Math.min(Math.max(1, options.limit), 1000);
  const call = store.describe("ListMultipartUploads", "read", prefix === "" ? null : prefix);
  const [keyMarker = "", uploadIdMarker = ""] = parseCursor(cursor, call);
  const command = new ListMultipartUploadsCommand({
    ...store.owned,
    Prefix: prefix,
    MaxUploads: limit,
    EncodingType: "url",
    ...(keyMarker === "" ? {} : { KeyMarker: keyMarker }),
    ...(uploadIdMarker === "" ? {} : { UploadIdMarker: uploadIdMarker }),
  });
  const page = await store.run(call, signal, () => store.client.send(command, { abortSignal: signal }));
  const decode = decoderOf(page.EncodingType);
  const listed = page.Uploads ?? [];
  if (listed.length > limit) throw nonsense(call, `${listed.length} uploads where ${limit} were asked for`);
  const uploads = listed.map(({ Key = "", UploadId: uploadId = "", Initiated: begunAt }): OpenUpload => {
    const key = decode(Key);
    if (key === "" || Buffer.byteLength(key) > MAX_KEY_BYTES) throw nonsense(call, "an upload without a usable key");
    if (!key.startsWith(prefix)) throw nonsense(call, "a key that does not begin with the prefix");
    if (uploadId === "" || uploadId.length > MAX_UPLOAD_ID) throw nonsense(call, "an upload without a usable id");
    if (begunAt === undefined || Number.isNaN(begunAt.getTime())) throw nonsense(call, "an upload without a date");
    return { key, uploadId, begunAt };
  });
  if (page.IsTruncated !== true) return { uploads, next: null };
  const marker = nextMarker(page.NextKeyMarker ?? "", decode, [uploads.at(-1)?.key ?? ""]);
  const next = formatCursor([marker, page.NextUploadIdMarker ?? ""]);
  if (marker === "" || next === cursor) throw nonsense(call, "the listing goes on and does not move");
  if (next.length > MAX_CURSOR) throw nonsense(call, "an oversized continuation");
  return { uploads, next };
}
