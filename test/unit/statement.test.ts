import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { z } from "zod";
import { AirlockError } from "../../shared/errors.ts";
import { findSigner, generateSigningKey, parsePublicKey, parseSigningKey } from "../../shared/keys.ts";
import {
  canonicalBytes,
  formatStatement,
  inlineStatement,
  MAX_STATEMENT_BYTES,
  parseInlineStatement,
  parseStatement,
  signStatement,
  statementDigest,
  verifyStatement,
  type SignedStatement,
} from "../../shared/statement.ts";

const NOW = new Date("2026-11-21T02:16:00Z");
const vectors = z
  .strictObject({
    publicKey: z.string(),
    keyId: z.string(),
    privateKeySeedHex: z.string(),
    source: z.string(),
    cases: z
      .array(
        z.strictObject({
          statement: z.looseObject({}),
          canonical: z.string(),
          sha256: z.string(),
          signature: z.string(),
          inline: z.boolean(),
          metadata: z.string(),
        }),
      )
      .min(4),
  })
  .parse(JSON.parse(readFileSync(`${import.meta.dirname}/../vectors/statement.json`, "utf8")));

const seed = Buffer.from(vectors.privateKeySeedHex, "hex");
// PKCS #8 around the seed (RFC 8410, section 7)
const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]).toString("base64");
const signingKey = parseSigningKey(`-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`, "vector");

/** As a mover reads it. */
function parsed(envelope: unknown): SignedStatement {
  return parseStatement(Buffer.from(JSON.stringify(envelope)), "subject");
}

const [first] = vectors.cases;
assert.ok(first !== undefined);
const good = parsedCase(first);
const OBJECT = { bucket: good.statement.bucket, key: good.statement.key, sizeBytes: good.statement.size };

function parsedCase({ statement, signature }: { statement: unknown; signature: string }): SignedStatement {
  return parsed({ statement, signature });
}

function throwsCode(code: string, call: () => unknown, about?: string): void {
  assert.throws(call, (error) => error instanceof AirlockError && error.code === code, about);
}

test("the golden key has its golden id", () => {
  assert.equal(signingKey.public.text, vectors.publicKey);
  assert.equal(signingKey.public.id, vectors.keyId);
});

for (const [index, golden] of vectors.cases.entries()) {
  test(`golden statement ${index + 1} has its canonical bytes, digest, signature and metadata`, () => {
    const { statement } = parsedCase(golden);
    assert.equal(canonicalBytes(statement).toString("utf8"), golden.canonical);
    assert.equal(statementDigest(statement), golden.sha256);
    const signed = signStatement(statement, signingKey);
    assert.equal(signed.signature, golden.signature);
    assert.deepEqual(parseInlineStatement(golden.metadata, "subject"), signed);
    const inline = inlineStatement(signed);
    assert.equal(inline !== null, golden.inline);
    if (inline !== null) assert.deepEqual(parseInlineStatement(inline, "subject"), signed);
    const signature = Buffer.from(golden.signature, "base64");
    assert.equal(findSigner([signingKey.public], Buffer.from(golden.canonical), signature, NOW), signingKey.public);
  });
}

test("a statement speaks of one object only", () => {
  const verify = (object: typeof OBJECT): unknown => verifyStatement(good, object, [signingKey.public], NOW);
  assert.equal(verify(OBJECT), signingKey.public);
  throwsCode("statement-invalid", () => verify({ ...OBJECT, bucket: "another-bucket" }));
  throwsCode("statement-invalid", () => verify({ ...OBJECT, key: OBJECT.key.replace("3mzqk", "4mzqk") }));
  throwsCode("size-mismatch", () => verify({ ...OBJECT, sizeBytes: OBJECT.sizeBytes + 1 }));
});

test("a host that speaks for another is not believed, even signed", () => {
  for (const change of [{ host: "web2" }, { set: "etc" }]) {
    const signed = signStatement({ ...good.statement, ...change }, signingKey);
    throwsCode("statement-invalid", () => verifyStatement(signed, OBJECT, [signingKey.public], NOW));
  }
  const foreign = signStatement({ ...good.statement, key: "web1/some.log" }, signingKey);
  throwsCode("statement-invalid", () =>
    verifyStatement(foreign, { ...OBJECT, key: "web1/some.log" }, [signingKey.public], NOW),
  );
});

test("only the host's own keys count, in their time", () => {
  const other = generateSigningKey().public;
  throwsCode("signature-invalid", () => verifyStatement(good, OBJECT, [other], NOW));
  throwsCode("signature-invalid", () => verifyStatement(good, OBJECT, [], NOW));
  const ended = parsePublicKey(vectors.publicKey, null, NOW);
  throwsCode("signature-invalid", () => verifyStatement(good, OBJECT, [ended], NOW));
  const unsigned = { ...good, statement: { ...good.statement, seq: 2, prev: "0".repeat(64) } };
  throwsCode("signature-invalid", () => verifyStatement(unsigned, OBJECT, [signingKey.public], NOW));
});

test("every field is checked", () => {
  const changes: Record<string, unknown> = {
    v: 2,
    bucket: "",
    key: "",
    host: "../web1",
    set: "A",
    epoch: "short",
    seq: 0,
    prev: "0".repeat(64), // on seq 1
    size: -1,
    sha256: "E3",
    encoding: ["rot13"],
    startedAt: "2026-11-21",
    extra: 1,
  };
  for (const [field, value] of Object.entries(changes)) {
    throwsCode("statement-invalid", () => parsed(changed({ [field]: value })), field);
  }
  for (const field of Object.keys(good.statement)) {
    throwsCode("statement-invalid", () => parsed(changed({ [field]: undefined })), `without ${field}`);
  }
  for (const [field, value] of [
    ["size", 1.5],
    ["size", 2 ** 53],
    ["size", "1"],
    ["encoding", ["age", "age", "age", "age"]],
  ]) {
    throwsCode("statement-invalid", () => parsed(changed({ [String(field)]: value })), String(field));
  }
});

function changed(change: Record<string, unknown>): { signature: string; statement: Record<string, unknown> } {
  return { signature: good.signature, statement: { ...good.statement, ...change } };
}

test("hostile JSON is not a statement", () => {
  const json = formatStatement(good);
  const hostile: [string, string | Uint8Array][] = [
    ["nothing", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["deep lists", "[".repeat(4000)],
    ["deep closed lists", "[".repeat(2000) + "]".repeat(2000)],
    ["deep maps", '{"statement":'.repeat(300)],
    ["4 KiB of junk", "\u0007".repeat(4096)],
    ["too long", json.padEnd(MAX_STATEMENT_BYTES + 1)],
    ["a statement twice", json.replace('"statement":', '"statement":{},"statement":')],
    ["a key twice", json.replace('"seq":1', '"seq":2,"seq":1')],
    ["a key twice, once escaped", json.replace('"seq":1', '"s\\u0065q":2,"seq":1')],
    ["a key twice, with a space", json.replace('"seq":1', '"seq" \n:2,"seq":1')],
    ["a prototype", json.replace('"seq":1', '"__proto__":{"seq":2},"seq":1')],
    ["a prototype instead", json.replace('"statement":{', '"__proto__":{')],
    ["a constructor", json.replace('"seq":1', '"constructor":{},"seq":1')],
    ["a byte order mark", `\uFEFF${json}`],
    ["bytes that are not UTF-8", Buffer.concat([Buffer.from(json), Buffer.of(0xff)])],
    ["UTF-16", Buffer.from(json, "utf16le")],
    ["something behind it", `${json}{}`],
    ["a number beyond numbers", json.replace('"seq":1', '"seq":1e400')],
    ["a comment", `${json}//`],
    ["a statement as text", JSON.stringify({ signature: good.signature, statement: JSON.stringify(good.statement) })],
  ];
  for (const [name, text] of hostile)
    throwsCode("statement-invalid", () => parseStatement(Buffer.from(text), "subject"), name);
  assert.deepEqual(parseStatement(Buffer.from(json.padEnd(MAX_STATEMENT_BYTES)), "subject"), good);
});

test("metadata is base64url, in its one form", () => {
  const inline = inlineStatement(good) ?? "";
  assert.deepEqual(parseInlineStatement(inline, "subject"), good);
  for (const value of ["", `${inline}=`, ` ${inline}`, inline.replace("e", "+"), `${inline}A`, inline.slice(0, -1)]) {
    throwsCode("statement-invalid", () => parseInlineStatement(value, "subject"), value);
  }
});

test("what is not a statement is never signed", () => {
  assert.throws(() => signStatement({ ...good.statement, seq: 0 }, signingKey), TypeError);
  assert.throws(() => signStatement({ ...good.statement, host: "../x" }, signingKey), TypeError);
});
