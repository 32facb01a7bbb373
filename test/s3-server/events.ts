/** S3 event notifications to SQS-shaped queues: S3 User Guide, "Event message structure". */
import { randomBytes } from "node:crypto";
import type { Context } from "./context.ts";
import { encodeFormUrl } from "./listing.ts";
import type { Bucket, QueueTarget, Version } from "./model.ts";
import type { Queues } from "./queues.ts";
import { fromByteString } from "./sorted-keys.ts";

export type EventName =
  | "ObjectCreated:Put"
  | "ObjectCreated:Copy"
  | "ObjectCreated:CompleteMultipartUpload"
  | "ObjectRemoved:Delete"
  | "ObjectRemoved:DeleteMarkerCreated";

export interface EventSink {
  /** Tells every queue that wants to know. `key` is a byte string. */
  emit(bucket: Bucket, name: EventName, key: string, version: Version, context: Context): void;
}

export function createEventSink(
  queues: Queues,
  region: string,
  clock: () => number,
  nextSequence: () => number,
): EventSink {
  return {
    emit: (bucket, name, key, version, context) => {
      const targets = bucket.notifications?.targets.filter((target) => wants(target, name, fromByteString(key))) ?? [];
      for (const target of targets) {
        const sequencer = nextSequence().toString(16).toUpperCase().padStart(18, "0");
        const record = {
          eventVersion: "2.1",
          eventSource: "aws:s3",
          awsRegion: region,
          eventTime: new Date(clock()).toISOString(),
          eventName: name,
          userIdentity: { principalId: context.caller.holder?.principal.arn ?? "anonymous" },
          requestParameters: { sourceIPAddress: context.sourceAddress },
          responseElements: { "x-amz-request-id": context.requestId, "x-amz-id-2": randomBytes(24).toString("base64") },
          s3: {
            s3SchemaVersion: "1.0",
            configurationId: target.id,
            bucket: {
              name: bucket.name,
              ownerIdentity: { principalId: bucket.account.canonicalId },
              arn: `arn:aws:s3:::${bucket.name}`,
            },
            object: objectRecord(bucket, name, key, version, sequencer),
          },
        };
        queues.send(target.queueArn, JSON.stringify({ Records: [record] }));
      }
    },
  };
}

function objectRecord(
  bucket: Bucket,
  name: EventName,
  key: string,
  version: Version,
  sequencer: string,
): Record<string, unknown> {
  const isCreated = name.startsWith("ObjectCreated:");
  return {
    key: encodeFormUrl(fromByteString(key)),
    ...(isCreated ? { size: version.sizeBytes } : {}),
    ...(isCreated || name === "ObjectRemoved:DeleteMarkerCreated"
      ? { eTag: version.etag || "d41d8cd98f00b204e9800998ecf8427e" }
      : {}),
    ...(bucket.versioning === "Off" || version.versionId === "null" ? {} : { versionId: version.versionId }),
    sequencer,
  };
}

function wants(target: QueueTarget, name: EventName, key: string): boolean {
  const family = `s3:${name.split(":")[0] ?? ""}:*`;
  return (
    target.events.some((event) => event === `s3:${name}` || event === family) &&
    key.startsWith(target.prefix) &&
    key.endsWith(target.suffix)
  );
}
