import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readBytes } from "../../../uploader/byte-reader.ts";

const { signal } = new AbortController();

async function* pieces(list: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* list;
}

describe("readBytes", () => {
  it("hands out every byte once, in order, in the sizes that are asked for, with their digest", async () => {
    const list = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(list, fc.integer({ min: 1, max: 64 }), async (chunks, size) => {
        let seen = 0;
        const reader = readBytes(() => pieces(chunks), { signal, onBytes: (bytes) => void (seen += bytes) });
        const whole = Buffer.concat(chunks);
        const parts: Buffer[] = [];
        while (!(await reader.isAtEnd())) {
          const target = Buffer.alloc(size);
          const length = await reader.read(target);
          assert.ok(length === size || (await reader.isAtEnd()), "short only at the end");
          assert.ok(length > 0, "never an empty part");
          parts.push(target.subarray(0, length));
        }
        assert.ok(Buffer.concat(parts).equals(whole));
        assert.equal(reader.sizeBytes, whole.length);
        assert.equal(seen, whole.length);
        assert.equal(reader.digest(), createHash("sha256").update(whole).digest("hex"));
      }),
    );
  });

  it("has no digest before the end", async () => {
    const reader = readBytes(() => pieces([Buffer.from("ab")]), { signal, onBytes: () => undefined });
    await reader.read(Buffer.alloc(1));
    assert.throws(() => reader.digest(), TypeError);
  });

  it("ends its source when it is dropped early", async () => {
    let ended = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(10);
      } finally {
        ended = true;
      }
    }
    {
      await using reader = readBytes(endless, { signal, onBytes: () => undefined });
      await reader.read(Buffer.alloc(15));
    }
    assert.ok(ended);
  });
});
