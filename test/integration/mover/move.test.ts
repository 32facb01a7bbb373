import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { vaultNameOf } from "../../../shared/names.ts";
import { verifyHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld } from "../../support/world.ts";

const MiB = 1024 * 1024;

describe("moving", { concurrency: 2 }, () => {
  for (const versioned of [true, false]) {
    test(`${versioned ? "versioned" : "unversioned"} drop-zone: every object reaches the vault under its one name, byte for byte`, async () => {
      await using world = await startWorld({ versioned });
      const bodies = new Map<string, Buffer>();
      for (const size of [0, 1, 1000, 8 * MiB, 8 * MiB + 1]) {
        const bytes = randomBytes(size);
        bodies.set((await world.putSigned("web1", bytes, { name: `single ${size}` })).key, bytes);
      }
      const large = randomBytes(37 * MiB + 5);
      bodies.set((await world.putSigned("web1", large, { name: "large", partBytes: 5 * MiB })).key, large);
      const sources = (await world.listDropZone()).filter(({ key }) => bodies.has(key));
      assert.equal(sources.length, bodies.size);

      const ran = await world.run("mover", ["run", "--once"]);
      assert.equal(ran.exit, 0, ran.stderr);
      assert.deepEqual(await world.listDropZone(), []);
      const names = sources.map((source) => vaultNameOf({ bucket: DROP_ZONE, ...source }));
      assert.deepEqual((await world.listVault()).map(({ key }) => key).toSorted(), [...names].toSorted());
      for (const [index, source] of sources.entries()) {
        assert.ok(
          (await world.readVault(names[index] ?? "")).equals(bodies.get(source.key) ?? Buffer.of()),
          source.key,
        );
      }
      const verified = await verifyHere(world);
      assert.equal(verified.exit, 0, JSON.stringify(verified.printed));
    });
  }
});
