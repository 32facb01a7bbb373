import assert from "node:assert/strict";
import { test } from "node:test";
import { generateHybridIdentity, generateX25519Identity } from "age-encryption";
import fc from "fast-check";
import { bech32 } from "@scure/base";
import {
  identityToWords,
  keepKnownWords,
  looksLikeWords,
  WORD_COUNT,
  wordsToIdentity,
} from "../../../operator/identity-words.ts";
import { isAirlockError } from "../../../shared/errors.ts";

const identityOf = (hex: string, prefix = "AGE-SECRET-KEY-"): string =>
  bech32.encodeFromBytes(prefix, Buffer.from(hex, "hex")).toUpperCase();

// BIP-39's own vectors for 256 bits: https://github.com/trezor/python-mnemonic/blob/master/vectors.json
const VECTORS: ReadonlyMap<string, string> = new Map([
  ["00".repeat(32), `${"abandon ".repeat(23)}art`],
  [
    "7f".repeat(32),
    `${"legal winner thank year wave sausage worth useful ".repeat(2)}legal winner thank year wave sausage worth title`,
  ],
  ["ff".repeat(32), `${"zoo ".repeat(23)}vote`],
  [
    "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
    "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis maple dilemma loan word shrug inflict delay length",
  ],
]);

test("words are those of BIP-39's published vectors", () => {
  for (const [hex, sentence] of VECTORS) {
    assert.equal(identityToWords(identityOf(hex)).join(" "), sentence);
    assert.equal(wordsToIdentity(sentence, "paper"), identityOf(hex));
    assert.equal(identityToWords(identityOf(hex, "AGE-SECRET-KEY-PQ-")).join(" "), `pq ${sentence}`);
    assert.equal(wordsToIdentity(`pq ${sentence}`, "paper"), identityOf(hex, "AGE-SECRET-KEY-PQ-"));
  }
});

test("every identity of either kind comes back from its words, however they are typed", async () => {
  for (const identity of [await generateX25519Identity(), await generateHybridIdentity()]) {
    const words = identityToWords(identity);
    const forms = [
      words.join(" "),
      words.join("\n").toUpperCase(),
      words.map((word, index) => `${index + 1}. ${word}`).join("  "),
      words.map((word, index) => `${index + 1}.${word}`).join("\n"),
      words.map((word) => word.slice(0, 4)).join(", "),
    ];
    for (const form of forms) {
      assert.ok(looksLikeWords(form));
      assert.equal(keepKnownWords(form).count, WORD_COUNT);
      assert.equal(wordsToIdentity(form, "paper"), identity);
    }
    assert.ok(!looksLikeWords(identity));
    assert.ok(!looksLikeWords(identity.toLowerCase()));
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.boolean(), async (bytes, postQuantum) => {
      const identity = identityOf(Buffer.from(bytes).toString("hex"), `AGE-SECRET-KEY-${postQuantum ? "PQ-" : ""}`);
      assert.equal(wordsToIdentity(identityToWords(identity).join(" "), "paper"), identity);
    }),
    { numRuns: 50 },
  );
});

test("words that are typed bit by bit are kept up to the first unknown one", () => {
  assert.deepEqual(keepKnownWords("PQ zoo 2. legal"), { text: "pq zoo legal", count: 2, hasUnknown: false });
  assert.deepEqual(keepKnownWords("zoo legl winner"), { text: "zoo", count: 1, hasUnknown: true });
  assert.ok(looksLikeWords("zoo") && looksLikeWords("zoo legl") && looksLikeWords("pq"));
  assert.ok(!looksLikeWords("") && !looksLikeWords("zoologist") && !looksLikeWords("age1secret"));
});

test("a wrong, missing, surplus or unknown word is refused, and no word is repeated", async () => {
  const words = [...identityToWords(identityOf("00".repeat(32)))];
  const refuse = (text: string, message: RegExp): void =>
    assert.throws(
      () => wordsToIdentity(text, "paper"),
      (error) => {
        assert.ok(isAirlockError(error, "key-file"));
        assert.match(error.message, message);
        assert.doesNotMatch(`${error.message} ${error.remedy} ${String(error.cause)}`, /abandon|zebra|secretword/);
        return true;
      },
    );
  refuse(words.with(3, "zebra").join(" "), /checksum is wrong/);
  refuse(words.slice(1).join(" "), /has 24 words, and this 23/);
  refuse([...words, "zoo"].join(" "), /has 24 words, and this 25/);
  refuse(words.with(6, "secretword").join(" "), /^word 7 is not in the list/);
  refuse(`pq ${words.with(6, "pq").join(" ")}`, /^word 7 is not in the list/);
  refuse("", /has 24 words, and this 0/);
  assert.throws(
    () => identityToWords("AGE-SECRET-KEY-1"),
    (error) => isAirlockError(error, "key-file"),
  );
  assert.throws(
    () => identityToWords("age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"),
    /not an age identity/,
  );
});
