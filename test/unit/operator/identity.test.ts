import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { generateHybridIdentity, generateX25519Identity } from "age-encryption";
import { identityToWords } from "../../../operator/identity-words.ts";
import { parseIdentities, readIdentities } from "../../../operator/identity.ts";
import { formatIdentityFile, generateAgeKeyPair } from "../../../operator/keygen.ts";
import { identityInput } from "../../../operator/terminal.ts";
import { isAirlockError } from "../../../shared/errors.ts";

/** A terminal: what was shown, and whether what is typed is shown. */
function terminal(): {
  readonly stdin: PassThrough & { setRawMode(raw: boolean): void };
  readonly stderr: PassThrough;
  readonly raw: readonly boolean[];
  readonly shown: readonly string[];
} {
  const raw: boolean[] = [];
  const shown: string[] = [];
  const stdin = Object.assign(new PassThrough(), { setRawMode: (mode: boolean) => void raw.push(mode) });
  const stderr = new PassThrough().setEncoding("utf8").on("data", (text: string) => void shown.push(text));
  return { stdin, stderr, raw, shown };
}

const signal = AbortSignal.timeout(10_000);

test("a file of identities may hold comments, empty lines, both kinds, and either case", async () => {
  const [one, two] = [await generateX25519Identity(), await generateHybridIdentity()];
  assert.deepEqual(parseIdentities(`# created: today\r\n${one}\r\n\n  ${two.toLowerCase()}  \n`, "f"), [one, two]);
});

test("what keygen writes is read", async () => {
  for (const postQuantum of [false, true]) {
    const pair = await generateAgeKeyPair(postQuantum);
    assert.match(pair.recipient, postQuantum ? /^age1pq1/ : /^age1(?!pq1)/);
    assert.deepEqual(parseIdentities(formatIdentityFile(pair, new Date(0)), "f"), [pair.identity]);
  }
});

test("what is no identity is refused by its line, and never repeated", async () => {
  const identity = await generateX25519Identity();
  for (const text of [
    `${identity.slice(0, -1)}x`,
    `# fine\n${identity}1`,
    "age1notsecret",
    "AGE-SECRET-KEY-1",
    identity.slice(5),
  ]) {
    assert.throws(
      () => parseIdentities(text, "paper"),
      (error) => {
        assert.ok(isAirlockError(error, "key-file"));
        assert.match(error.message, /^line [12] is not an age identity$/);
        assert.equal(error.cause, undefined);
        return true;
      },
    );
  }
  assert.throws(() => parseIdentities("# nothing\n", "paper"), /holds no age identity/);
  assert.throws(() => parseIdentities("x".repeat(70_000), "paper"), /longer than/);
});

test("an identity is read from a file, and an absent one is named", async () => {
  const folder = await mkdtemp(join(tmpdir(), "airlock-identity-"));
  try {
    const identity = await generateX25519Identity();
    await writeFile(join(folder, "key.txt"), identity);
    const input = { readStdin: () => Promise.reject(new Error("not asked")), askHidden: null };
    assert.deepEqual(await readIdentities(join(folder, "key.txt"), input), [identity]);
    await assert.rejects(
      readIdentities(join(folder, "none.txt"), input),
      (error) => isAirlockError(error, "key-file") && error.subject === join(folder, "none.txt"),
    );
    await assert.rejects(readIdentities(null, input), (error) => isAirlockError(error, "usage"));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("standard input that never ends is given up at its limit", async () => {
  const { stdin, stderr } = terminal();
  const input = identityInput({ stdin, stderr, stdinIsTty: false, abort: signal });
  const reading = readIdentities("-", input);
  stdin.write("x".repeat(70_000));
  await assert.rejects(reading, (error) => isAirlockError(error, "key-file"));
});

test("an identity that is typed is not shown, and can be corrected", async () => {
  const identity = await generateX25519Identity();
  const { stdin, stderr, raw, shown } = terminal();
  const reading = readIdentities(null, identityInput({ stdin, stderr, stdinIsTty: true, abort: signal }));
  stdin.write(identity.slice(0, 30));
  stdin.write(`xy\u007f\b${identity.slice(30)}`);
  stdin.write("\r");
  assert.deepEqual(await reading, [identity]);
  assert.deepEqual(raw, [true, false]);
  await setImmediate();
  const text = shown.join("");
  assert.match(text, /^age identity .*: \n$/);
  assert.ok(!text.includes(identity.slice(20, 30)));
});

test("words are read from a file and from what is typed, over several lines, pasted too, with a correction", async () => {
  const identity = await generateHybridIdentity();
  const words = identityToWords(identity);
  assert.deepEqual(parseIdentities(`# kit\n${words.slice(0, 13).join(" ")}\n${words.slice(13).join(" ")}\n`, "f"), [
    identity,
  ]);
  const { stdin, stderr, shown } = terminal();
  const reading = readIdentities(null, identityInput({ stdin, stderr, stdinIsTty: true, abort: signal }));
  stdin.write(`${words.slice(0, 5).join(" ")}\r${words[5]} qqqq zoo\r`);
  stdin.write(`${words.slice(6, 10).join(" ")}\r\n${words.slice(10).join("\n")}\n`);
  assert.deepEqual(await reading, [identity]);
  await setImmediate();
  const text = shown.join("");
  assert.match(text, /from word 5 on: \n/);
  assert.match(text, /word 6 is not in the list; from word 6 on: \n/);
  assert.ok(!text.includes(words[12] ?? "?"));
});

test("Ctrl-C at the question interrupts, and the terminal shows again what is typed", async () => {
  const { stdin, stderr, raw } = terminal();
  const reading = readIdentities(null, identityInput({ stdin, stderr, stdinIsTty: true, abort: signal }));
  stdin.write("AGE\u0003");
  await assert.rejects(reading, (error) => isAirlockError(error, "interrupted"));
  assert.deepEqual(raw, [true, false]);
});

test("a signal ends the question, too", async () => {
  const { stdin, stderr, raw } = terminal();
  const abort = new AbortController();
  const reading = readIdentities(null, identityInput({ stdin, stderr, stdinIsTty: true, abort: abort.signal }));
  abort.abort();
  await assert.rejects(reading);
  assert.deepEqual(raw, [true, false]);
});
