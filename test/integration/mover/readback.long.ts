/** `verify: readback`: nothing is recorded before the vault's own bytes were read, and are the right ones. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { vaultNameOf } from "../../../shared/names.ts";
import type { StoredVersion } from "../../../shared/stores.ts";
import { later, runMoverHere, verifyHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld, VAULT, type World, type WorldOptions } from "../../support/world.ts";
import { readLedger } from "./craft.ts";

const MiB = 1024 * 1024;
/** After which a hold is tried again. */
const HOLD_MS = 24 * 3_600_000;
const TAKES_ALL: WorldOptions = { verify: "readback", quirks: { vault: { takesAlteredBytes: true } } };

/** What the mover reads below `archive/` is not what was stored there. */
function alterReads(world: World, times: number): { readonly fired: number } {
  const fault = { kind: "flip", atByte: 3 } as const;
  const principal = /user\/mover$/;
  return world.server.faults.add({
    operation: "GetObject",
    bucket: VAULT,
    key: /^archive\//,
    principal,
    times,
    fault,
  });
}

async function onlyObject(world: World): Promise<StoredVersion> {
  const [version, ...others] = await world.listDropZone();
  assert.ok(version !== undefined && others.length === 0);
  return version;
}

async function assertSound(world: World): Promise<void> {
  const verified = await verifyHere(world);
  assert.equal(verified.exit, 0, JSON.stringify(verified.printed));
}

describe("verify: readback", { concurrency: 2 }, () => {
  for (const vaultVersions of ["locked", "none"] as const) {
    test(`a vault that takes altered bytes is refused without it and works with it (versions: ${vaultVersions})`, async () => {
      await using world = await startWorld({ ...TAKES_ALL, vaultVersions });
      const bodies = [randomBytes(0), randomBytes(100), randomBytes(9 * MiB)];
      for (const bytes of bodies) await world.putSigned("web1", bytes);
      const ran = await runMoverHere(world);
      assert.equal(ran.exit, 0, JSON.stringify(ran.events.at(-1)));
      assert.deepEqual(await world.listDropZone(), []);
      const sizes = (await world.listVault()).map(({ sizeBytes }) => sizeBytes);
      assert.deepEqual(
        sizes.toSorted((a, b) => a - b),
        bodies.map(({ length }) => length),
      );
      await assertSound(world);
    });
  }

  test("without it, such a vault is refused, and the refusal names it", async () => {
    await using world = await startWorld({ quirks: { vault: { takesAlteredBytes: true } } });
    await world.putSigned("web1", randomBytes(10));
    const ran = await runMoverHere(world);
    assert.equal(ran.exit, 2);
    assert.match(ran.error?.message ?? "", /neither a wrong checksum.*\n.*set `verify: readback`/);
    assert.deepEqual(await world.listVault(), []);
  });

  for (const sizeBytes of [100, 9 * MiB]) {
    test(`${sizeBytes} bytes that read otherwise are held, never released, and go to the next name`, async () => {
      await using world = await startWorld(TAKES_ALL);
      const bytes = randomBytes(sizeBytes);
      await world.putSigned("web1", bytes);
      const source = await onlyObject(world);
      alterReads(world, 1);
      const held = await runMoverHere(world);
      assert.equal(held.exit, 0);
      assert.equal(held.events.find(({ event }) => event === "object-held")?.code, "vault-mismatch");
      assert.ok(held.events.some(({ event, fields }) => event === "alert" && fields.detail === "vault-mismatch: 1"));
      assert.equal((await onlyObject(world)).versionId, source.versionId);
      assert.deepEqual(
        (await readLedger(world)).flatMap(({ entries }) => entries),
        [],
      );

      // the name now holds the right bytes, as it happens, and this is what is found out
      const again = await runMoverHere(world, { timing: later(HOLD_MS) });
      assert.equal(again.exit, 0);
      assert.deepEqual(await world.listDropZone(), []);
      assert.deepEqual(
        (await world.listVault()).map(({ key }) => key),
        [vaultNameOf({ bucket: DROP_ZONE, ...source })],
      );
      await assertSound(world);
    });

    test(`${sizeBytes} bytes whose name holds other bytes already go to the next name, with a finding and an alert`, async () => {
      await using world = await startWorld(TAKES_ALL);
      const bytes = randomBytes(sizeBytes);
      await world.putSigned("web1", bytes);
      const source = await onlyObject(world);
      const names = [0, 1, 2].map((attempt) => vaultNameOf({ bucket: DROP_ZONE, ...source }, attempt));
      alterReads(world, 3); // as it was written, then again under the first name, then under the second
      assert.equal((await runMoverHere(world)).exit, 0);
      assert.equal((await runMoverHere(world, { timing: later(HOLD_MS) })).exit, 0);
      assert.equal((await onlyObject(world)).key, source.key, "still there");
      const fault = alterReads(world, 2);
      const ran = await runMoverHere(world, { timing: later(3 * HOLD_MS) });
      assert.equal(fault.fired, 2);
      assert.equal(ran.exit, 0);
      assert.deepEqual(await world.listDropZone(), []);
      assert.deepEqual((await world.listVault()).map(({ key }) => key).toSorted(), names.toSorted());
      const archived = (await readLedger(world))
        .flatMap(({ entries }) => entries)
        .filter(({ vault }) => vault !== null);
      assert.deepEqual(
        archived.map(({ vault, findings }) => [vault?.name, findings.map(({ code }) => code)]),
        [[names[2], ["vault-mismatch", "vault-mismatch"]]],
      );
      assert.ok(ran.events.some(({ event, fields }) => event === "alert" && fields.kind === "vault-mismatch"));
      assert.ok((await world.readVault(names[2] ?? "")).equals(bytes));
    });
  }

  test("a name that exists is read back before it is recorded: a crash after the commit loses nothing", async () => {
    await using world = await startWorld(TAKES_ALL);
    await world.putSigned("web1", randomBytes(1000));
    const source = await onlyObject(world);
    const ledger = { operation: "PutObject", bucket: VAULT, key: /^_airlock\/ledger\// } as const;
    const crash = new AbortController();
    const run = (): void => crash.abort();
    const fault = world.server.faults.add({ ...ledger, times: 1, fault: { kind: "hook", when: "before", run } });
    world.server.faults.add({ ...ledger, times: 1, fault: { kind: "reset", when: "before" } });
    await runMoverHere(world, { abort: crash.signal });
    assert.equal(fault.fired, 1);
    assert.equal((await runMoverHere(world)).exit, 0);
    const entries = (await readLedger(world)).flatMap((segment) => segment.entries).filter(({ vault }) => vault);
    assert.equal(entries.length, 1);
    assert.equal(entries[0]?.vault?.name, vaultNameOf({ bucket: DROP_ZONE, ...source }));
    assert.notEqual(entries[0]?.vault?.versionId, null, "the version that was read");
    await assertSound(world);
  });

  test("with `verify: checksum` the mover asks for nothing below archive/", async () => {
    await using world = await startWorld();
    await world.putSigned("web1", randomBytes(1000));
    const read: string[] = [];
    world.server.onRequest(({ operation, bucket, key }) => {
      if (bucket === VAULT && operation === "GetObject" && key?.startsWith("archive/") === true) read.push(key);
    });
    assert.equal((await runMoverHere(world)).exit, 0);
    assert.deepEqual(read, []);
  });

  test("init --readback writes it, and prints a policy that has the read", async () => {
    await using world = await startWorld();
    const config = `${world.dir}/new/mover.yaml`;
    const buckets = ["--drop-zone", "acme-in", "--vault", "acme-out", "--region", "us-east-1"];
    const ran = await world.run("mover", ["--config", config, "init", "--id", "m", ...buckets, "--readback"]);
    assert.equal(ran.exit, 0, ran.stderr);
    assert.match(ran.stdout, /"ReadBack"/);
    assert.doesNotMatch(ran.stdout, /"NeverRead"/);
    assert.match(await readFile(config, "utf8"), /^ {2}verify: readback$/m);
  });
});
