import assert from "node:assert/strict";
import { test } from "node:test";
import { identityToRecipient } from "age-encryption";
import { identityToWords } from "../../../operator/identity-words.ts";
import { generateAgeKeyPair } from "../../../operator/keygen.ts";
import { splitIdentity } from "../../../operator/kit.ts";
import { readPrintedIdentity } from "../../../operator/printed-identity.ts";
import { isAirlockError, type AirlockError } from "../../../shared/errors.ts";

for (const isPostQuantum of [false, true]) {
  const kind = isPostQuantum ? "post-quantum" : "X25519";
  const { identity, recipient } = await generateAgeKeyPair(isPostQuantum);
  const words = identityToWords(identity);
  const numbered = words.slice(-24);
  const { prefix } = splitIdentity(identity);
  const data = identity.slice(prefix.length);
  const matches = async (other: string): Promise<boolean> => (await identityToRecipient(other)) === recipient;

  const fail = async (text: string): Promise<AirlockError> => {
    const error: unknown = await readPrintedIdentity(text, matches).then(
      () => assert.fail("it was taken for right"),
      (thrown: unknown) => thrown,
    );
    assert.ok(isAirlockError(error));
    const told = `${error.message} ${error.subject} ${error.remedy}`;
    assert.ok(!told.toUpperCase().includes(data.slice(8, 16)), "it tells of the identity");
    return error;
  };

  test(`${kind}: what is printed is accepted as a line, in groups, in lower case, and as words`, async () => {
    for (const text of [
      identity,
      `${identity}\n`,
      identity.toLowerCase(),
      `${prefix} ${splitIdentity(identity).groups.join(" ")}`,
      words.join(" "),
      words.join("\n").toUpperCase(),
      words.map((word) => word.slice(0, 4)).join(" "),
    ]) {
      assert.equal(await readPrintedIdentity(text, matches), identity);
    }
  });

  /** Another character of the alphabet than the printed one. */
  const otherThan = (character: string | undefined): string => (character === "Q" ? "P" : "Q");

  test(`${kind}: a wrong character is named by its group and place`, async () => {
    for (const [index, place] of [
      [0, "group 1: its 1st character"],
      [6, "group 2: its 3rd character"],
      [57, "group 15: its 2nd character"],
    ] as const) {
      const text = data.slice(0, index) + otherThan(data[index]) + data.slice(index + 1);
      const { code, message } = await fail(prefix + text);
      assert.equal(code, "key-file");
      assert.equal(message, `${place} is not the printed one`);
    }
  });

  test(`${kind}: a character that no identity has is named by its place`, async () => {
    const { message } = await fail(`${prefix}${data.slice(0, 9)}O${data.slice(10)}`);
    assert.match(message, /^group 3: its 2nd character: no identity has this character/);
  });

  test(`${kind}: a character that is missing, doubled, or has changed places is found`, async () => {
    let index = 20;
    while (data[index] === data[index + 1]) index += 1;
    const group = `group ${Math.floor(index / 4) + 1}`;
    assert.match(
      (await fail(prefix + data.slice(0, index) + data.slice(index + 1))).message,
      /: a character is missing$/,
    );
    assert.match(
      (await fail(prefix + data.slice(0, index) + otherThan(data[index]) + data.slice(index))).message,
      new RegExp(`^${group}: a character too many$`),
    );
    const swapped = data.slice(0, index) + data[index + 1] + data[index] + data.slice(index + 2);
    assert.equal((await fail(prefix + swapped)).message, `${group}: two characters have changed places`);
  });

  test(`${kind}: more than one wrong character, or too few, are said to be that`, async () => {
    const garbled = otherThan(data[0]) + data.slice(1, 20) + otherThan(data[20]) + data.slice(21);
    assert.match((await fail(prefix + garbled)).message, /checksum is wrong, by more than one character/);
    assert.match((await fail(identity.slice(0, -8))).message, /^it has 50 characters behind .* and 58 are printed$/);
    assert.match((await fail("age1somethingelse")).message, /does not begin with AGE-SECRET-KEY-1, nor with a word/);
  });

  test(`${kind}: a wrong word is named by its number, one that is none with the nearest of the list`, async () => {
    const mark = isPostQuantum ? ["pq"] : [];
    const wrong = numbered.with(6, numbered[6] === "zoo" ? "zone" : "zoo");
    const named = await fail([...mark, ...wrong].join(" "));
    // one sentence in 256 has a right checksum by chance
    assert.ok(named.code === "decrypt-failed" || named.message === "word 7 is not the printed one", named.message);
    const unknown = await fail([...mark, ...numbered.with(11, "abandom")].join(" "));
    assert.equal(unknown.message, "word 12 is not in the list; the nearest that is: abandon");
    const short = await fail([...mark, ...numbered.slice(1)].join(" "));
    assert.equal(short.message, "it has 23 words, and 24 are printed");
  });

  test(`${kind}: another identity without a mistake is told from a mistyped one`, async () => {
    const other = await generateAgeKeyPair(isPostQuantum);
    assert.equal((await fail(other.identity)).code, "decrypt-failed");
    assert.equal((await fail(identityToWords(other.identity).join(" "))).code, "decrypt-failed");
  });
}

test("two words that have changed places are both named", async () => {
  const { identity, recipient } = await generateAgeKeyPair(false);
  const words = identityToWords(identity);
  const matches = async (other: string): Promise<boolean> => (await identityToRecipient(other)) === recipient;
  // a pair that differs and whose exchange the checksum notices
  for (let index = 0; index < 23; index++) {
    const swapped = words.with(index, words[index + 1] ?? "").with(index + 1, words[index] ?? "");
    const error: unknown = await readPrintedIdentity(swapped.join(" "), matches).catch((thrown: unknown) => thrown);
    if (!isAirlockError(error, "key-file")) continue;
    assert.equal(error.message, `words ${index + 1} and ${index + 2} have changed places`);
    return;
  }
  assert.fail("the checksum noticed no exchange");
});
