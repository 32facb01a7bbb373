import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { isAirlockError } from "../../shared/errors.ts";
import {
  findSigner,
  formatSigningKey,
  generateSigningKey,
  parsePublicKey,
  parseSigningKey,
  signBytes,
} from "../../shared/keys.ts";

const MESSAGE = Buffer.from("a message");
const NOW = new Date("2026-11-21T00:00:00Z");

test("a signing key is read back as it was written", () => {
  const key = generateSigningKey();
  const again = parseSigningKey(formatSigningKey(key), "host.key");
  assert.equal(again.public.text, key.public.text);
  assert.deepEqual(signBytes(again, MESSAGE), signBytes(key, MESSAGE));
});

test("the key of RFC 8032, section 7.1, test 2, signs as it says there", () => {
  const seed = Buffer.from("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "hex");
  // PKCS #8 around the seed (RFC 8410, section 7)
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const key = parseSigningKey(
    `-----BEGIN PRIVATE KEY-----\n${der.toString("base64")}\n-----END PRIVATE KEY-----\n`,
    "k",
  );
  assert.equal(
    signBytes(key, Uint8Array.of(0x72)).toString("hex"),
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  );
  const raw = Buffer.from("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "hex");
  assert.equal(key.public.text, `ed25519:${raw.toString("base64")}`);
});

test("a key that `openssl genpkey -algorithm ed25519` made is read", () => {
  const pem = [
    "-----BEGIN PRIVATE KEY-----",
    "MC4CAQAwBQYDK2VwBCIEICX76t55XUxPggZHEhML2aSfmrF68zsynBG0jlxw1nKK",
    "-----END PRIVATE KEY-----",
    "",
  ].join("\n");
  // as `openssl pkey -pubout` has it
  assert.equal(parseSigningKey(pem, "k").public.text, "ed25519:Awq89MVhoDN6LvatuLVbgERE2gxGNv7loqiC0+QyRk8=");
});

test("what is not an Ed25519 private key is refused", () => {
  const rsa = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" });
  for (const pem of ["", "not a key", rsa]) {
    assert.throws(
      () => parseSigningKey(pem, "host.key"),
      (error) => isAirlockError(error, "key-file") && error.subject === "host.key",
    );
  }
});

test("a public key has one way to be written", () => {
  const { text } = generateSigningKey().public;
  assert.equal(parsePublicKey(text).text, text);
  const raw = text.slice("ed25519:".length);
  const others = [
    raw,
    `ED25519:${raw}`,
    ` ${text}`,
    `${text}\n`,
    text.replace("=", ""),
    `ed25519:${Buffer.alloc(31).toString("base64")}`,
    `ed25519:${Buffer.alloc(33).toString("base64")}`,
    `ed25519:${Buffer.from(raw, "base64").toString("hex")}`,
    "ed25519:",
    "",
  ];
  for (const other of others)
    assert.throws(
      () => parsePublicKey(other),
      (error) => isAirlockError(error, "key-file"),
      other,
    );
});

test("a signature counts only from its key's first moment until before its last", () => {
  const signer = generateSigningKey();
  const signature = signBytes(signer, MESSAGE);
  const from = new Date("2026-11-20T00:00:00Z");
  const until = new Date("2026-11-22T00:00:00Z");
  const key = parsePublicKey(signer.public.text, from, until);
  const find = (at: Date): boolean => findSigner([key], MESSAGE, signature, at) === key;
  assert.ok(find(NOW));
  assert.ok(find(from));
  assert.ok(!find(new Date(from.getTime() - 1)));
  assert.ok(find(new Date(until.getTime() - 1)));
  assert.ok(!find(until));
});

test("the key that signed is found among others, and no other", () => {
  const [one, two, three] = [generateSigningKey(), generateSigningKey(), generateSigningKey()];
  const keys = [one.public, two.public];
  assert.equal(findSigner(keys, MESSAGE, signBytes(two, MESSAGE), NOW), two.public);
  assert.equal(findSigner(keys, MESSAGE, signBytes(three, MESSAGE), NOW), null);
  assert.equal(findSigner(keys, Buffer.from("another"), signBytes(two, MESSAGE), NOW), null);
  assert.equal(findSigner(keys, MESSAGE, Buffer.alloc(0), NOW), null);
  assert.equal(findSigner([], MESSAGE, signBytes(two, MESSAGE), NOW), null);
});
