import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isAirlockError } from "../../shared/errors.ts";
import { generateSigningKey } from "../../shared/keys.ts";
import { formatDropZoneName, isObjectName } from "../../shared/names.ts";
import {
  canonicalBytes,
  formatStatement,
  inlineStatement,
  MAX_STATEMENT_BYTES,
  parseInlineStatement,
  parseStatement,
  signStatement,
  verifyStatement,
  type SignedStatement,
  type Statement,
} from "../../shared/statement.ts";

const NOW = new Date("2026-11-21T02:16:00Z");
const signer = generateSigningKey();
const hostName = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
const name = fc
  .oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 60 }),
    // what a count of keys or a careless parser could trip over
    fc.string({
      unit: fc.constantFrom('"', ":", "\\", ",", "{", "}", " ", "\n", "seq", "é"),
      minLength: 1,
      maxLength: 60,
    }),
  )
  .filter(isObjectName);
const time = fc.date({ min: new Date("2000-01-01"), max: new Date("2100-01-01"), noInvalidDate: true });

const statement: fc.Arbitrary<Statement> = fc
  .record({
    bucket: fc.stringMatching(/^[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]$/),
    host: hostName,
    set: hostName,
    at: time,
    token: fc.stringMatching(/^[a-z2-7]{26}$/),
    name,
    epoch: fc.stringMatching(/^[A-Za-z0-9_-]{22}$/),
    seq: fc.oneof(
      fc.constant(1),
      fc.maxSafeNat().filter((seq) => seq > 0),
    ),
    digest: fc.stringMatching(/^[0-9a-f]{64}$/),
    size: fc.maxSafeNat(),
    encoding: fc.subarray(["tar", "zstd", "age"] as const),
    startedAt: time,
  })
  .map(({ at, token, name: file, digest, startedAt, ...rest }) => ({
    v: 1 as const,
    bucket: rest.bucket,
    key: formatDropZoneName({ host: rest.host, set: rest.set, at, token, name: file }),
    host: rest.host,
    set: rest.set,
    epoch: rest.epoch,
    seq: rest.seq,
    prev: rest.seq === 1 ? null : digest,
    size: rest.size,
    sha256: digest,
    encoding: rest.encoding,
    startedAt: startedAt.toISOString(),
  }));

function verify(signed: SignedStatement, of: Statement): unknown {
  return verifyStatement(signed, { bucket: of.bucket, key: of.key, sizeBytes: of.size }, [signer.public], NOW);
}

test("a signed statement is read as it was written, beside its object and in its metadata, and verifies", () => {
  fc.assert(
    fc.property(statement, (given) => {
      const signed = signStatement(given, signer);
      assert.deepEqual(parseStatement(Buffer.from(formatStatement(signed)), "subject"), signed);
      const inline = inlineStatement(signed);
      if (inline !== null) assert.deepEqual(parseInlineStatement(inline, "subject"), signed);
      assert.equal(verify(signed, given), signer.public);
    }),
    { numRuns: 500 },
  );
});

test("the order of keys and the space between them do not matter to a signature", () => {
  fc.assert(
    fc.property(statement, (given) => {
      const signed = signStatement(given, signer);
      const reversed = Object.fromEntries(Object.entries(given).toReversed());
      const text = JSON.stringify({ statement: reversed, signature: signed.signature }, null, 1);
      fc.pre(Buffer.byteLength(text) <= MAX_STATEMENT_BYTES);
      const parsed = parseStatement(Buffer.from(text), "subject");
      assert.deepEqual(canonicalBytes(parsed.statement), canonicalBytes(given));
      assert.equal(verify(parsed, given), signer.public);
    }),
    { numRuns: 200 },
  );
});

test("a statement with any byte changed is refused", () => {
  fc.assert(
    fc.property(statement, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, where, change) => {
      const bytes = Buffer.from(formatStatement(signStatement(given, signer)));
      const at = where % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ change;
      assert.throws(
        () => verify(parseStatement(bytes, "subject"), given),
        (error) => isAirlockError(error, "statement-invalid", "signature-invalid", "size-mismatch"),
      );
    }),
    { numRuns: 3000 },
  );
});

test("a statement with any character of its metadata changed is refused", () => {
  const character = fc.constantFrom(
    ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= ".split(""),
  );
  fc.assert(
    fc.property(statement, fc.nat(), character, (given, where, other) => {
      const inline = inlineStatement(signStatement(given, signer));
      fc.pre(inline !== null);
      const at = where % inline.length;
      fc.pre(inline[at] !== other);
      const changed = inline.slice(0, at) + other + inline.slice(at + 1);
      assert.throws(
        () => verify(parseInlineStatement(changed, "subject"), given),
        (error) => isAirlockError(error, "statement-invalid", "signature-invalid", "size-mismatch"),
      );
    }),
    { numRuns: 2000 },
  );
});

test("a statement cut short or with anything added is refused", () => {
  fc.assert(
    fc.property(statement, fc.nat(), (given, where) => {
      const json = formatStatement(signStatement(given, signer));
      const refused = (text: string): void => {
        assert.throws(
          () => parseStatement(Buffer.from(text), "subject"),
          (error) => isAirlockError(error, "statement-invalid"),
        );
      };
      refused(
        Buffer.from(json)
          .subarray(0, where % Buffer.byteLength(json))
          .toString("latin1"),
      );
      refused(json.replace("{", '{"more":1,'));
      refused(json.replace('"statement":{', '"statement":{"more":1,'));
      for (const key of Object.keys(given)) refused(json.replace(`"${key}":`, `"${key}":1,"${key}":`));
    }),
    { numRuns: 300 },
  );
});

test("junk of any kind is statement-invalid, and nothing else", () => {
  const junk = fc.oneof(
    fc.uint8Array({ maxLength: 5000 }),
    fc.json({ maxDepth: 20 }).map((text) => Buffer.from(text)),
    fc.json({ maxDepth: 3 }).map((text) => Buffer.from(`{"signature":${text},"statement":${text}}`)),
    fc
      .constantFrom("[", "{", '{"a":', '"')
      .chain((unit) => fc.nat({ max: 5000 }).map((times) => Buffer.from(unit.repeat(times)))),
  );
  fc.assert(
    fc.property(junk, (bytes) => {
      assert.throws(
        () => parseStatement(bytes, "subject"),
        (error) => isAirlockError(error, "statement-invalid"),
      );
    }),
    { numRuns: 2000 },
  );
});
