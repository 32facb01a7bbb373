/** The probe must see each broken promise: the embedded server is made to break them one at a time. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { openDropZoneSource } from "../../../shared/s3/drop-zone-source.ts";
import { openDropZoneWriter } from "../../../shared/s3/drop-zone-writer.ts";
import { probeDropZone } from "../../../shared/s3/probe-drop-zone.ts";
import { probeVault } from "../../../shared/s3/probe-vault.ts";
import { openVaultReader } from "../../../shared/s3/vault-reader.ts";
import { startGullibleStore } from "./gullible-store.ts";
import { forever, impatient, openWorld, type World } from "./fixture.ts";

const signal = forever();
const options = { retryTools: impatient };
const RETENTION = { mode: "COMPLIANCE", days: 30 } as const;

let world: World;
before(async () => {
  world = await openWorld();
});
afterEach(() => world.server.faults.clear());
after(() => world[Symbol.asyncDispose]());

describe("probeDropZone", () => {
  for (const versioning of [true, false]) {
    it(`finds a good store ${versioning ? "with" : "without"} versions to be good, and leaves it as it was`, async () => {
      const config = await world.makeBucket(`probe-drop-${versioning}`, { versioning });
      await using writer = await openDropZoneWriter(config, options);
      await writer.createObject("web1/k", Buffer.from("x"), { attributes: { metadata: new Map() }, signal });
      for (const round of [1, 2]) {
        const found = await probeDropZone(config, "mover-a", signal, options);
        assert.equal(found.versioned, versioning, `round ${round}`);
        assert.equal(found.conditionalDelete, versioning ? "not-needed" : "honoured");
        assert.equal(found.createOnly, true);
        assert.ok(Math.abs(found.clockSkewMs ?? 1e9) < 3000);
      }
      await using source = await openDropZoneSource(config, { versioned: versioning, ...options });
      const page = await source.listPage({ prefix: "", cursor: null, limit: 1000, signal });
      assert.deepEqual(
        page.versions.map(({ key }) => key),
        ["web1/k"],
      );
      assert.deepEqual(page.deleteMarkers, []);
    });
  }

  it("clears away what an interrupted probe has left", async () => {
    const config = await world.makeBucket("probe-drop-left", { versioning: true });
    const cut = world.server.faults.add({
      operation: "ListObjectVersions",
      fault: { kind: "error", when: "before", status: 403, code: "AccessDenied" },
    });
    await assert.rejects(probeDropZone(config, "mover-a", signal, options), { code: "access-denied" });
    cut.remove();
    await probeDropZone(config, "mover-a", signal, options);
    await using source = await openDropZoneSource(config, { versioned: true, ...options });
    assert.deepEqual((await source.listPage({ prefix: "", cursor: null, limit: 1000, signal })).versions, []);
  });

  it("sees that conditional deletes are ignored", async () => {
    const config = await world.makeBucket("probe-drop-ignored");
    world.server.faults.add({
      operation: "DeleteObject",
      times: 1,
      fault: { kind: "replace", when: "before", status: 204 },
    });
    assert.equal((await probeDropZone(config, "m", signal, options)).conditionalDelete, "ignored");
  });

  it("sees that conditional deletes are refused whatever the ETag", async () => {
    const config = await world.makeBucket("probe-drop-refused");
    world.server.faults.add({
      operation: "DeleteObject",
      times: 2,
      fault: { kind: "error", when: "before", status: 501, code: "NotImplemented" },
    });
    assert.equal((await probeDropZone(config, "m", signal, options)).conditionalDelete, "refused");
  });

  it("sees that create-only writes are ignored", async () => {
    const config = await world.makeBucket("probe-drop-overwrite");
    world.server.faults.add({
      operation: "PutObject",
      nth: 2,
      fault: { kind: "replace", when: "before", status: 200, headers: { etag: '"x"' } },
    });
    assert.equal((await probeDropZone(config, "m", signal, options)).createOnly, false);
  });

  it("does not start on a store that only says that it deletes", async () => {
    const config = await world.makeBucket("probe-drop-liar", { versioning: true });
    world.server.faults.add({ operation: "DeleteObject", fault: { kind: "replace", when: "before", status: 204 } });
    await assert.rejects(probeDropZone(config, "m", signal, options), { code: "store-unsafe" });
  });

  it("takes an outage for an outage", async () => {
    const config = await world.makeBucket("probe-drop-down");
    world.server.faults.add({
      operation: "PutObject",
      fault: { kind: "error", when: "before", status: 503, code: "ServiceUnavailable" },
    });
    await assert.rejects(probeDropZone(config, "m", signal, options), { code: "outcome-unknown" });
  });
});

describe("probeVault", () => {
  const good = { versioning: true, objectLock: RETENTION };

  it("finds a good store to be good, leaving one object at the first start and nothing after", async () => {
    const config = await world.makeBucket("probe-vault", good);
    await using reader = await openVaultReader(config, options);
    for (const round of [1, 2, 3]) {
      const { clockSkewMs, ...found } = await probeVault(config, "mover-a", signal, options);
      assert.deepEqual(
        found,
        {
          createOnlyPut: true,
          createOnlyComplete: true,
          refusesWrongChecksum: true,
          refusesWrongPayloadHash: true,
          versioning: "enabled",
          retention: RETENTION,
          objectLock: "own",
          tls: false,
        },
        `round ${round}`,
      );
      assert.ok(Math.abs(clockSkewMs ?? 1e9) < 3000);
      const page = await reader.listPage({ prefix: "", cursor: null, limit: 1000, signal });
      assert.deepEqual(
        page.versions.map(({ key }) => key),
        ["_airlock/probe/mover-a/create-only"],
      );
    }
  });

  it("leaves no upload behind", async () => {
    const config = await world.makeBucket("probe-vault-uploads", good);
    const begun: string[] = [];
    const ended: string[] = [];
    world.server.onRequest(({ operation }) => {
      if (operation === "CreateMultipartUpload") begun.push(operation);
      if (operation === "AbortMultipartUpload") ended.push(operation);
    });
    await probeVault(config, "m", signal, options);
    assert.ok(begun.length > 0);
    assert.equal(ended.length, begun.length);
  });

  it("sees that a second PUT overwrites", async () => {
    const config = await world.makeBucket("probe-vault-put", good);
    world.server.faults.add({
      operation: "PutObject",
      key: /create-only$/,
      fault: { kind: "replace", when: "before", status: 200, headers: { etag: '"x"' } },
    });
    assert.equal((await probeVault(config, "m", signal, options)).createOnlyPut, false);
  });

  it("sees that a completion overwrites", async () => {
    const config = await world.makeBucket("probe-vault-complete", good);
    const body = "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>";
    world.server.faults.add({
      operation: "CompleteMultipartUpload",
      fault: { kind: "replace", when: "before", status: 200, body },
    });
    assert.equal((await probeVault(config, "m", signal, options)).createOnlyComplete, false);
  });

  for (const [name, behaviour] of [
    ["parts", { refusesAlteredObjects: true }],
    ["objects", { refusesAlteredParts: true }],
  ] as const) {
    it(`sees that altered ${name} are taken`, async () => {
      await using store = await startGullibleStore(behaviour);
      const config = { ...(await world.configFor("gullible", world.account.owner)), endpoint: store.endpoint };
      const found = await probeVault(config, "m", signal, options);
      assert.equal(found.refusesWrongChecksum, false);
      assert.equal(found.refusesWrongPayloadHash, false);
    });
  }

  it("sees that altered bytes are refused, by the same store, once it refuses both", async () => {
    await using store = await startGullibleStore({ refusesAlteredParts: true, refusesAlteredObjects: true });
    const config = { ...(await world.configFor("gullible", world.account.owner)), endpoint: store.endpoint };
    const found = await probeVault(config, "m", signal, options);
    assert.equal(found.refusesWrongChecksum, true);
    assert.equal(found.refusesWrongPayloadHash, true);
    assert.equal(found.createOnlyPut, false);
    assert.equal(found.createOnlyComplete, false);
  });

  it("takes a name that altered bytes once got for an answer", async () => {
    await using store = await startGullibleStore({ refusesAlteredParts: true, hasAlteredObjects: true });
    const config = { ...(await world.configFor("gullible", world.account.owner)), endpoint: store.endpoint };
    const found = await probeVault(config, "m", signal, options);
    assert.equal(found.refusesWrongChecksum, false);
    assert.equal(found.refusesWrongPayloadHash, false);
  });

  it("does not take a refusal of everything for a refusal of altered bytes", async () => {
    const config = await world.makeBucket("probe-vault-everything", good);
    world.server.faults.add({
      operation: "UploadPart",
      key: /altered-/,
      fault: { kind: "error", when: "before", status: 400, code: "InvalidRequest" },
    });
    const found = await probeVault(config, "m", signal, options);
    assert.equal(found.refusesWrongChecksum, false);
    assert.equal(found.refusesWrongPayloadHash, false);
  });

  describe("whether an object gets a lock of its own", () => {
    const hidden = { kind: "headers", headers: { "x-amz-object-lock-mode": null } } as const;
    const asked = (status: number, code: string) => ({ kind: "error", when: "before", status, code }) as const;

    it("is seen where it does not, as on versitygw, and costs one more object in all", async () => {
      const config = await world.makeBucket("probe-lock-none", good);
      world.server.faults.add({ operation: "HeadObject", fault: hidden });
      world.server.faults.add({
        operation: "GetObjectRetention",
        fault: asked(400, "NoSuchObjectLockConfiguration"),
      });
      for (let round = 0; round < 2; round++) {
        assert.equal((await probeVault(config, "m", signal, options)).objectLock, "none");
      }
      await using reader = await openVaultReader(config, options);
      const { versions } = await reader.listPage({ prefix: "", cursor: null, limit: 1000, signal });
      assert.deepEqual(
        versions.map(({ key }) => key),
        ["_airlock/probe/m/create-only", "_airlock/probe/m/lock-compliance-30"],
      );
    });

    it("is not judged by an object that is older than the bucket's default", async () => {
      const config = await world.makeBucket("probe-lock-later", good);
      const old = { operation: "HeadObject", key: /create-only$/, fault: hidden } as const;
      world.server.faults.add(old);
      world.server.faults.add({
        operation: "GetObjectRetention",
        key: /create-only$/,
        fault: asked(404, "NoSuchObjectLockConfiguration"),
      });
      assert.equal((await probeVault(config, "m", signal, options)).objectLock, "own");
    });

    it("is not known to a key that may not see it", async () => {
      const config = await world.makeBucket("probe-lock-denied", good);
      world.server.faults.add({ operation: "HeadObject", fault: hidden });
      world.server.faults.add({ operation: "GetObjectRetention", fault: asked(403, "AccessDenied") });
      assert.equal((await probeVault(config, "m", signal, options)).objectLock, "unknown");
    });
  });

  it("tells apart: no lock, no versions, and no right to know", async () => {
    const plain = await world.makeBucket("probe-vault-plain");
    assert.partialDeepStrictEqual(await probeVault(plain, "m", signal, options), {
      versioning: "off",
      retention: "none",
    });
    const locked = await world.makeBucket("probe-vault-locked", { versioning: true, objectLock: true });
    assert.partialDeepStrictEqual(await probeVault(locked, "m", signal, options), {
      versioning: "enabled",
      retention: "none",
    });
    const denied = { kind: "error", when: "before", status: 403, code: "AccessDenied" } as const;
    world.server.faults.add({ operation: ["GetBucketVersioning", "GetObjectLockConfiguration"], fault: denied });
    assert.partialDeepStrictEqual(await probeVault(locked, "m", signal, options), {
      versioning: "unknown",
      retention: "unknown",
    });
  });
});
