/** A bucket's whole listing, page by page, with keys as they were stored. */
import { ListObjectsV2Command, ListObjectVersionsCommand } from "@aws-sdk/client-s3";
import type { ListObjectVersionsCommandOutput } from "@aws-sdk/client-s3";
import type { Bench } from "./bench.ts";

/** Listings carry keys in XML, which has no way to write some characters: Airlock has them encoded as in a URL. */
const EncodingType = "url";

/** S3 writes a space as "+" in encoded listings, and says that it has encoded them. */
function decodeKey(key: string | undefined, encoding: string | undefined): string {
  return encoding === "url" ? decodeURIComponent((key ?? "").replaceAll("+", " ")) : (key ?? "");
}

export async function listPaged(bench: Bench, Bucket: string, Prefix: string, MaxKeys: number): Promise<string[]> {
  const keys: string[] = [];
  let ContinuationToken: string | undefined;
  for (let page = 0; page < 100; page++) {
    const token = ContinuationToken === undefined ? {} : { ContinuationToken };
    const listed = await bench.owner.send(
      new ListObjectsV2Command({ Bucket, Prefix, MaxKeys, EncodingType, ...token }),
    );
    keys.push(...(listed.Contents ?? []).map(({ Key }) => decodeKey(Key, listed.EncodingType)));
    ContinuationToken = listed.NextContinuationToken;
    if (listed.IsTruncated !== true) break;
  }
  return keys;
}

export async function listVersionsPaged(bench: Bench, Bucket: string, MaxKeys: number): Promise<string[]> {
  const entries: string[] = [];
  let next: { KeyMarker?: string; VersionIdMarker?: string } = {};
  for (let page = 0; page < 100; page++) {
    const listed: ListObjectVersionsCommandOutput = await bench.owner.send(
      new ListObjectVersionsCommand({ Bucket, MaxKeys, EncodingType, ...next }),
    );
    for (const { Key, VersionId } of [...(listed.Versions ?? []), ...(listed.DeleteMarkers ?? [])]) {
      entries.push(`${decodeKey(Key, listed.EncodingType)} ${VersionId}`);
    }
    if (listed.IsTruncated !== true) break;
    next = {
      ...(listed.NextKeyMarker === undefined
        ? {}
        : { KeyMarker: decodeKey(listed.NextKeyMarker, listed.EncodingType) }),
      ...(listed.NextVersionIdMarker === undefined ? {} : { VersionIdMarker: listed.NextVersionIdMarker }),
    };
  }
  return entries;
}
