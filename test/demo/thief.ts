import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import type { S3Server } from "../s3-server/server.ts";
import { DROP_ZONE, VAULT, type Site } from "./set-up.ts";

/** What a thief of the host's key tries, each with the store's own answer. @throws {Error} when anything succeeds */
export async function tryAsThief(server: S3Server, site: Site): Promise<readonly (readonly [string, string])[]> {
  const client = new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    forcePathStyle: true,
    credentials: site.host,
    maxAttempts: 1,
  });
  const inDropZone = { Bucket: DROP_ZONE };
  // planted before anybody can take it away: the thief knows its name
  const Key = `web1/docs/${Date.now()}-known`;
  await client.send(new PutObjectCommand({ ...inDropZone, Key, Body: "a backup", IfNoneMatch: "*" }));
  const object = { ...inDropZone, Key };
  const attempts: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["list the drop-zone", () => client.send(new ListObjectsV2Command(inDropZone))],
    ["list its versions", () => client.send(new ListObjectVersionsCommand(inDropZone))],
    ["list uploads under way", () => client.send(new ListMultipartUploadsCommand(inDropZone))],
    ["read a backup, its own included", () => client.send(new GetObjectCommand(object))],
    ["delete a backup by its name", () => client.send(new DeleteObjectCommand(object))],
    ["delete a version of it", () => client.send(new DeleteObjectCommand({ ...object, VersionId: "null" }))],
    [
      "delete many at once",
      () =>
        client
          .send(new DeleteObjectsCommand({ ...inDropZone, Delete: { Objects: [{ Key }] } }))
          .then(refuseIfAllFailed),
    ],
    [
      "overwrite it, create-only",
      () => client.send(new PutObjectCommand({ ...object, Body: "ransom", IfNoneMatch: "*" })),
    ],
    ["overwrite it", () => client.send(new PutObjectCommand({ ...object, Body: "ransom" }))],
    [
      "write as another host",
      () => client.send(new PutObjectCommand({ ...inDropZone, Key: "web2/x", Body: "x", IfNoneMatch: "*" })),
    ],
    ["abort an upload", () => client.send(new AbortMultipartUploadCommand({ ...object, UploadId: "any" }))],
    [
      "let a lifecycle rule delete all",
      () =>
        client.send(
          new PutBucketLifecycleConfigurationCommand({ ...inDropZone, LifecycleConfiguration: { Rules: [] } }),
        ),
    ],
    ["change the bucket's policy", () => client.send(new PutBucketPolicyCommand({ ...inDropZone, Policy: "{}" }))],
    ["list the vault", () => client.send(new ListObjectsV2Command({ Bucket: VAULT }))],
  ];
  try {
    const rows: [string, string][] = [];
    for (const [what, attempt] of attempts) rows.push([what, await refusalOf(what, attempt)]);
    return rows;
  } finally {
    client.destroy();
  }
}

/** DeleteObjects answers 200 and says no for each key. */
function refuseIfAllFailed({
  Errors = [],
}: {
  readonly Errors?: readonly { readonly Code?: string | undefined }[] | undefined;
}): void {
  if (Errors[0] !== undefined)
    throw new S3ServiceException({
      name: Errors[0].Code ?? "Error",
      $fault: "client",
      $metadata: { httpStatusCode: 200 },
    });
}

async function refusalOf(what: string, attempt: () => Promise<unknown>): Promise<string> {
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    return `no: ${error.$metadata.httpStatusCode} ${error.name}`;
  }
  throw new Error(`the thief could ${what}`);
}
