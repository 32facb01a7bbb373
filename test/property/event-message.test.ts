import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseEventMessage } from "../../mover/event-message.ts";

const key = fc.string({ unit: "binary", minLength: 1, maxLength: 200 }).filter((text) => text.isWellFormed());

/** As S3 does: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
function encode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

function message(encodedKey: string, versionId: string | undefined): string {
  const s3 = { bucket: { name: "b" }, object: { key: encodedKey, versionId } };
  return JSON.stringify({ Records: [{ eventSource: "aws:s3", eventName: "ObjectCreated:Put", s3 }] });
}

test("whatever key an object has, its event names that key, in an SNS envelope too", () => {
  fc.assert(
    fc.property(key, fc.option(fc.string({ minLength: 1, maxLength: 40 }), { nil: undefined }), (name, versionId) => {
      const body = message(encode(name), versionId);
      const expected = {
        bucket: "b",
        key: name,
        versionId: versionId === "null" ? null : (versionId ?? null),
        atMs: null,
      };
      assert.deepEqual(parseEventMessage(body), { kind: "event", hints: [expected] });
      const wrapped = JSON.stringify({ Type: "Notification", Message: body });
      assert.deepEqual(parseEventMessage(wrapped), { kind: "event", hints: [expected] });
    }),
  );
});

test("no message, of whatever text or JSON, throws or names a key that no object can have", () => {
  const any = fc.oneof(
    fc.string(),
    fc.json(),
    fc.anything({ maxDepth: 6 }).map((value) => JSON.stringify({ Records: [value] }) ?? ""),
    fc.string().map((text) => message(text, undefined)),
    fc.json().map((text) => JSON.stringify({ Type: "Notification", Message: text })),
  );
  fc.assert(
    fc.property(any, (body) => {
      const parsed = parseEventMessage(body);
      if (parsed.kind !== "event") return;
      for (const hint of parsed.hints) {
        assert.ok(hint.key !== "" && Buffer.byteLength(hint.key) <= 1024 && hint.key.isWellFormed());
      }
    }),
    { numRuns: 1000 },
  );
});
