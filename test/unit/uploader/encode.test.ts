import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { zstdDecompressSync } from "node:zlib";
import { Decrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { encodeStream, encodingSteps } from "../../../uploader/encode.ts";

async function* from(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  // a piece is there until the next one is asked for
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

describe("encodeStream", () => {
  const compress = { level: 3, windowLog: null };

  it("passes bytes on untouched when nothing is to be done", async () => {
    const bytes = randomBytes(1000);
    assert.ok((await collect(encodeStream(from(bytes), { compress: null, recipients: null }))).equals(bytes));
  });

  it("writes one zstd frame with a checksum", async () => {
    for (const size of [0, 1, 1_000_000]) {
      const bytes = Buffer.alloc(size, "abc");
      const encoded = await collect(encodeStream(from(bytes), { compress, recipients: null }));
      assert.ok(zstdDecompressSync(encoded).equals(bytes));
      assert.equal((encoded[4] ?? 0) & 0b100, 0b100, "Content_Checksum_flag, RFC 8878 3.1.1.1.1");
    }
  });

  it("finds in long mode what lies further back than the level looks, with a window that any zstd reads", async () => {
    const block = randomBytes(16 * 1024 * 1024);
    const compressed = async (windowLog: number | null): Promise<Buffer> =>
      collect(encodeStream(from(block, block), { compress: { level: 1, windowLog }, recipients: null }));
    const long = await compressed(27);
    assert.ok(long.length < 1.1 * block.length);
    assert.ok((await compressed(null)).length > 1.9 * block.length);
    assert.ok(zstdDecompressSync(long).equals(Buffer.concat([block, block])));
    assert.equal(((long[5] ?? 0) >> 3) + 10, 27, "Window_Descriptor's exponent, RFC 8878 3.1.1.1.2");
  });

  it("compresses before it encrypts", async () => {
    const identity = await generateX25519Identity();
    const bytes = Buffer.alloc(300_000, "abc");
    const recipients = [await identityToRecipient(identity)];
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const encoded = await collect(encodeStream(from(bytes), { compress, recipients }));
    assert.ok(zstdDecompressSync(await decrypter.decrypt(encoded)).equals(bytes));
  });

  it("keeps every byte in its place through more than its buffers hold, whatever pieces they come in", async () => {
    const identity = await generateX25519Identity();
    const recipients = [await identityToRecipient(identity)];
    const bytes = Buffer.concat([randomBytes(5_000_003), Buffer.alloc(7_000_000, "abc"), randomBytes(3_000_001)]);
    for (const pieceBytes of [65_537, 3_000_000]) {
      async function* inPieces(): AsyncGenerator<Uint8Array> {
        // one buffer for all of them, as a file's reader has
        const piece = Buffer.alloc(pieceBytes);
        for (let start = 0; start < bytes.length; start += pieceBytes)
          yield piece.subarray(0, bytes.copy(piece, 0, start, start + pieceBytes));
      }
      for (const compressing of [compress, null]) {
        const encoded = await collect(encodeStream(inPieces(), { compress: compressing, recipients }));
        const decrypter = new Decrypter();
        decrypter.addIdentity(identity);
        const decrypted = await decrypter.decrypt(encoded);
        assert.ok((compressing === null ? Buffer.from(decrypted) : zstdDecompressSync(decrypted)).equals(bytes));
      }
    }
  });

  it("reads on no further than its buffers hold while nobody takes the result", async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given += 65_536;
        yield randomBytes(65_536);
      }
    }
    const iterator = encodeStream(endless(), { compress, recipients: null })[Symbol.asyncIterator]();
    await iterator.next();
    let before = -1;
    while (before !== given) {
      before = given;
      await setTimeout(200);
    }
    assert.ok(given < 24 * 1024 * 1024, `${given} bytes`);
    await iterator.return?.();
  });

  it("says why its thread failed", async () => {
    const broken = { level: 3, windowLog: 4 }; // below what zstd has
    await assert.rejects(
      collect(encodeStream(from(randomBytes(1000)), { compress: broken, recipients: null })),
      /zstd|parameter|range/i,
    );
  });

  it("names the steps in the order in which they are taken", () => {
    assert.deepEqual(encodingSteps({ compress, recipients: ["age1…"] }, true), ["tar", "zstd", "age"]);
    assert.deepEqual(encodingSteps({ compress: null, recipients: null }, false), []);
  });

  it("hands a failing source's error on instead of ending", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield randomBytes(500_000);
      throw new Error("the program failed");
    }
    const recipients = [await identityToRecipient(await generateX25519Identity())];
    for (const encoding of [
      { compress, recipients: null },
      { compress: null, recipients },
      { compress, recipients },
    ]) {
      await assert.rejects(collect(encodeStream(broken(), encoding)), /the program failed/);
    }
  });

  it("ends its source when nobody wants more", async () => {
    const closed = Promise.withResolvers<void>();
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield randomBytes(65_536);
      } finally {
        closed.resolve();
      }
    }
    const iterator = encodeStream(endless(), { compress, recipients: null })[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.return?.();
    await closed.promise;
  });
});
