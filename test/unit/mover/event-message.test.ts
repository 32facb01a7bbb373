import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseEventMessage } from "../../../mover/event-message.ts";

const AT = "2026-11-21T02:15:00.123Z";

function record(object: object, more: object = {}): object {
  return {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    awsRegion: "eu-central-1",
    eventTime: AT,
    eventName: "ObjectCreated:Put",
    s3: { s3SchemaVersion: "1.0", bucket: { name: "acme-dropzone", arn: "arn:aws:s3:::acme-dropzone" }, object },
    ...more,
  };
}

const s3 = (object: object, more: object = {}): string => JSON.stringify({ Records: [record(object, more)] });
const inSns = (message: string): string =>
  JSON.stringify({ Type: "Notification", MessageId: "1", TopicArn: "arn:aws:sns:eu-central-1:1:t", Message: message });
const bridged = (more: object = {}): string =>
  JSON.stringify({
    version: "0",
    "detail-type": "Object Created",
    source: "aws.s3",
    time: "2026-11-21T02:15:00Z",
    detail: { bucket: { name: "acme-dropzone" }, object: { key: "web1/a b+c%41", size: 5, "version-id": "v1" } },
    ...more,
  });

const HINT = { bucket: "acme-dropzone", key: "web1/a b+c.txt", versionId: "v1", atMs: Date.parse(AT) };

describe("an event's message", () => {
  test("names bucket, key, version and time; the key's + is a space and its %XX are bytes of UTF-8", () => {
    const parsed = parseEventMessage(
      s3({ key: "web1/a+b%2Bc.txt", size: 5, eTag: "x", versionId: "v1", sequencer: "0" }),
    );
    assert.deepEqual(parsed, { kind: "event", hints: [HINT] });
    const umlaut = parseEventMessage(s3({ key: "web1/%C3%BC+%F0%9F%94%92" }));
    assert.deepEqual(umlaut, { kind: "event", hints: [{ ...HINT, key: "web1/ü 🔒", versionId: null }] });
  });

  test("says the same in an SNS envelope", () => {
    const message = s3({ key: "web1/a+b%2Bc.txt", versionId: "v1" });
    assert.deepEqual(parseEventMessage(inSns(message)), parseEventMessage(message));
  });

  test("says the same through EventBridge, whose keys are not encoded", () => {
    const parsed = { ...HINT, key: "web1/a b+c%41", atMs: Date.parse("2026-11-21T02:15:00Z") };
    assert.deepEqual(parseEventMessage(bridged()), { kind: "event", hints: [parsed] });
    assert.deepEqual(parseEventMessage(bridged({ "detail-type": "Object Deleted" })), { kind: "event", hints: [] });
  });

  test("of another kind than a new object, names nothing", () => {
    for (const eventName of ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put"]) {
      assert.deepEqual(
        parseEventMessage(s3({ key: "web1/a" }, { eventName })),
        { kind: "event", hints: [] },
        eventName,
      );
    }
  });

  test("without a version, with the one called null, or with a time that is none, still names the object", () => {
    for (const versionId of [undefined, null, "null", ""]) {
      const parsed = parseEventMessage(s3({ key: "web1/a", versionId }, { eventTime: "yesterday" }));
      assert.deepEqual(parsed, { kind: "event", hints: [{ ...HINT, key: "web1/a", versionId: null, atMs: null }] });
    }
  });

  test("that S3 sends as a test is known as one, in an SNS envelope too", () => {
    const message = JSON.stringify({ Service: "Amazon S3", Event: "s3:TestEvent", Time: AT, Bucket: "acme-dropzone" });
    assert.deepEqual(parseEventMessage(message), { kind: "test" });
    assert.deepEqual(parseEventMessage(inSns(message)), { kind: "test" });
  });
});

describe("a message that is no event", () => {
  const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  const HOSTILE: readonly [what: string, body: string][] = [
    ["nothing", ""],
    ["text", "hello"],
    ["a number", "7"],
    ["null", "null"],
    ["half of one", s3({ key: "web1/a" }).slice(0, -3)],
    ["more than SQS carries", s3({ key: "web1/a", padding: "x".repeat(1024 * 1024) })],
    ["200,000 brackets", nested(200_000)],
    ["brackets without an end", "[".repeat(500_000)],
    ["deep below a known key", s3({ key: "web1/a", more: JSON.parse(nested(60)) as unknown })],
    ["an unfinished string of backslashes", `"${"\\".repeat(100_001)}`],
    ["records that are none", JSON.stringify({ Records: [1] })],
    ["records as an object", JSON.stringify({ Records: record({ key: "web1/a" }) })],
    ["1,000 records", JSON.stringify({ Records: Array(1000).fill(record({ key: "web1/a" })) })],
    ["another service's", s3({ key: "web1/a" }, { eventSource: "aws:sns" })],
    ["no key", s3({})],
    ["an empty key", s3({ key: "" })],
    ["a key that is a number", s3({ key: 1 })],
    ["a key over S3's limit", s3({ key: "k".repeat(1025) })],
    ["a key over S3's limit, encoded", s3({ key: "%41".repeat(1025) })],
    ["a key that is not UTF-8", s3({ key: "web1/%FF" })],
    ["a key with half an escape", s3({ key: "web1/%4" })],
    [
      "a key with half a surrogate, unencoded",
      bridged({ detail: { bucket: { name: "b" }, object: { key: "\ud800" } } }),
    ],
    ["a version id without end", s3({ key: "web1/a", versionId: "v".repeat(5000) })],
    ["an envelope in an envelope", inSns(inSns(s3({ key: "web1/a" })))],
    ["an envelope of nothing", inSns("")],
    [
      "a subscription to confirm",
      JSON.stringify({ Type: "SubscriptionConfirmation", Token: "t", Message: s3({ key: "a" }) }),
    ],
    ["a prototype", '{"__proto__":{"Records":[]},"constructor":{"Event":"s3:TestEvent"}}'],
  ];
  for (const [what, body] of HOSTILE) {
    test(`${what}: is left alone`, () => assert.equal(parseEventMessage(body).kind, "foreign"));
  }
});
