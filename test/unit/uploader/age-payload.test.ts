import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import {
  Decrypter,
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
  type Recipient,
} from "age-encryption";
import { isAirlockError } from "../../../shared/errors.ts";
import { agePayloadSize, encryptAge } from "../../../uploader/age-payload.ts";

const CHUNK = 64 * 1024;

/** Pieces of many sizes, so that chunk boundaries fall everywhere. */
async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function decrypt(file: Uint8Array, identity: string): Promise<Buffer> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return Buffer.from(await decrypter.decrypt(file));
}

describe("encryptAge", () => {
  for (const size of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17, 1_000_003]) {
    for (const pieceBytes of [997, CHUNK, 300_000]) {
      it(`is read by age's own library: ${size} bytes in pieces of ${pieceBytes}`, async () => {
        const identity = await generateX25519Identity();
        const plain = randomBytes(size);
        const file = await collect(encryptAge(inPieces(plain, pieceBytes), [await identityToRecipient(identity)]));
        assert.ok((await decrypt(file, identity)).equals(plain));
      });
    }
  }

  it("encrypts to every recipient, post-quantum ones too", async () => {
    const [first, second] = [await generateHybridIdentity(), await generateHybridIdentity()];
    const plain = Buffer.from("for both of them");
    const recipients = [await identityToRecipient(first), await identityToRecipient(second)];
    const file = await collect(encryptAge(inPieces(plain, 5), recipients));
    assert.ok((await decrypt(file, first)).equals(plain));
    assert.ok((await decrypt(file, second)).equals(plain));
  });

  it("writes as many bytes as it says", async () => {
    const recipient = await identityToRecipient(await generateX25519Identity());
    for (const size of [0, 1, CHUNK, CHUNK + 1]) {
      const file = await collect(encryptAge(inPieces(Buffer.alloc(size), 1000), [recipient]));
      const headerSize = file.indexOf("\n", file.indexOf("\n--- ") + 1) + 1;
      assert.equal(file.length - headerSize, agePayloadSize(size));
    }
  });

  it("never encrypts two files under one key", async () => {
    const recipient = await identityToRecipient(await generateX25519Identity());
    const digests = new Set<string>();
    for (let run = 0; run < 3; run++) {
      const file = await collect(encryptAge(inPieces(Buffer.alloc(100), 100), [recipient]));
      digests.add(createHash("sha256").update(file).digest("hex"));
    }
    assert.equal(digests.size, 3);
  });

  it("wipes the file key before the first byte is out", async () => {
    const seen: Uint8Array[] = [];
    const spy: Recipient = {
      wrapFileKey: (fileKey) => {
        assert.ok(fileKey.some((byte) => byte !== 0));
        seen.push(fileKey);
        return [];
      },
    };
    const recipient = await identityToRecipient(await generateX25519Identity());
    const stream = encryptAge(inPieces(Buffer.from("x"), 1), [recipient, spy]);
    await stream.next();
    assert.equal(seen.length, 1);
    assert.ok(seen[0]?.every((byte) => byte === 0));
    await stream.return();
  });

  it("leaves no complete file when its source fails", async () => {
    const identity = await generateX25519Identity();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield randomBytes(CHUNK * 2);
      throw new Error("the disk went away");
    }
    const written: Uint8Array[] = [];
    await assert.rejects(async () => {
      for await (const chunk of encryptAge(broken(), [await identityToRecipient(identity)])) written.push(chunk);
    }, /the disk went away/);
    await assert.rejects(decrypt(Buffer.concat(written), identity));
  });

  it("refuses to encrypt to nobody", async () => {
    await assert.rejects(collect(encryptAge(inPieces(Buffer.from("x"), 1), [])), (error) => {
      return isAirlockError(error, "config-invalid") && /nobody/.test(error.message);
    });
  });

  it("refuses what is not a recipient, and says which", async () => {
    await assert.rejects(collect(encryptAge(inPieces(Buffer.from("x"), 1), ["age1nonsense"])), (error) => {
      return isAirlockError(error, "config-invalid") && error.subject === "age1nonsense";
    });
  });
});
