import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { DeleteObjectCommand, GetObjectCommand, GetObjectTaggingCommand } from "@aws-sdk/client-s3";
import { vaultNameOf } from "../../../shared/names.ts";
import { openDropZoneWriter } from "../../../shared/s3/drop-zone-writer.ts";
import type { StoredVersion } from "../../../shared/stores.ts";
import { verifyHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";
import { newKey, put, readLedger } from "./craft.ts";

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Several times faster than the SDK's client. */
async function putMany(world: World, keys: readonly string[]): Promise<void> {
  const { region, endpoint } = world.server;
  const [accessKeyIdFile, secretAccessKeyFile] = [join(world.dir, "many.id"), join(world.dir, "many.secret")];
  await writeFile(accessKeyIdFile, world.dropZoneAccount.owner.accessKeyId, { mode: 0o600 });
  await writeFile(secretAccessKeyFile, world.dropZoneAccount.owner.secretAccessKey, { mode: 0o600 });
  await using writer = await openDropZoneWriter({
    bucket: DROP_ZONE,
    region,
    endpoint,
    forcePathStyle: true,
    credentials: { kind: "files", accessKeyIdFile, secretAccessKeyFile },
    expectedBucketOwner: null,
    checksums: "auto",
  });
  const queue = keys.values();
  const signal = AbortSignal.timeout(30_000);
  const work = async (): Promise<void> => {
    for (const key of queue)
      await writer.createObject(key, Buffer.from(key), { attributes: { metadata: new Map() }, signal });
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

describe("what crosses", { concurrency: 2 }, () => {
  test("foreign objects: each version of each key is archived under a safe name of its own, whatever the key", async () => {
    await using world = await startWorld({ hosts: ["web1", "web2"], hostOptions: "foreign: true" });
    const keys = [
      "web1/app.log",
      "web1/a/b",
      "web1/a%2Fb",
      "web1/a//b",
      "web1/./b",
      "web1/../web2/x",
      "web1/\u0001\u001b[2J\r\u007f",
      "web1/a b+c=d&e",
      "web1/ünï/🙂",
      `web1/${"x".repeat(1019)}`,
      `web1/${"x".repeat(300)}/y`,
      "web2/constructor",
      "web2/folder/",
    ];
    for (const key of keys) await put(world, key, randomBytes(100));
    // overwritten, twice, and hidden in the end
    for (let times = 0; times < 2; times++) await put(world, "web1/app.log", randomBytes(100));
    await world.dropZoneOwner.send(new DeleteObjectCommand({ Bucket: DROP_ZONE, Key: "web1/app.log" }));
    const sources = await world.listDropZone();
    assert.equal(sources.length, keys.length + 2);
    const digests = new Map<string, string>();
    for (const { key, versionId } of sources) {
      const version = { Bucket: DROP_ZONE, Key: key, VersionId: versionId ?? undefined };
      const { Body } = await world.dropZoneOwner.send(new GetObjectCommand(version));
      digests.set(`${key}@${versionId}`, sha256((await Body?.transformToByteArray()) ?? new Uint8Array()));
    }

    const ran = await world.run("mover", ["run", "--once"]);
    assert.equal(ran.exit, 0, ran.stderr);
    assert.deepEqual(await world.listDropZone(), []);
    const names = new Map(sources.map((source) => [vaultNameOf({ bucket: DROP_ZONE, ...source }), source]));
    assert.equal(names.size, sources.length, "no two sources share a name");
    assert.deepEqual((await world.listVault()).map(({ key }) => key).toSorted(), [...names.keys()].toSorted());
    for (const [name, { key, versionId }] of names) {
      assert.match(name, /^archive(\/[A-Za-z0-9._=%~-]{1,255})+$/);
      assert.ok(!name.split("/").some((segment) => segment === "." || segment === ".."), name);
      assert.equal(sha256(await world.readVault(name)), digests.get(`${key}@${versionId}`), key);
    }
    const entries = (await readLedger(world)).flatMap((segment) => segment.entries);
    const byId = (source: Pick<StoredVersion, "key" | "versionId">): string => `${source.key}@${source.versionId}`;
    assert.deepEqual(
      entries.flatMap(({ source }) => (source === null ? [] : byId(source))).toSorted(),
      [...digests.keys()].toSorted(),
    );
    assert.ok(
      entries.every(
        ({ statement, signature, hostKey }) => statement === null && signature === null && hostKey === null,
      ),
    );
    const verified = await verifyHere(world);
    assert.equal(verified.exit, 0, JSON.stringify(verified.printed));
  });

  test("metadata and content headers cross; tags, storage class and encryption headers of a host's choice do not", async () => {
    await using world = await startWorld({ hostOptions: "signatures: none" });
    const kept = {
      ContentType: "application/x-tar",
      ContentEncoding: "zstd",
      ContentLanguage: "de",
      ContentDisposition: 'attachment; filename="b.tar"',
      CacheControl: "no-store",
      Metadata: { origin: "web1", note: "=?UTF-8?B?w7xiZXIgdW5z?=" },
    };
    const Expires = new Date("2027-01-01T00:00:00Z");
    const small = newKey("web1", "small");
    const large = newKey("web1", "large");
    const steering = {
      Tagging: "retention=none&class=hot",
      StorageClass: "STANDARD_IA",
      ServerSideEncryption: "AES256",
    } as const;
    await put(world, small, randomBytes(10), { ...kept, Expires, ...steering });
    await put(world, large, randomBytes(9 * 1024 * 1024), { ...kept, Expires, ...steering });
    const ran = await world.run("mover", ["run", "--once"]);
    assert.equal(ran.exit, 0, ran.stderr);

    const archived = await world.listVault();
    assert.equal(archived.length, 2);
    for (const { key: Key, storageClass } of archived) {
      const target = { Bucket: VAULT, Key };
      const {
        Body,
        ContentType,
        ContentEncoding,
        ContentLanguage,
        ContentDisposition,
        CacheControl,
        Metadata,
        ...rest
      } = await world.vaultOwner.send(new GetObjectCommand(target));
      await Body?.transformToByteArray();
      assert.deepEqual(
        { ContentType, ContentEncoding, ContentLanguage, ContentDisposition, CacheControl, Metadata },
        kept,
        Key,
      );
      assert.equal(rest.ExpiresString, Expires.toUTCString());
      assert.equal(storageClass, "STANDARD");
      assert.deepEqual((await world.vaultOwner.send(new GetObjectTaggingCommand(target))).TagSet, []);
    }
    const entries = (await readLedger(world)).flatMap((segment) => segment.entries);
    for (const { source } of entries) {
      assert.deepEqual(source?.tags, [
        { key: "retention", value: "none" },
        { key: "class", value: "hot" },
      ]);
    }
  });

  test("a drop-zone too full for one page: every host's objects are moved, and a flood of one's delays no other's", async () => {
    await using world = await startWorld({ hosts: ["web1", "web2"], hostOptions: "signatures: none", concurrency: 16 });
    const flood = Array.from({ length: 1_050 }, () => newKey("web1"));
    const few = Array.from({ length: 5 }, () => newKey("web2"));
    await putMany(world, [...flood, ...few]);
    const ran = await world.run("mover", ["--log-level", "warn", "run", "--once"]);
    assert.equal(ran.exit, 0, ran.stderr);
    assert.deepEqual(await world.listDropZone(), []);
    const entries = (await readLedger(world)).flatMap((segment) => segment.entries);
    assert.deepEqual(entries.flatMap(({ source }) => source?.key ?? []).toSorted(), [...flood, ...few].toSorted());
    const positions = entries.flatMap(({ source, index }) => (source?.key.startsWith("web2/") ? index : []));
    assert.ok(Math.max(...positions) <= 600, `web2's came at ${positions.join(", ")} of ${entries.length}`);
  });
});
