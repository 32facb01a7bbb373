import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { decodedName, decodeStream, isDecodable } from "../../../operator/decode.ts";
import { isAirlockError } from "../../../shared/errors.ts";
import type { EncodingStep } from "../../../shared/statement.ts";

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

for (const [name, encoding, expected] of [
  ["shop.dump", [], "shop.dump"],
  ["shop.dump.zst.age", ["zstd", "age"], "shop.dump"],
  ["etc.tar.zst.age", ["tar", "zstd", "age"], "etc"],
  ["shop.dump", ["zstd", "age"], "shop.dump"],
  ["shop.age", ["zstd", "age"], "shop"],
  ["shop.zst", ["zstd", "age"], "shop.zst"],
  [".zst", ["zstd"], ".zst"],
  ["..zst", ["zstd"], "..zst"],
  ["...age", ["age"], "...age"],
] as const satisfies readonly (readonly [string, readonly EncodingStep[], string])[]) {
  test(`${name} stored as [${encoding.join(", ")}] is restored as ${expected}`, () =>
    assert.equal(decodedName(name, encoding), expected));
}

test("an archive is made first or not at all", () => {
  for (const encoding of [[], ["tar"], ["tar", "zstd", "age"], ["age", "zstd"]] as const)
    assert.ok(isDecodable(encoding));
  for (const encoding of [
    ["zstd", "tar"],
    ["tar", "tar"],
    ["age", "tar"],
  ] as const)
    assert.ok(!isDecodable(encoding));
});

test("a megabyte that grows to a gigabyte takes memory for neither", async () => {
  const bomb = zstdCompressSync(Buffer.alloc(1024 * 1024 * 1024));
  let bytes = 0;
  let peak = 0;
  for await (const piece of decodeStream(once(bomb), ["zstd"], [])) {
    bytes += piece.length;
    peak = Math.max(peak, piece.length);
    if (bytes > 64 * 1024 * 1024) break;
  }
  assert.ok(bytes > 64 * 1024 * 1024);
  assert.ok(peak <= 256 * 1024, `pieces of ${peak} bytes`);
});

test("a frame that asks for a window of over 128 MiB is refused", async () => {
  // RFC 8878, 3.1.1.1: magic, descriptor without single segment, window descriptor with exponent 18 (2^28 bytes)
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3, 0x01, 0x00, 0x00]);
  await assert.rejects(Array.fromAsync(decodeStream(once(frame), ["zstd"], [])), (error) =>
    isAirlockError(error, "object-corrupt"),
  );
});

test("an error of the source is the error of the stream", async () => {
  async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
    yield zstdCompressSync(Buffer.alloc(1000)).subarray(0, 10);
    throw new RangeError("the disk is on fire");
  }
  await assert.rejects(Array.fromAsync(decodeStream(broken(), ["zstd"], [])), /the disk is on fire/);
});
