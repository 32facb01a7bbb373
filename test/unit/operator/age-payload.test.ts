import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import * as vectors from "cctv-age";
import fc from "fast-check";
import { decryptAge } from "../../../operator/age-payload.ts";
import { isAirlockError } from "../../../shared/errors.ts";
import { sha256 } from "./fixture.ts";

async function decrypt(bytes: Uint8Array, identities: readonly string[], pieceBytes = 65_536): Promise<Buffer> {
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  return Buffer.concat(await Array.fromAsync(decryptAge(pieces(), identities)));
}

interface Vector {
  readonly expect: string;
  readonly payload: string | undefined;
  readonly identities: readonly string[];
  readonly file: Uint8Array;
}

/** null: about what Airlock has not (passphrases, armor). https://github.com/C2SP/CCTV/tree/main/age */
function parseVector(bytes: Uint8Array): Vector | null {
  const end = Buffer.from(bytes).indexOf("\n\n");
  const fields = Buffer.from(bytes.subarray(0, end))
    .toString("latin1")
    .split("\n")
    .map((line) => line.split(": "));
  const all = (name: string): string[] => fields.flatMap(([key, value = ""]) => (key === name ? [value] : []));
  if (all("passphrase").length > 0 || all("armored").length > 0) return null;
  const body = bytes.subarray(end + 2);
  const file = all("compressed")[0] === "zlib" ? inflateSync(body) : body;
  return { expect: all("expect")[0] ?? "", payload: all("payload")[0], identities: all("identity"), file };
}

let used = 0;
for (const [name, bytes] of Object.entries(vectors)) {
  const vector = parseVector(bytes);
  if (vector === null) continue;
  used += 1;
  test(`CCTV ${name}: ${vector.expect}`, async () => {
    const { expect, file, identities, payload } = vector;
    for (const pieceBytes of [65_536, file.length > 1_000_000 ? 10_007 : 61]) {
      if (expect === "success") {
        assert.equal(sha256(await decrypt(file, identities, pieceBytes)), payload);
        continue;
      }
      await assert.rejects(decrypt(file, identities, pieceBytes), (error) => {
        assert.ok(isAirlockError(error, "decrypt-failed", "object-corrupt"), String(error));
        return true;
      });
    }
  });
}

test("the vectors are there", () => assert.ok(used > 70, `${used} vectors`));

test("whatever was encrypted is decrypted, in pieces of any size, at every chunk boundary", async () => {
  const identity = await generateX25519Identity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const chunk = 65_536;
  const sizes = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk - 1, 2 * chunk, 2 * chunk + 1];
  for (const size of sizes) {
    const plaintext = randomBytes(size);
    const file = await encrypter.encrypt(plaintext);
    for (const pieceBytes of [1_000_000, 65_552, 4096, 997]) {
      assert.ok(
        plaintext.equals(await decrypt(file, [identity], pieceBytes)),
        `${size} bytes in pieces of ${pieceBytes}`,
      );
    }
  }
});

test("no file that was cut off, extended or altered anywhere decrypts to its end", async () => {
  const identity = await generateX25519Identity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const file = await encrypter.encrypt(randomBytes(140_000));
  await fc.assert(
    fc.asyncProperty(fc.nat(file.length - 1), fc.constantFrom("cut", "flip", "extend"), async (at, how) => {
      const damaged = Buffer.from(file);
      if (how === "flip") damaged[at] = (damaged[at] ?? 0) ^ 1;
      const bytes =
        how === "cut"
          ? damaged.subarray(0, at)
          : how === "extend"
            ? Buffer.concat([damaged, Buffer.from([at & 255])])
            : damaged;
      await assert.rejects(decrypt(bytes, [identity]), (error) =>
        isAirlockError(error, "decrypt-failed", "object-corrupt"),
      );
    }),
    { numRuns: 60 },
  );
});

test("chunks are yielded before the file has ended, so that memory does not grow with it", async () => {
  const identity = await generateX25519Identity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const file = await encrypter.encrypt(Buffer.alloc(1_000_000));
  let read = 0;
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (; read < file.length; read += 65_536) yield file.subarray(read, read + 65_536);
  }
  for await (const chunk of decryptAge(pieces(), [identity])) {
    assert.equal(chunk.length, 65_536);
    break;
  }
  assert.ok(read < 4 * 65_536, `${read} bytes were read for the first chunk`);
});

test("a header without an end is given up, not read to the file's end", async () => {
  let read = 0;
  async function* endless(): AsyncGenerator<Uint8Array, void, undefined> {
    yield Buffer.from("age-encryption.org/v1\n");
    for (;;) {
      read += 65_536;
      yield Buffer.alloc(65_536, "x");
    }
  }
  await assert.rejects(
    Array.fromAsync(decryptAge(endless(), [await generateX25519Identity()])),
    /does not begin with an age header/,
  );
  assert.ok(read <= 2 * 1024 * 1024, `${read} bytes were read`);
});
