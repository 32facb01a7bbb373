import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { AirlockError, type Code } from "../../../shared/errors.ts";
import { findLateError, StoreAnswer } from "../../../shared/s3/answer.ts";
import { blameKey, toStoreError, type Call, type CallKind } from "../../../shared/s3/errors.ts";

const AT = new Date("2026-11-21T02:15:00.000Z");

function call(kind: CallKind, operation = "PutObject"): Call {
  return { operation, kind, bucket: "b", key: "web1/k", region: "eu-west-1" };
}

function answer(status: number, body = "", headers: Record<string, string> = {}): StoreAnswer {
  return new StoreAnswer({ status, headers: new Map(Object.entries(headers)), body, receivedAt: AT });
}

function error(code: string, more = ""): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>m</Message>${more}</Error>`;
}

function failed(code: string): Error {
  return Object.assign(new Error("failed"), { code });
}

const TABLE: readonly [name: string, thrown: unknown, read: Code, repeatable: Code, write: Code][] = [
  ["404 NoSuchKey", answer(404, error("NoSuchKey")), "not-found", "not-found", "not-found"],
  ["404 NoSuchVersion", answer(404, error("NoSuchVersion")), "not-found", "not-found", "not-found"],
  ["404 NoSuchBucket", answer(404, error("NoSuchBucket")), "bucket-missing", "bucket-missing", "bucket-missing"],
  ["404 NoSuchUpload", answer(404, error("NoSuchUpload")), "upload-missing", "upload-missing", "upload-missing"],
  ["404 with nothing", answer(404), "store-unavailable", "store-unavailable", "outcome-unknown"],
  ["404 of another code", answer(404, error("NoSuchTagSet")), "request-invalid", "request-invalid", "request-invalid"],
  [
    "NoSuchKey that is no 404",
    answer(500, error("NoSuchKey")),
    "store-unavailable",
    "store-unavailable",
    "outcome-unknown",
  ],
  ["412", answer(412, error("PreconditionFailed")), "source-changed", "source-changed", "already-exists"],
  ["412 with nothing", answer(412), "source-changed", "source-changed", "already-exists"],
  ["409", answer(409, error("OperationAborted")), "store-unavailable", "store-unavailable", "outcome-unknown"],
  ["500", answer(500, error("InternalError")), "store-unavailable", "store-unavailable", "outcome-unknown"],
  ["502 of a proxy", answer(502, "<html>"), "store-unavailable", "store-unavailable", "outcome-unknown"],
  ["503 of a proxy", answer(503, "<html>"), "slow-down", "slow-down", "outcome-unknown"],
  ["503 SlowDown", answer(503, error("SlowDown")), "slow-down", "slow-down", "slow-down"],
  ["429", answer(429), "slow-down", "slow-down", "slow-down"],
  ["408", answer(408), "store-unavailable", "store-unavailable", "outcome-unknown"],
  ["403 AccessDenied", answer(403, error("AccessDenied")), "access-denied", "access-denied", "access-denied"],
  ["403 with nothing", answer(403), "access-denied", "access-denied", "access-denied"],
  [
    "SignatureDoesNotMatch",
    answer(403, error("SignatureDoesNotMatch")),
    "credentials-invalid",
    "credentials-invalid",
    "credentials-invalid",
  ],
  [
    "InvalidAccessKeyId",
    answer(403, error("InvalidAccessKeyId")),
    "credentials-invalid",
    "credentials-invalid",
    "credentials-invalid",
  ],
  [
    "ExpiredToken",
    answer(400, error("ExpiredToken")),
    "credentials-invalid",
    "credentials-invalid",
    "credentials-invalid",
  ],
  ["RequestTimeTooSkewed", answer(403, error("RequestTimeTooSkewed")), "clock-skew", "clock-skew", "clock-skew"],
  [
    "InvalidObjectState",
    answer(403, error("InvalidObjectState")),
    "object-unreadable",
    "object-unreadable",
    "object-unreadable",
  ],
  ["PermanentRedirect", answer(301, error("PermanentRedirect")), "wrong-region", "wrong-region", "wrong-region"],
  [
    "301 with a region",
    answer(301, "", { "x-amz-bucket-region": "us-east-1" }),
    "wrong-region",
    "wrong-region",
    "wrong-region",
  ],
  ["301 with nothing", answer(301), "store-unavailable", "store-unavailable", "outcome-unknown"],
  [
    "307 to our own region",
    answer(307, error("TemporaryRedirect"), { "x-amz-bucket-region": "eu-west-1" }),
    "store-unavailable",
    "store-unavailable",
    "outcome-unknown",
  ],
  [
    "AuthorizationHeaderMalformed",
    answer(400, error("AuthorizationHeaderMalformed", "<Region>us-east-1</Region>")),
    "wrong-region",
    "wrong-region",
    "wrong-region",
  ],
  [
    "AuthorizationHeaderMalformed of our region",
    answer(400, error("AuthorizationHeaderMalformed")),
    "request-invalid",
    "request-invalid",
    "request-invalid",
  ],
  ["BadDigest", answer(400, error("BadDigest")), "store-unavailable", "store-unavailable", "store-unavailable"],
  [
    "XAmzContentSHA256Mismatch",
    answer(400, error("XAmzContentSHA256Mismatch")),
    "store-unavailable",
    "store-unavailable",
    "store-unavailable",
  ],
  [
    "MetadataTooLarge",
    answer(400, error("MetadataTooLarge")),
    "object-unreadable",
    "object-unreadable",
    "object-unreadable",
  ],
  [
    "400 of another code",
    answer(400, error("InvalidRequest")),
    "request-invalid",
    "request-invalid",
    "request-invalid",
  ],
  ["501", answer(501, error("NotImplemented")), "request-invalid", "request-invalid", "request-invalid"],
  ["416", answer(416, error("InvalidRange")), "request-invalid", "request-invalid", "request-invalid"],
  // a router that says so once the request is out: TCP gives up, and the connection ends with the router's words
  [
    "no way to the host, of a connection that stood",
    Object.assign(failed("EHOSTUNREACH"), { syscall: "read" }),
    "store-unavailable",
    "store-unavailable",
    "outcome-unknown",
  ],
  [
    "no way to the host",
    Object.assign(failed("EHOSTUNREACH"), { syscall: "connect" }),
    "store-unavailable",
    "store-unavailable",
    "store-unavailable",
  ],
  ["connection refused", failed("ECONNREFUSED"), "store-unavailable", "store-unavailable", "store-unavailable"],
  ["no such host", failed("ENOTFOUND"), "store-unavailable", "store-unavailable", "store-unavailable"],
  [
    "connect time-out",
    failed("UND_ERR_CONNECT_TIMEOUT"),
    "store-unavailable",
    "store-unavailable",
    "store-unavailable",
  ],
  ["untrusted certificate", failed("DEPTH_ZERO_SELF_SIGNED_CERT"), "tls-untrusted", "tls-untrusted", "tls-untrusted"],
  ["expired certificate", failed("CERT_HAS_EXPIRED"), "tls-untrusted", "tls-untrusted", "tls-untrusted"],
  ["another's certificate", failed("ERR_TLS_CERT_ALTNAME_INVALID"), "tls-untrusted", "tls-untrusted", "tls-untrusted"],
  [
    "a broken TLS record",
    failed("ERR_SSL_WRONG_VERSION_NUMBER"),
    "store-unavailable",
    "store-unavailable",
    "outcome-unknown",
  ],
  [
    "a proxy that opens no tunnel",
    Object.assign(new Error("Proxy response (407) !== 200 when HTTP Tunneling"), { code: "UND_ERR_ABORTED" }),
    "store-unavailable",
    "store-unavailable",
    "store-unavailable",
  ],
  ["reset", failed("ECONNRESET"), "store-unavailable", "store-unavailable", "outcome-unknown"],
  ["closed by the other side", failed("UND_ERR_SOCKET"), "store-unavailable", "store-unavailable", "outcome-unknown"],
  [
    "no headers in time",
    failed("UND_ERR_HEADERS_TIMEOUT"),
    "store-unavailable",
    "store-unavailable",
    "outcome-unknown",
  ],
  [
    "no credentials",
    Object.assign(new Error("x"), { name: "CredentialsProviderError" }),
    "credentials-invalid",
    "credentials-invalid",
    "credentials-invalid",
  ],
  ["anything else", new TypeError("x"), "store-unavailable", "store-unavailable", "outcome-unknown"],
];

describe("what a failure means", () => {
  for (const [name, thrown, read, repeatable, write] of TABLE) {
    it(`${name}: ${read} for a read, ${repeatable} for what can be repeated, ${write} for a write`, () => {
      assert.equal(toStoreError(thrown, call("read", "ListObjectsV2")).code, read);
      assert.equal(toStoreError(thrown, call("repeatable", "UploadPart")).code, repeatable);
      assert.equal(toStoreError(thrown, call("write")).code, write);
    });
  }

  it("an object that needs the key of SSE-C, or one of KMS, is unreadable, and only when it is read", () => {
    const ssec = answer(
      400,
      "<Error><Code>InvalidRequest</Code><Message>The object was stored using a form of Server Side Encryption.</Message></Error>",
    );
    assert.equal(toStoreError(ssec, call("read", "GetObject")).code, "object-unreadable");
    assert.equal(toStoreError(ssec, call("write", "PutObject")).code, "request-invalid");
    assert.equal(
      toStoreError(answer(400, error("KMS.DisabledException")), call("read", "GetObject")).code,
      "object-unreadable",
    );
    assert.equal(toStoreError(answer(400, error("InvalidRequest")), call("read", "GetObject")).code, "request-invalid");
  });

  it("an interruption is one; a deadline leaves a write's outcome unknown", () => {
    const stopped = AbortSignal.abort();
    assert.equal(toStoreError(stopped.reason, call("write"), stopped).code, "interrupted");
    const late = AbortSignal.abort(new DOMException("late", "TimeoutError"));
    assert.equal(toStoreError(new Error("x"), call("write"), late).code, "outcome-unknown");
    assert.equal(toStoreError(new Error("x"), call("read"), late).code, "store-unavailable");
    const reason = new AirlockError("disk-full", "full");
    assert.equal(toStoreError(new Error("x"), call("read"), AbortSignal.abort(reason)), reason);
  });

  it("an answer that had come in by then counts, and not the interruption", () => {
    assert.equal(toStoreError(answer(412), call("write"), AbortSignal.abort()).code, "already-exists");
  });

  it("one key that a store signs in another form is that object's fault, and no reason to halt", () => {
    const thrown = toStoreError(answer(403, error("SignatureDoesNotMatch")), call("read", "GetObject"));
    assert.equal((blameKey(thrown, call("read", "GetObject")) as AirlockError).code, "object-unreadable");
    const unknown = toStoreError(answer(403, error("InvalidAccessKeyId")), call("read", "GetObject"));
    assert.equal(blameKey(unknown, call("read", "GetObject")), unknown);
  });
});

describe("what an error says", () => {
  it("what happened, to which bucket and key, what to do, and both clocks or the right region where that helps", () => {
    const region = toStoreError(
      answer(301, error("PermanentRedirect"), { "x-amz-bucket-region": "us-east-1" }),
      call("write"),
    );
    assert.equal(region.subject, "s3://b/web1/k");
    assert.match(region.message, /us-east-1, not in eu-west-1/);
    assert.match(region.remedy ?? "", /region: us-east-1/);
    const skew = toStoreError(
      answer(403, error("RequestTimeTooSkewed", "<ServerTime>2026-11-21T03:15:00Z</ServerTime>")),
      call("read"),
    );
    assert.match(skew.message, /2026-11-21T02:15:00.000Z.*2026-11-21T03:15:00.000Z/);
  });

  it("never repeats what the store wrote, nor the key in the message", () => {
    const secret = "wJalrXUtnFEMI/K7MDENG";
    const body = `<Error><Code>SignatureDoesNotMatch</Code><Message>${secret}</Message><StringToSign>${secret}</StringToSign></Error>`;
    const thrown = toStoreError(answer(403, body), call("write"));
    assert.ok(!inspect(thrown, { depth: 9 }).includes(secret));
    assert.ok(!thrown.message.includes("web1"));
    const hostile = toStoreError(
      answer(400, `<Error><Code>${"x".repeat(500)}\u001b[31m</Code></Error>`),
      call("write"),
    );
    assert.ok(hostile.message.length < 200);
    assert.ok(!hostile.message.includes("\u001b"));
  });
});

describe("reading an answer", () => {
  it("expands XML's five entities once, and no other", () => {
    const body = '<!DOCTYPE x [<!ENTITY r "us-east-1">]><Error><Code>X</Code><Region>&r;</Region></Error>';
    assert.equal(answer(301, body).region, null);
    const body2 = "<Error><Code>X</Code><Region>us-&amp;lt;</Region></Error>";
    assert.equal(answer(301, body2).region, null);
  });

  it("finds the region that a 400 only mentions", () => {
    const body =
      "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'a' is wrong; expecting 'eu-north-1'</Message></Error>";
    assert.equal(answer(400, body).region, "eu-north-1");
  });

  it("is not slowed down by junk", () => {
    const began = performance.now();
    for (const junk of [
      "<Code>".repeat(100_000),
      `<Error>${"<a>".repeat(100_000)}`,
      "&amp;".repeat(100_000),
      " ".repeat(1_000_000),
    ]) {
      assert.equal(answer(500, junk).s3Code, null);
      findLateError({ status: 200, headers: new Map(), body: junk, receivedAt: AT });
    }
    assert.ok(performance.now() - began < 1000);
  });

  it("reads Retry-After in seconds and as a date", () => {
    assert.equal(answer(503, "", { "retry-after": "7" }).retryAfterMs, 7000);
    assert.equal(answer(503, "", { "retry-after": "Sat, 21 Nov 2026 02:15:09 GMT" }).retryAfterMs, 9000);
    assert.equal(answer(503, "", { "retry-after": "soon" }).retryAfterMs, null);
  });

  it("sees an error inside a 200, and takes nothing else for one", () => {
    const parts = { status: 200, headers: new Map<string, string>(), receivedAt: AT };
    assert.equal(findLateError({ ...parts, body: `\n ${error("PreconditionFailed")}` })?.status, 412);
    assert.equal(findLateError({ ...parts, body: error("Unheard") })?.status, 500);
    assert.equal(
      findLateError({ ...parts, body: "<DeleteResult><Error><Code>AccessDenied</Code></Error></DeleteResult>" }),
      null,
    );
    assert.equal(findLateError({ ...parts, body: "" }), null);
  });
});
