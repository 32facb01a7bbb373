import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isInShare } from "../../../mover/share.ts";

test("every host, whatever its name, is in exactly one share of n", () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 50 }), (host, of) => {
      const shares = Array.from({ length: of }, (_, at) => at + 1).filter((index) => isInShare(host, { index, of }));
      assert.equal(shares.length, 1);
    }),
  );
});

test("the share is the one that the format says: the first 8 bytes of SHA-256, big-endian, modulo n", () => {
  for (const host of ["web1", "web2", "db", "constructor", ""]) {
    const hex = createHash("sha256").update(host).digest("hex").slice(0, 16);
    const index = Number(BigInt(`0x${hex}`) % 3n) + 1;
    assert.ok(isInShare(host, { index, of: 3 }), host);
  }
});
