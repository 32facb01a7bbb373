/** One contract, held by both byte transports, in both ways of protecting bytes. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { StoreConfig } from "../../../shared/config/store-config.ts";
import { isAirlockError, type Code } from "../../../shared/errors.ts";
import { openS3, type S3Options, type S3Store } from "../../../shared/s3/client.ts";
import type { ObjectAttributes } from "../../../shared/stores.ts";
import type { FaultKind, OperationName } from "../../s3-server/server.ts";
import { forever, impatient, openWorld, readAll, type World } from "./fixture.ts";

const PLAIN: ObjectAttributes = { metadata: new Map() };

const VARIANTS: readonly S3Options[] = [
  { transport: "http", integrity: "signed-payload" },
  { transport: "http", integrity: "checksum-unsigned" },
  { transport: "sdk", integrity: "signed-payload" },
  { transport: "sdk", integrity: "checksum-unsigned" },
];

async function* unannounced(): AsyncIterable<Uint8Array> {
  yield Buffer.from("no length was announced");
}

for (const variant of VARIANTS) {
  describe(`transport ${variant.transport}, ${variant.integrity}`, () => {
    let world: World;
    let config: StoreConfig;
    let store: S3Store;
    const signal = forever();

    before(async () => {
      world = await openWorld();
      config = await world.makeBucket("bytes", { versioning: true });
      store = await openS3(config, { ...variant, retryTools: impatient, timeouts: { idleMs: 400 } });
    });
    after(async () => {
      await store[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    });

    const put = (key: string, body: Uint8Array, attributes = PLAIN) =>
      store.bytes.putObject({ key, body, createOnly: true, attributes, storageClass: null, signal });
    const get = (key: string) => store.bytes.getObject({ key, versionId: null, range: null, ifMatch: null, signal });

    async function withFault<T>(operation: OperationName, fault: FaultKind, run: () => Promise<T>): Promise<T> {
      const added = world.server.faults.add({ operation, fault });
      try {
        return await run();
      } finally {
        assert.ok(added.fired > 0, "the fault never fired");
        added.remove();
      }
    }

    const hasCode =
      (...codes: Code[]) =>
      (error: unknown): boolean => {
        assert.ok(
          isAirlockError(error, ...codes),
          `${codes.join("|")} expected, and not ${String(error)} ${JSON.stringify(error)}`,
        );
        return true;
      };

    it("gives back what was put: bytes, metadata and all six attributes", async () => {
      const attributes: ObjectAttributes = {
        metadata: new Map([
          ["airlock", "eyJ2IjoxfQ"],
          ["note", "one two"],
          ["empty", ""],
        ]),
        contentType: "application/x-age",
        contentEncoding: "gzip",
        contentLanguage: "de",
        contentDisposition: 'attachment; filename="a b"',
        cacheControl: "no-store",
        expires: "Wed, 21 Oct 2037 07:28:00 GMT",
      };
      const body = Buffer.from("hello");
      const { versionId, etag } = await put("whole", body, attributes);
      const opened = await get("whole");
      assert.deepEqual(opened.attributes, attributes);
      assert.equal(opened.etag, etag);
      assert.equal(opened.versionId, versionId);
      assert.notEqual(versionId, null);
      assert.equal(opened.sizeBytes, 5);
      assert.deepEqual(await readAll(opened.body), body);
    });

    it("keeps odd keys apart", async () => {
      const keys = [
        "a//b",
        "a/../b",
        "./a",
        "sp ace+plus",
        "per%2Fcent",
        "ümlaut",
        "line\nfeed",
        "q?x=1&y#f",
        "(it's)*!",
        "~",
        "\u0001",
        "𝄞",
      ];
      for (const key of keys) await put(`odd/${key}`, Buffer.from(key));
      for (const key of keys) assert.equal((await readAll((await get(`odd/${key}`)).body)).toString(), key);
    });

    it("sends metadata that stores would canonicalise differently as an encoded word", async () => {
      await put("odd-metadata", Buffer.from("x"), {
        metadata: new Map([
          ["k", "two  spaces"],
          ["u", Buffer.from("ü").toString("latin1")],
        ]),
      });
      const opened = await get("odd-metadata");
      opened.close();
      const { attributes } = opened;
      assert.equal(attributes.metadata.get("k"), `=?UTF-8?B?${Buffer.from("two  spaces").toString("base64")}?=`);
      assert.equal(attributes.metadata.get("u"), `=?UTF-8?B?${Buffer.from("ü").toString("base64")}?=`);
    });

    it("keeps an empty object empty", async () => {
      await put("empty", new Uint8Array());
      const opened = await get("empty");
      assert.equal(opened.sizeBytes, 0);
      assert.equal((await readAll(opened.body)).length, 0);
    });

    it("gives a range, and the whole object's size with it", async () => {
      await put("ranged", Buffer.from("0123456789"));
      const range = { first: 2, last: 4 };
      const opened = await store.bytes.getObject({ key: "ranged", versionId: null, range, ifMatch: null, signal });
      assert.equal(opened.sizeBytes, 10);
      assert.equal((await readAll(opened.body)).toString(), "234");
    });

    it("carries 8 MiB whole, both ways", async () => {
      const body = Buffer.alloc(8 * 1024 * 1024);
      for (let i = 0; i < body.length; i += 1) body[i] = (i * 31) % 251;
      await put("large", body);
      assert.ok(body.equals(await readAll((await get("large")).body)));
    });

    it("tells apart: no such object, no such version, no such bucket, no such upload", async () => {
      await put("there", Buffer.from("x"));
      await assert.rejects(get("nowhere"), hasCode("not-found"));
      const part = { key: "there", uploadId: "nonexistent", number: 1, body: Buffer.from("x"), signal };
      await assert.rejects(store.bytes.uploadPart(part), hasCode("upload-missing"));
      await using other = await openS3({ ...config, bucket: "no-such-bucket" }, variant);
      const request = { key: "k", versionId: null, range: null, ifMatch: null, signal };
      await assert.rejects(other.bytes.getObject(request), hasCode("bucket-missing"));
    });

    it("refuses to create twice, and to read what has changed", async () => {
      await put("twice", Buffer.from("first"));
      await assert.rejects(put("twice", Buffer.from("second")), hasCode("already-exists"));
      const request = { key: "twice", versionId: null, range: null, ifMatch: '"0000"', signal };
      await assert.rejects(store.bytes.getObject(request), hasCode("source-changed"));
      assert.equal((await readAll((await get("twice")).body)).toString(), "first");
    });

    it("says whose fault it is when access is refused", async () => {
      const guest = await world.configFor(config.bucket, world.account.createUser("guest"));
      await using denied = await openS3(guest, variant);
      const request = { key: "there", versionId: null, range: null, ifMatch: null, signal };
      await assert.rejects(denied.bytes.getObject(request), hasCode("access-denied"));
      const wrong = await world.configFor(config.bucket, { ...world.account.owner, secretAccessKey: "wrong" });
      await using invalid = await openS3(wrong, variant);
      await assert.rejects(invalid.bytes.getObject(request), hasCode("credentials-invalid"));
      const unknown = await world.configFor(config.bucket, { accessKeyId: "AKIAUNKNOWN", secretAccessKey: "x" });
      await using stranger = await openS3(unknown, variant);
      await assert.rejects(stranger.bytes.getObject(request), hasCode("credentials-invalid"));
      await using elsewhere = await openS3({ ...config, region: "us-west-2" }, variant);
      await assert.rejects(elsewhere.bytes.getObject(request), hasCode("wrong-region"));
      await using owned = await openS3({ ...config, expectedBucketOwner: "999999999999" }, variant);
      await assert.rejects(owned.bytes.getObject(request), hasCode("access-denied"));
    });

    const answers: readonly [name: string, status: number, code: string, reading: Code, creating: Code][] = [
      ["500", 500, "InternalError", "store-unavailable", "outcome-unknown"],
      ["503 without SlowDown", 503, "ServiceUnavailable", "slow-down", "outcome-unknown"],
      ["SlowDown", 503, "SlowDown", "slow-down", "slow-down"],
      ["409", 409, "ConditionalRequestConflict", "store-unavailable", "outcome-unknown"],
      ["RequestTimeout", 400, "RequestTimeout", "store-unavailable", "outcome-unknown"],
      ["BadDigest", 400, "BadDigest", "store-unavailable", "store-unavailable"],
      ["ExpiredToken", 400, "ExpiredToken", "credentials-invalid", "credentials-invalid"],
      ["RequestTimeTooSkewed", 403, "RequestTimeTooSkewed", "clock-skew", "clock-skew"],
      ["InvalidObjectState", 403, "InvalidObjectState", "object-unreadable", "object-unreadable"],
      ["EntityTooLarge", 400, "EntityTooLarge", "request-invalid", "request-invalid"],
      ["NotImplemented", 501, "NotImplemented", "request-invalid", "request-invalid"],
      ["302", 302, "Found", "store-unavailable", "outcome-unknown"],
    ];
    for (const [name, status, code, reading, creating] of answers) {
      it(`${name}: ${reading} when reading, ${creating} when creating`, async () => {
        const fault: FaultKind = { kind: "error", when: "before", status, code };
        await withFault("GetObject", fault, () => assert.rejects(get("there"), hasCode(reading)));
        await withFault("PutObject", fault, () =>
          assert.rejects(put(`fault-${name}`, Buffer.from("x")), hasCode(creating)),
        );
        await assert.rejects(get(`fault-${name}`), hasCode("not-found"));
      });
    }

    it("never follows a redirect", async () => {
      const fault: FaultKind = {
        kind: "replace",
        when: "before",
        status: 307,
        headers: { location: `${world.server.endpoint}/bytes/there` },
      };
      await withFault("GetObject", fault, () => assert.rejects(get("there"), hasCode("store-unavailable")));
    });

    it("takes a 404 that is not S3's for no answer at all", async () => {
      const fault: FaultKind = { kind: "replace", when: "before", status: 404, body: "<html>not here</html>" };
      await withFault("GetObject", fault, () => assert.rejects(get("there"), hasCode("store-unavailable")));
      await withFault("PutObject", fault, () =>
        assert.rejects(put("html", Buffer.from("x")), hasCode("outcome-unknown")),
      );
    });

    it("takes a 200 without an ETag for no answer at all", async () => {
      const fault: FaultKind = { kind: "replace", when: "before", status: 200, body: "<html>welcome</html>" };
      await withFault("PutObject", fault, () =>
        assert.rejects(put("captive", Buffer.from("x")), hasCode("outcome-unknown")),
      );
    });

    it("a write whose answer is lost is of unknown outcome, whether it took effect or not", async () => {
      for (const when of ["before", "after"] as const) {
        const key = `reset-${when}`;
        await withFault("PutObject", { kind: "reset", when }, () =>
          assert.rejects(put(key, Buffer.from("x")), hasCode("outcome-unknown")),
        );
        if (when === "after") (await get(key)).close();
        else await assert.rejects(get(key), hasCode("not-found"));
      }
    });

    it("gives up waiting: a read is unavailable, a write of unknown outcome", async () => {
      const fault: FaultKind = { kind: "hang", when: "before" };
      await withFault("GetObject", fault, () => assert.rejects(get("there"), hasCode("store-unavailable")));
      await withFault("PutObject", fault, () =>
        assert.rejects(put("hangs", Buffer.from("x")), hasCode("outcome-unknown")),
      );
    });

    it("stops at once when it is told to", async () => {
      const stop = new AbortController();
      const fault = world.server.faults.add({ operation: "GetObject", fault: { kind: "hang", when: "before" } });
      const firing = fault.nextFiring();
      const request = { key: "there", versionId: null, range: null, ifMatch: null, signal: stop.signal };
      const refused = assert.rejects(store.bytes.getObject(request), hasCode("interrupted"));
      await firing;
      stop.abort();
      await refused;
      fault.remove();
    });

    it("never passes off a short body as a whole one", async () => {
      await put("short", Buffer.alloc(300_000, 7));
      for (const fault of [
        { kind: "truncate", atByte: 1000 },
        { kind: "reset-response", atByte: 1000 },
      ] as const) {
        await withFault("GetObject", fault, () =>
          assert.rejects(async () => readAll((await get("short")).body), hasCode("store-unavailable")),
        );
      }
    });

    it("does not believe a size, range or ETag that cannot be", async () => {
      await put("lies", Buffer.from("0123456789"));
      const lies: readonly FaultKind[] = [
        { kind: "headers", headers: { etag: null } },
        { kind: "headers", headers: { "content-length": "-1" } },
        { kind: "replace", when: "before", status: 200, headers: { etag: '"x"' }, body: () => unannounced() },
        { kind: "replace", when: "before", status: 206, headers: { etag: '"x"', "content-length": "1" }, body: "x" },
      ];
      for (const fault of lies) {
        await withFault("GetObject", fault, () =>
          assert.rejects(
            async () => readAll((await get("lies")).body),
            hasCode("store-unavailable"),
            JSON.stringify(fault),
          ),
        );
      }
      const range = { first: 2, last: 4 };
      const request = { key: "lies", versionId: null, range, ifMatch: null, signal };
      await withFault("GetObject", { kind: "headers", headers: { "content-range": "bytes 1-3/10" } }, () =>
        assert.rejects(store.bytes.getObject(request), hasCode("store-unavailable")),
      );
    });

    it("reads no more of an endless error than it needs", async () => {
      let served = 0;
      async function* endless(): AsyncIterable<Uint8Array> {
        for (;;) {
          served += 16_384;
          yield Buffer.alloc(16_384, "x");
        }
      }
      const fault: FaultKind = { kind: "replace", when: "before", status: 500, body: () => endless() };
      await withFault("GetObject", fault, () => assert.rejects(get("there"), hasCode("store-unavailable")));
      assert.ok(served < 64 * 1024 * 1024, `${served} bytes`);
    });
  });
}
