/** What each role can do with its store, through the types that it is handed. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { PutObjectTaggingCommand, S3Client } from "@aws-sdk/client-s3";
import { isAirlockError, type Code } from "../../../shared/errors.ts";
import { vaultNameOf, type VaultName } from "../../../shared/names.ts";
import { openDropZoneSource } from "../../../shared/s3/drop-zone-source.ts";
import { openDropZoneWriter } from "../../../shared/s3/drop-zone-writer.ts";
import { openLedgerStore } from "../../../shared/s3/ledger-store.ts";
import { openVaultReader } from "../../../shared/s3/vault-reader.ts";
import { openVaultWriter } from "../../../shared/s3/vault-writer.ts";
import type { DropZoneSource, ObjectAttributes, StoredVersion } from "../../../shared/stores.ts";
import { forever, impatient, openWorld, readAll, type World } from "./fixture.ts";

const PLAIN: ObjectAttributes = { metadata: new Map([["airlock", "e30"]]), contentType: "text/plain" };
const MIB = 1024 * 1024;
const signal = forever();
const retryTools = impatient;

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world[Symbol.asyncDispose]());

const hasCode =
  (...codes: Code[]) =>
  (error: unknown): boolean => {
    assert.ok(isAirlockError(error, ...codes), `${codes.join("|")} expected, and not ${String(error)}`);
    return true;
  };

async function listAll(source: DropZoneSource, prefix = "", limit = 1000): Promise<StoredVersion[]> {
  const found: StoredVersion[] = [];
  let cursor: string | null = null;
  do {
    const page = await source.listPage({ prefix, cursor, limit, signal });
    assert.ok(page.versions.length + page.deleteMarkers.length <= limit);
    found.push(...page.versions);
    cursor = page.next;
  } while (cursor !== null);
  return found;
}

function vaultName(key: string): VaultName {
  return vaultNameOf({ bucket: "drop", key, versionId: "v1", etag: "e", lastModified: new Date(0) });
}

for (const versioning of [true, false]) {
  describe(`a drop-zone ${versioning ? "with" : "without"} versions`, () => {
    it("is written to by a host and emptied by the mover", async () => {
      const config = await world.makeBucket(`drop-move-${versioning}`, { versioning });
      await using writer = await openDropZoneWriter(config, { retryTools });
      await using source = await openDropZoneSource(config, { versioned: versioning, retryTools });
      await writer.createObject("web1/a", Buffer.from("one"), { attributes: PLAIN, signal });
      await assert.rejects(
        writer.createObject("web1/a", Buffer.from("two"), { attributes: PLAIN, signal }),
        hasCode("already-exists"),
      );

      const upload = await writer.beginUpload("web1/big", { attributes: PLAIN, signal });
      const parts = [Buffer.alloc(5 * MIB, "a"), Buffer.from("tail")];
      const second = await writer.uploadPart(upload, 2, parts[1] ?? Buffer.of(), signal);
      const first = await writer.uploadPart(upload, 1, parts[0] ?? Buffer.of(), signal);
      await writer.completeUpload(upload, [second, first], signal);

      const versions = await listAll(source);
      assert.deepEqual(
        versions.map(({ key }) => key),
        ["web1/a", "web1/big"],
      );
      for (const version of versions) assert.equal(version.versionId === null, !versioning);
      const [small, big] = versions;
      assert.ok(small !== undefined && big !== undefined);
      const opened = await source.openVersion(small, null, signal);
      assert.equal((await readAll(opened.body)).toString(), "one");
      assert.deepEqual(opened.attributes, PLAIN);
      const range = { first: 5 * MIB - 1, last: 5 * MIB + 3 };
      const tail = await source.openVersion(big, range, signal);
      assert.equal(tail.sizeBytes, 5 * MIB + 4);
      assert.equal((await readAll(tail.body)).toString(), "atail");

      const outcomes = await source.deleteVersions(versions, signal);
      assert.deepEqual(
        outcomes.map(({ outcome }) => outcome),
        ["gone", "gone"],
      );
      assert.deepEqual(await listAll(source), []);
      const page = await source.listPage({ prefix: "", cursor: null, limit: 10, signal });
      assert.deepEqual(page.deleteMarkers, [], "an exact delete leaves no marker");
      assert.deepEqual(
        (await source.deleteVersions(versions, signal)).map(({ outcome }) => outcome),
        ["gone", "gone"],
      );
    });

    it("shows keys of any form exactly, page by page, and takes them back exactly", async () => {
      const config = await world.makeBucket(`drop-keys-${versioning}`, { versioning });
      await using writer = await openDropZoneWriter(config, { retryTools });
      await using source = await openDropZoneSource(config, { versioned: versioning, retryTools });
      const keys = [
        "a b",
        "a+b",
        "a%2Bb",
        "a%",
        "a//b",
        "a/../b",
        "a/./b",
        "line\nfeed",
        "cr\rx",
        "tab\tx",
        "\u0001x",
        "ü",
        "𝄞",
        "é",
        "e\u0301",
        "&amp;<x>",
        `long/${"ü".repeat(500)}`,
        "constructor",
        "__proto__",
        "a&b=c",
        "?q",
        "#f",
        "'\"",
      ];
      for (const key of keys) await writer.createObject(key, Buffer.from(key), { attributes: PLAIN, signal });
      for (const limit of [1, 3, 1000]) {
        const listed = await listAll(source, "", limit);
        assert.deepEqual(new Set(listed.map(({ key }) => key)), new Set(keys));
        assert.equal(listed.length, keys.length);
      }
      const versions = await listAll(source);
      for (const version of versions) {
        assert.equal((await readAll((await source.openVersion(version, null, signal)).body)).toString(), version.key);
      }
      const outcomes = await source.deleteVersions(versions, signal);
      assert.deepEqual(
        outcomes.filter(({ outcome }) => outcome !== "gone"),
        [],
      );
      assert.deepEqual(await listAll(source), []);
    });

    it("hands out tags", async () => {
      const config = await world.makeBucket(`drop-tags-${versioning}`, { versioning });
      await using writer = await openDropZoneWriter(config, { retryTools });
      await using source = await openDropZoneSource(config, { versioned: versioning, retryTools });
      await writer.createObject("k", Buffer.from("x"), { attributes: PLAIN, signal });
      const client = new S3Client({
        endpoint: world.server.endpoint,
        region: world.server.region,
        forcePathStyle: true,
        credentials: world.account.owner,
      });
      await client.send(
        new PutObjectTaggingCommand({
          Bucket: config.bucket,
          Key: "k",
          Tagging: { TagSet: [{ Key: "team", Value: "a=b" }] },
        }),
      );
      client.destroy();
      const [version] = await listAll(source);
      assert.ok(version !== undefined);
      const opened = await source.openVersion(version, null, signal);
      opened.close();
      assert.equal(opened.tagCount, 1);
      assert.deepEqual(await source.readTags(version, signal), new Map([["team", "a=b"]]));
    });
  });
}

describe("a drop-zone's exact versions", () => {
  it("an overwritten object is not read and not deleted as the one that was listed", async () => {
    const config = await world.makeBucket("drop-overwrite");
    await using source = await openDropZoneSource(config, { versioned: false, retryTools });
    await using writer = await openDropZoneWriter(config, { retryTools });
    await writer.createObject("k", Buffer.from("one"), { attributes: PLAIN, signal });
    const [listed] = await listAll(source);
    assert.ok(listed !== undefined);
    await source.deleteVersions([listed], signal);
    await writer.createObject("k", Buffer.from("two"), { attributes: PLAIN, signal });
    await assert.rejects(source.openVersion(listed, null, signal), hasCode("source-changed"));
    const [outcome] = await source.deleteVersions([listed], signal);
    assert.ok(outcome?.outcome === "failed");
    assert.ok(isAirlockError(outcome.error, "source-changed"));
    assert.equal((await listAll(source)).length, 1);
  });

  it("each version is read and deleted by its own id", async () => {
    const config = await world.makeBucket("drop-versions", { versioning: true });
    await using source = await openDropZoneSource(config, { versioned: true, retryTools });
    const client = new S3Client({
      endpoint: world.server.endpoint,
      region: world.server.region,
      forcePathStyle: true,
      credentials: world.account.owner,
    });
    const { PutObjectCommand } = await import("@aws-sdk/client-s3");
    for (const Body of ["one", "two", "three"])
      await client.send(new PutObjectCommand({ Bucket: config.bucket, Key: "k", Body }));
    client.destroy();
    const versions = await listAll(source);
    const bodies = await Promise.all(
      versions.map(async (version) =>
        (await readAll((await source.openVersion(version, null, signal)).body)).toString(),
      ),
    );
    assert.deepEqual(bodies.toSorted(), ["one", "three", "two"]);
    const [latest, ...older] = versions;
    assert.ok(latest !== undefined);
    await source.deleteVersions(older, signal);
    assert.deepEqual(await listAll(source), [latest]);
  });

  it("a store that refuses batches is asked one by one, and once only for a batch", async () => {
    const config = await world.makeBucket("drop-no-batch", { versioning: true });
    await using writer = await openDropZoneWriter(config, { retryTools });
    await using source = await openDropZoneSource(config, { versioned: true, retryTools });
    const refusal = world.server.faults.add({
      operation: "DeleteObjects",
      fault: { kind: "error", when: "before", status: 403, code: "AccessDenied" },
    });
    for (const round of ["1", "2"]) {
      for (const name of ["a", "b", "c"])
        await writer.createObject(`${round}/${name}`, Buffer.from("x"), { attributes: PLAIN, signal });
      const outcomes = await source.deleteVersions(await listAll(source), signal);
      assert.deepEqual(
        outcomes.map(({ outcome }) => outcome),
        ["gone", "gone", "gone"],
      );
    }
    assert.deepEqual(await listAll(source), []);
    assert.equal(refusal.fired, 1);
    refusal.remove();
  });

  it("a batch whose answer is lost is repeated, and ends as gone", async () => {
    const config = await world.makeBucket("drop-lost-batch", { versioning: true });
    await using writer = await openDropZoneWriter(config, { retryTools });
    await using source = await openDropZoneSource(config, { versioned: true, retryTools });
    for (const name of ["a", "b"]) await writer.createObject(name, Buffer.from("x"), { attributes: PLAIN, signal });
    const reset = world.server.faults.add({
      operation: "DeleteObjects",
      times: 1,
      fault: { kind: "reset", when: "after" },
    });
    const outcomes = await source.deleteVersions(await listAll(source), signal);
    assert.equal(reset.fired, 1);
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ["gone", "gone"],
    );
    assert.deepEqual(await listAll(source), []);
  });

  it("a batch that leaves an entry out of its answer has not deleted it", async () => {
    const config = await world.makeBucket("drop-mute-batch", { versioning: true });
    await using writer = await openDropZoneWriter(config, { retryTools });
    await using source = await openDropZoneSource(config, { versioned: true, retryTools });
    for (const name of ["a", "b"]) await writer.createObject(name, Buffer.from("x"), { attributes: PLAIN, signal });
    const versions = await listAll(source);
    const body = `<DeleteResult><Deleted><Key>a</Key><VersionId>${versions[0]?.versionId}</VersionId></Deleted></DeleteResult>`;
    const mute = world.server.faults.add({
      operation: "DeleteObjects",
      fault: { kind: "replace", when: "before", status: 200, body },
    });
    const outcomes = await source.deleteVersions(versions, signal);
    mute.remove();
    assert.deepEqual(
      outcomes.map(({ version, outcome }) => [version.key, outcome]),
      [
        ["a", "gone"],
        ["b", "failed"],
      ],
    );
  });

  it("required-only: batches go with a Content-MD5", async () => {
    const config = {
      ...(await world.makeBucket("drop-md5", { versioning: true })),
      checksums: "required-only" as const,
    };
    await using writer = await openDropZoneWriter(config, { retryTools });
    await using source = await openDropZoneSource(config, { versioned: true, retryTools });
    for (const name of ["a", "b"]) await writer.createObject(name, Buffer.from("x"), { attributes: PLAIN, signal });
    const seen: ReadonlyMap<string, string>[] = [];
    const watch = world.server.faults.add({
      operation: ["DeleteObjects", "PutObject"],
      fault: { kind: "hook", when: "before", run: ({ headers }) => void seen.push(headers) },
    });
    const outcomes = await source.deleteVersions(await listAll(source), signal);
    watch.remove();
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ["gone", "gone"],
    );
    assert.equal(seen.length, 1);
    assert.ok(seen[0]?.has("content-md5"));
    assert.ok(
      ![...(seen[0]?.keys() ?? [])].some(
        (name) => name.startsWith("x-amz-checksum-") || name.startsWith("x-amz-sdk-checksum"),
      ),
    );
  });
});

describe("the vault", () => {
  it("is added to, part by part, in the storage class that was asked for, under Object Lock", async () => {
    const config = await world.makeBucket("vault-add", {
      versioning: true,
      objectLock: { mode: "COMPLIANCE", days: 1 },
    });
    for (const [index, checksums] of (["auto", "required-only"] as const).entries()) {
      await using vault = await openVaultWriter({ ...config, checksums }, { storageClass: "STANDARD_IA", retryTools });
      const name = vaultName(`web1/small-${index}`);
      const versionId = await vault.createObject(name, Buffer.from("x"), { attributes: PLAIN, signal });
      assert.notEqual(versionId, null);
      await assert.rejects(
        vault.createObject(name, Buffer.from("y"), { attributes: PLAIN, signal }),
        hasCode("already-exists"),
      );
      const large = vaultName(`web1/large-${index}`);
      const upload = await vault.beginUpload(large, { attributes: PLAIN, signal });
      const parts = [
        await vault.uploadPart(upload, 1, Buffer.alloc(5 * MIB), signal),
        await vault.uploadPart(upload, 2, Buffer.from("end"), signal),
      ];
      for (const part of parts) assert.equal(part.checksum === null, checksums === "required-only");
      assert.notEqual(await vault.completeUpload(upload, parts, signal), null);
      const again = await vault.beginUpload(large, { attributes: PLAIN, signal });
      const part = await vault.uploadPart(again, 1, Buffer.from("other"), signal);
      await assert.rejects(vault.completeUpload(again, [part], signal), hasCode("already-exists"));
      await vault.abortUpload(again, signal);
      await vault.abortUpload(again, signal);
      await assert.rejects(vault.uploadPart(again, 1, Buffer.from("x"), signal), hasCode("upload-missing"));
    }
    await using reader = await openVaultReader(config, { retryTools });
    const page = await reader.listPage({ prefix: "archive/", cursor: null, limit: 1000, signal });
    assert.equal(page.versions.length, 4);
    for (const { storageClass } of page.versions) assert.equal(storageClass, "STANDARD_IA");
    const opened = await reader.openObject(
      vaultName("web1/large-0"),
      null,
      { first: 5 * MIB, last: 5 * MIB + 10 },
      signal,
    );
    assert.equal((await readAll(opened.body)).toString(), "end");
    assert.deepEqual(opened.attributes, PLAIN);
  });

  it("a part is repeated until it is there; a completion never", async () => {
    const config = await world.makeBucket("vault-repeat", { versioning: true });
    await using vault = await openVaultWriter(config, { storageClass: null, retryTools });
    const upload = await vault.beginUpload(vaultName("k"), { attributes: PLAIN, signal });
    const parts = world.server.faults.add({
      operation: "UploadPart",
      times: 2,
      fault: { kind: "reset", when: "after" },
    });
    const part = await vault.uploadPart(upload, 1, Buffer.from("x"), signal);
    assert.equal(parts.fired, 2);
    const completions = world.server.faults.add({
      operation: "CompleteMultipartUpload",
      fault: { kind: "reset", when: "after" },
    });
    await assert.rejects(vault.completeUpload(upload, [part], signal), hasCode("outcome-unknown"));
    assert.equal(completions.fired, 1);
    completions.remove();
  });

  it("a completion that fails inside a 200 has failed", async () => {
    const config = await world.makeBucket("vault-late", { versioning: true });
    await using vault = await openVaultWriter(config, { storageClass: null, retryTools });
    const cases: readonly [string, Code][] = [
      ['<?xml version="1.0"?>\n   <Error><Code>InternalError</Code></Error>', "outcome-unknown"],
      ["<Error><Code>PreconditionFailed</Code></Error>", "already-exists"],
      ["<Error><Code>NoSuchUpload</Code></Error>", "upload-missing"],
      ["", "outcome-unknown"],
      ["<CompleteMultipartUploadResult><ETa", "outcome-unknown"],
      ["<html/>", "outcome-unknown"],
    ];
    const upload = await vault.beginUpload(vaultName("k"), { attributes: PLAIN, signal });
    const part = await vault.uploadPart(upload, 1, Buffer.from("x"), signal);
    for (const [body, code] of cases) {
      const fault = world.server.faults.add({
        operation: "CompleteMultipartUpload",
        fault: { kind: "replace", when: "before", status: 200, body },
      });
      await assert.rejects(vault.completeUpload(upload, [part], signal), hasCode(code), body);
      fault.remove();
    }
    await vault.completeUpload(upload, [part], signal);
  });

  it("shows versions and delete markers, so that nothing can be hidden from its reader", async () => {
    const config = await world.makeBucket("vault-markers", { versioning: true });
    await using vault = await openVaultWriter(config, { storageClass: null, retryTools });
    await using reader = await openVaultReader(config, { retryTools });
    const versionId = await vault.createObject(vaultName("k"), Buffer.from("x"), { attributes: PLAIN, signal });
    const client = new S3Client({
      endpoint: world.server.endpoint,
      region: world.server.region,
      forcePathStyle: true,
      credentials: world.account.owner,
    });
    const { DeleteObjectCommand } = await import("@aws-sdk/client-s3");
    await client.send(new DeleteObjectCommand({ Bucket: config.bucket, Key: vaultName("k") }));
    client.destroy();
    const page = await reader.listPage({ prefix: "archive/", cursor: null, limit: 10, signal });
    assert.deepEqual(
      page.versions.map((version) => version.versionId),
      [versionId],
    );
    assert.deepEqual(
      page.deleteMarkers.map(({ key }) => key),
      [vaultName("k")],
    );
    await assert.rejects(reader.openObject(vaultName("k"), null, null, signal), hasCode("not-found"));
    const opened = await reader.openObject(vaultName("k"), versionId, null, signal);
    assert.equal((await readAll(opened.body)).toString(), "x");
    await assert.rejects(
      reader.openObject(vaultName("k"), versionId, { first: 5, last: 9 }, signal),
      hasCode("request-invalid"),
    );
  });
});

describe("the ledger", () => {
  it("keeps each mover's segments apart, once each, and finds them in order after any of them", async () => {
    const config = await world.makeBucket("vault-ledger", { versioning: true });
    await using ledger = await openLedgerStore(config, "mover-a", { retryTools });
    await using other = await openLedgerStore(config, "mover-b", { retryTools });
    assert.deepEqual(await Array.fromAsync(ledger.listSegments(0, signal)), []);
    for (const segment of [1, 2, 3, 10]) await ledger.createSegment(segment, Buffer.from(`segment ${segment}`), signal);
    await other.createSegment(1, Buffer.from("b"), signal);
    await assert.rejects(ledger.createSegment(2, Buffer.from("fork"), signal), hasCode("already-exists"));
    assert.deepEqual(await Array.fromAsync(ledger.listSegments(0, signal)), [1, 2, 3, 10]);
    assert.deepEqual(await Array.fromAsync(ledger.listSegments(2, signal)), [3, 10]);
    assert.deepEqual(await Array.fromAsync(ledger.listSegments(10, signal)), []);
    assert.equal(Buffer.from(await ledger.readSegment(2, signal)).toString(), "segment 2");
    await assert.rejects(ledger.readSegment(4, signal), hasCode("not-found"));

    await using reader = await openVaultReader(config, { retryTools });
    assert.deepEqual(await reader.listMovers(signal), ["mover-a", "mover-b"]);
    assert.deepEqual(await Array.fromAsync(reader.ledgerOf("mover-b").listSegments(0, signal)), [1]);
    const page = await reader.listPage({ prefix: "_airlock/ledger/mover-a/", cursor: null, limit: 1, signal });
    assert.equal(page.versions[0]?.key, "_airlock/ledger/mover-a/000000000001.jsonl");
    assert.equal(page.versions[0]?.storageClass, "STANDARD");
    const opened = await reader.openObject("_airlock/ledger/mover-a/000000000001.jsonl", null, null, signal);
    opened.close();
    assert.equal(opened.attributes.contentType, "application/jsonl");
  });

  it("an oversized segment is refused unread, and a name that is no segment's is passed over", async () => {
    const config = await world.makeBucket("vault-ledger-odd", { versioning: true });
    await using raw = await openDropZoneWriter(config, { retryTools });
    await using ledger = await openLedgerStore(config, "m", { retryTools });
    for (const name of ["000000000000.jsonl", "1.jsonl", "000000000001.jsonl.bak", "x/000000000009.jsonl"]) {
      await raw.createObject(`_airlock/ledger/m/${name}`, Buffer.from("x"), { attributes: PLAIN, signal });
    }
    await ledger.createSegment(5, Buffer.alloc(2 * MIB + 1), signal);
    assert.deepEqual(await Array.fromAsync(ledger.listSegments(0, signal)), [5]);
    await assert.rejects(ledger.readSegment(5, signal), hasCode("ledger-corrupt"));
  });

  it("a segment whose answer is lost is of unknown outcome, and is there", async () => {
    const config = await world.makeBucket("vault-ledger-lost", { versioning: true });
    await using ledger = await openLedgerStore(config, "m", { retryTools });
    const fault = world.server.faults.add({
      operation: "PutObject",
      times: 1,
      fault: { kind: "reset", when: "after" },
    });
    await assert.rejects(ledger.createSegment(1, Buffer.from("s"), signal), hasCode("outcome-unknown"));
    assert.equal(fault.fired, 1);
    assert.equal(Buffer.from(await ledger.readSegment(1, signal)).toString(), "s");
  });
});

describe("roles", () => {
  it("hand out nothing but their own methods", async () => {
    const config = await world.makeBucket("roles");
    await using writer = await openDropZoneWriter(config);
    assert.deepEqual(Object.keys(writer).toSorted(), [
      "beginUpload",
      "bucket",
      "completeUpload",
      "createObject",
      "uploadPart",
    ]);
    await using vault = await openVaultWriter(config, { storageClass: null });
    assert.deepEqual(Object.keys(vault).toSorted(), [
      "abortUpload",
      "beginUpload",
      "bucket",
      "clockOffsetMs",
      "completeUpload",
      "createObject",
      "listUploads",
      "requests",
      "uploadPart",
    ]);
    await using ledger = await openLedgerStore(config, "m");
    assert.deepEqual(Object.keys(ledger).toSorted(), ["createSegment", "listSegments", "readSegment"]);
    await using reader = await openVaultReader(config);
    assert.deepEqual(Object.keys(reader).toSorted(), [
      "bucket",
      "ledgerOf",
      "listMovers",
      "listPage",
      "openObject",
      "readDefaultRetention",
      "readLock",
      "readReadability",
      "requestCopy", // of an archived one, for a while; the operator's own key may not
    ]);
    await using source = await openDropZoneSource(config, { versioned: false });
    assert.deepEqual(Object.keys(source).toSorted(), [
      "bucket",
      "clockOffsetMs",
      "deleteVersions",
      "listPage",
      "listUploads",
      "openVersion",
      "readTags",
      "requests",
      "versioned",
    ]);
  });
});
