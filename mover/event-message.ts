/**
 * What a message of the queue says. Anybody who can write to the drop-zone's account can write one, so it is parsed
 * within bounds into a precise type and believed in nothing: the object that it names is looked up in the drop-zone.
 *
 * - S3's own: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 * - in an SNS envelope: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
 * - through EventBridge: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
 */
import { z } from "zod";

/** An object that is said to have come into being. */
export interface Hint {
  readonly bucket: string;
  readonly key: string;
  /** null where the event names none: no versions, the version called "null", or a store that leaves it out. */
  readonly versionId: string | null;
  /** When the store finished the request, epoch ms, as it says; null where it does not. */
  readonly atMs: number | null;
}

export type EventMessage =
  /** Without hints: S3 tells of something else than a new object. */
  | { readonly kind: "event"; readonly hints: readonly Hint[] }
  /** S3 sends one when notifications are set up. */
  | { readonly kind: "test" }
  /** Not understood, and so not ours to delete. */
  | { readonly kind: "foreign"; readonly reason: string };

/** SQS's own limit is 1 MiB; an event of S3 has about 1 KiB. */
const MAX_BODY_LENGTH = 1024 * 1024;
const MAX_DEPTH = 32;
/** S3 sends one; the format has room for more. */
const MAX_RECORDS = 100;
const MAX_KEY_BYTES = 1024;
/** Every byte encoded as %XX. */
const MAX_ENCODED_KEY = 3 * MAX_KEY_BYTES;

const bucket = z.object({ name: z.string().min(1).max(255) });
const opaque = z.string().max(1024).nullish();
const records = z.object({
  Records: z
    .array(
      z.object({
        // "aws:s3"; MinIO and Ceph have their own name before the colon
        eventSource: z.string().regex(/^[a-z]{1,16}:s3$/),
        eventName: z.string().max(128),
        eventTime: z.string().max(64).nullish(),
        s3: z.object({ bucket, object: z.object({ key: z.string().min(1).max(MAX_ENCODED_KEY), versionId: opaque }) }),
      }),
    )
    .max(MAX_RECORDS),
});
const testEvent = z.object({ Event: z.literal("s3:TestEvent") });
const envelope = z.object({ Type: z.literal("Notification"), Message: z.string() });
const bridged = z.object({
  source: z.literal("aws.s3"),
  "detail-type": z.string().max(128),
  time: z.unknown(),
  detail: z.object({
    bucket,
    object: z.object({ key: z.string().min(1).max(MAX_KEY_BYTES), "version-id": opaque }),
  }),
});

export function parseEventMessage(body: string): EventMessage {
  const outer = parseJson(body);
  const wrapped = envelope.safeParse(outer);
  // one envelope and no more: a message that holds itself over and over is nobody's event
  const json = wrapped.success ? parseJson(wrapped.data.Message) : outer;
  if (json === undefined) return foreign("it is not JSON, or too large, or nested too deeply");
  if (testEvent.safeParse(json).success) return { kind: "test" };
  const direct = records.safeParse(json);
  if (direct.success) {
    const created = direct.data.Records.filter(({ eventName }) => /^(s3:)?ObjectCreated:/.test(eventName));
    return collect(
      created.map(({ eventTime, s3 }) =>
        hint(s3.bucket.name, decodeKey(s3.object.key), s3.object.versionId, eventTime),
      ),
    );
  }
  const viaBridge = bridged.safeParse(json);
  if (!viaBridge.success) return foreign("it is no event of S3");
  const { detail, time } = viaBridge.data;
  if (viaBridge.data["detail-type"] !== "Object Created") return { kind: "event", hints: [] };
  // EventBridge has keys as they are
  return collect([hint(detail.bucket.name, detail.object.key, detail.object["version-id"], time)]);
}

function collect(hints: readonly (Hint | null)[]): EventMessage {
  const usable = hints.flatMap((one) => one ?? []);
  return usable.length < hints.length
    ? foreign("it names a key that no object can have")
    : { kind: "event", hints: usable };
}

function hint(name: string, key: string | null, versionId: string | null | undefined, time: unknown): Hint | null {
  if (key === null || key === "" || !key.isWellFormed() || Buffer.byteLength(key) > MAX_KEY_BYTES) return null;
  const atMs = typeof time === "string" ? Date.parse(time) : Number.NaN;
  return {
    bucket: name,
    key,
    versionId:
      versionId === undefined || versionId === null || versionId === "null" || versionId === "" ? null : versionId,
    atMs: Number.isNaN(atMs) ? null : atMs,
  };
}

/** As AWS encodes it: `+` is a space, %XX a byte of UTF-8. null where the bytes are not UTF-8. */
function decodeKey(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return null; // URIError: the only way to ask
  }
}

/** undefined where it is not JSON within the bounds. */
function parseJson(text: string): unknown {
  if (text.length > MAX_BODY_LENGTH || isDeep(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // SyntaxError: the only way to ask
  }
}

/** Whether brackets are nested deeper than any event's, found without building anything. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[[\]{}]/gs)) {
    if (token === "[" || token === "{") depth++;
    else if (token === "]" || token === "}") depth--;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

function foreign(reason: string): EventMessage {
  return { kind: "foreign", reason };
}
