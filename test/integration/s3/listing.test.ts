/** Whoever holds the drop-zone's account writes the listings. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import type { StoreConfig } from "../../../shared/config/store-config.ts";
import { isAirlockError } from "../../../shared/errors.ts";
import { openDropZoneSource } from "../../../shared/s3/drop-zone-source.ts";
import { openDropZoneWriter } from "../../../shared/s3/drop-zone-writer.ts";
import { decodeKey } from "../../../shared/s3/list.ts";
import type { DropZoneSource } from "../../../shared/stores.ts";
import { forever, impatient, openWorld, type World } from "./fixture.ts";

const signal = forever();
const ENTRY = "<ETag>&quot;x&quot;</ETag><Size>1</Size><LastModified>2026-11-21T00:00:00.000Z</LastModified>";

describe("a page that cannot be right is refused, and costs bounded memory", () => {
  let world: World;
  let config: StoreConfig;
  let versioned: DropZoneSource & AsyncDisposable;
  let latest: DropZoneSource & AsyncDisposable;
  before(async () => {
    world = await openWorld();
    config = await world.makeBucket("hostile");
    versioned = await openDropZoneSource(config, { versioned: true, retryTools: impatient });
    latest = await openDropZoneSource(config, { versioned: false, retryTools: impatient });
  });
  afterEach(() => world.server.faults.clear());
  after(async () => {
    await versioned[Symbol.asyncDispose]();
    await latest[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  function serve(inside: string | (() => AsyncIterable<Uint8Array>)): void {
    for (const [operation, root] of [
      ["ListObjectVersions", "ListVersionsResult"],
      ["ListObjectsV2", "ListBucketResult"],
    ] as const) {
      const body = typeof inside === "string" ? `<${root}>${inside}</${root}>` : inside;
      world.server.faults.add({ operation, fault: { kind: "replace", when: "before", status: 200, body } });
    }
  }

  async function refuses(
    inside: string | (() => AsyncIterable<Uint8Array>),
    cursors: readonly [string | null, string | null] = [null, null],
  ): Promise<void> {
    serve(inside);
    for (const [index, source] of [versioned, latest].entries()) {
      const cursor = cursors[index] ?? null;
      await assert.rejects(source.listPage({ prefix: "web1/", cursor, limit: 10, signal }), (error: unknown) => {
        assert.ok(isAirlockError(error, "store-unavailable"), String(error));
        return true;
      });
    }
  }

  function entries(key: string, fields = ENTRY): string {
    return `<Version><Key>${key}</Key><VersionId>v</VersionId>${fields}</Version><Contents><Key>${key}</Key>${fields}</Contents>`;
  }

  it("a good one is taken, which shows that the bad ones are refused for what is bad about them", async () => {
    serve(entries("web1/k"));
    for (const source of [versioned, latest]) {
      const page = await source.listPage({ prefix: "web1/", cursor: null, limit: 10, signal });
      assert.deepEqual(
        page.versions.map(({ key, sizeBytes, etag }) => [key, sizeBytes, etag]),
        [["web1/k", 1, '"x"']],
      );
      assert.equal(page.next, null);
    }
  });

  it("keys outside the prefix", () => refuses(entries("web2/k")));
  it("an empty key", () => refuses(entries("")));
  it("a key of 100,000 bytes", () => refuses(entries(`web1/${"x".repeat(100_000)}`)));
  it("more entries than were asked for", () => refuses(entries("web1/k").repeat(11)));
  it("a size below zero", () => refuses(entries("web1/k", ENTRY.replace("<Size>1", "<Size>-1"))));
  it("a size that is none", () => refuses(entries("web1/k", ENTRY.replace("<Size>1", "<Size>one"))));
  it("a size beyond counting", () =>
    refuses(entries("web1/k", ENTRY.replace("<Size>1", "<Size>99999999999999999999"))));
  it("no size", () => refuses(entries("web1/k", ENTRY.replace("<Size>1</Size>", ""))));
  it("a date that is none", () => refuses(entries("web1/k", ENTRY.replace("2026-11-21T00", "yesterday"))));
  it("no ETag", () => refuses(entries("web1/k", ENTRY.replace(/<ETag>.*<\/ETag>/, ""))));
  it("an ETag of 10,000 characters", () =>
    refuses(entries("web1/k", ENTRY.replace("x&quot;", `${"x".repeat(10_000)}&quot;`))));
  it("going on without saying where", () => refuses(`<IsTruncated>true</IsTruncated>${entries("web1/k")}`));
  it("the same continuation again", () =>
    refuses(
      "<IsTruncated>true</IsTruncated><NextKeyMarker>web1/a</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker><NextContinuationToken>t</NextContinuationToken>",
      [JSON.stringify(["web1/a", "v"]), JSON.stringify(["t"])],
    ));
  it("a continuation of 100,000 characters", () => {
    const long = "t".repeat(100_000);
    return refuses(
      `<IsTruncated>true</IsTruncated><NextKeyMarker>${long}</NextKeyMarker><NextContinuationToken>${long}</NextContinuationToken>`,
    );
  });
  it("100,000 nested elements", () => refuses("<a>".repeat(100_000) + "</a>".repeat(100_000)));
  it("XML that is cut short", () => refuses("<Version><Key>web1/"));

  it("a body without end", async () => {
    let served = 0;
    async function* endless(): AsyncIterable<Uint8Array> {
      yield Buffer.from("<ListVersionsResult>");
      for (;;) {
        served += 65_536;
        yield Buffer.alloc(65_536, " ");
      }
    }
    const rssBefore = process.memoryUsage().rss;
    await refuses(() => endless());
    assert.ok(served < 8 * 64 * 1024 * 1024, `${served} bytes were taken`);
    assert.ok(process.memoryUsage().rss - rssBefore < 400 * 1024 * 1024);
  });

  it("entities are not expanded", async () => {
    const bomb =
      '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>';
    const root = `${bomb}<ListVersionsResult>${entries("web1/&b;")}</ListVersionsResult>`;
    world.server.faults.add({
      operation: "ListObjectVersions",
      fault: { kind: "replace", when: "before", status: 200, body: root },
    });
    const page = await versioned.listPage({ prefix: "web1/", cursor: null, limit: 10, signal });
    assert.ok((page.versions[0]?.key.length ?? 0) < 10);
  });

  it("one key that is not UTF-8 does not keep the others from being seen", async () => {
    serve(`<EncodingType>url</EncodingType>${entries("web1/%FF%FE")}${entries("web1/a%25+b")}`);
    const page = await versioned.listPage({ prefix: "web1/", cursor: null, limit: 10, signal });
    assert.deepEqual(
      page.versions.map(({ key }) => key),
      ["web1/\uFFFD\uFFFD", "web1/a% b"],
    );
  });

  it("goes on behind the page's last key, whether or not the store encodes its marker", async () => {
    for (const marker of ["web1/a%2Bb", "web1/a%252Bb"]) {
      const entry = entries("web1/a%252Bb");
      serve(
        `<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextKeyMarker>${marker}</NextKeyMarker>${entry}`,
      );
      const page = await versioned.listPage({ prefix: "web1/", cursor: null, limit: 1, signal });
      assert.deepEqual(
        page.versions.map(({ key }) => key),
        ["web1/a%2Bb"],
      );
      assert.deepEqual(JSON.parse(page.next ?? ""), ["web1/a%2Bb", ""], marker);
      world.server.faults.clear();
    }
  });

  it("a listing that fails once is asked for again", async () => {
    await using writer = await openDropZoneWriter(config, {});
    await writer.createObject("web1/real", Buffer.from("x"), { attributes: { metadata: new Map() }, signal });
    const fault = world.server.faults.add({
      operation: "ListObjectsV2",
      times: 2,
      fault: { kind: "error", when: "before", status: 503, code: "SlowDown" },
    });
    const page = await latest.listPage({ prefix: "web1/", cursor: null, limit: 10, signal });
    assert.equal(fault.fired, 2);
    assert.equal(page.versions.length, 1);
  });
});

describe("decodeKey", () => {
  it("undoes encoding-type=url", () => {
    assert.equal(decodeKey("a+b%2Bc%20d%25%C3%BC/"), "a b+c d%ü/");
    assert.equal(decodeKey("%F0%9D%84%9E%0A%00"), "𝄞\n\0");
    assert.equal(decodeKey("100%"), "100%");
    assert.equal(decodeKey("ü%zz"), "ü%zz");
  });
});
