import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { operatorSchema } from "../../../operator/config.ts";
import { identityToWords } from "../../../operator/identity-words.ts";
import { generateAgeKeyPair } from "../../../operator/keygen.ts";
import { drawKit } from "../../../operator/kit-pdf.ts";
import { kitConfiguration } from "../../../operator/kit-text.ts";
import { fingerprintKit, type Kit } from "../../../operator/kit.ts";
import { generateSigningKey, parsePublicKey, type PublicKey } from "../../../shared/keys.ts";

const { identity, recipient } = await generateAgeKeyPair(false);
const newKey = (from: Date | null = null, until: Date | null = null): PublicKey =>
  parsePublicKey(generateSigningKey().public.text, from, until);

const kit: Kit = {
  madeAt: new Date("2026-11-28T10:00:00.000Z"),
  version: "0.1.0",
  vault: {
    bucket: "acme-vault",
    region: "eu-west-1",
    endpoint: "https://s3.example.net",
    forcePathStyle: true,
    credentials: { kind: "profile", profile: "vault-read" },
    expectedBucketOwner: "444455556666",
    checksums: "required-only",
  },
  readKey: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
  identity,
  words: identityToWords(identity),
  recipient,
  movers: new Map([["mover-a", [newKey(null, new Date("2026-11-01T00:00:00Z")), newKey()]]]),
  hosts: new Map([
    ["web1", [newKey()]],
    ["a".repeat(63), [newKey(new Date("2026-01-01T00:00:00Z"))]],
  ]),
  seen: { heads: [{ mover: "mover-a", segment: 7, digest: "ab".repeat(32) }], withoutHead: [], sets: ["web1/etc"] },
};

test("the same kit is the same PDF to the byte, and another time makes another", async () => {
  const first = await drawKit(kit);
  assert.equal(first.subarray(0, 5).toString(), "%PDF-");
  assert.ok(first.equals(await drawKit(kit)));
  assert.ok(!first.equals(await drawKit({ ...kit, madeAt: new Date("2026-11-28T10:00:01.000Z") })));
});

test("a kit's fingerprint tells kits apart, and holds no secret", () => {
  assert.match(fingerprintKit(kit), /^[0-9a-f]{16}$/);
  assert.notEqual(fingerprintKit({ ...kit, recipient: "age1other" }), fingerprintKit(kit));
  assert.notEqual(fingerprintKit({ ...kit, hosts: new Map() }), fingerprintKit(kit));
  const secrets = {
    identity: "other",
    words: ["other"],
    readKey: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "other" },
  };
  assert.equal(fingerprintKit({ ...kit, ...secrets }), fingerprintKit(kit));
});

test("the printed configuration, typed in, is the one that the kit was made with, but for where the key comes from", () => {
  const typed: unknown = parse(kitConfiguration(kit).join("\n"));
  const { vault, movers, hosts } = operatorSchema.parse(typed);
  assert.deepEqual(vault, { ...kit.vault, credentials: { kind: "chain" } });
  assert.deepEqual([movers, hosts], [kit.movers, kit.hosts]);
});

test("hundreds of hosts go on over further pages", async () => {
  const hosts = new Map(Array.from({ length: 300 }, (_, index) => [`host-${index}`, [newKey()]] as const));
  const pages = (await drawKit({ ...kit, hosts })).toString("latin1").match(/\/Type \/Page\b/g) ?? [];
  assert.ok(pages.length > 5 && pages.length < 20, `${pages.length} pages`);
});
