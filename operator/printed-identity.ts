import { createHash } from "node:crypto";
import { bech32 } from "@scure/base";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { nearestOf } from "../shared/config/nearest.ts";
import { AirlockError } from "../shared/errors.ts";
import { identityOfBytes, looksLikeWords, typedWords, WORD_COUNT } from "./identity-words.ts";
import { GROUP_CHARACTERS } from "./kit.ts";

/** Says whether an identity is the one that is meant; asked only of such as are well-formed. */
export type Matches = (identity: string) => Promise<boolean>;

const PREFIXES = ["AGE-SECRET-KEY-PQ-1", "AGE-SECRET-KEY-1"];
/** 32 bytes and the checksum, five bits to a character. */
const DATA_CHARACTERS = 58;
/** bech32's, upper case (BIP 173): neither 1, B, I nor O. */
const ALPHABET = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
const ORDINALS = ["1st", "2nd", "3rd", "4th"];

/**
 * Reads back an identity that was typed or scanned from paper, and finds out where it departs from the one that is
 * meant: what is nearly right is put right in thought and tried, so that a person need not compare all of it again.
 * No message holds any of the identity; of a word that is none, the nearest one of the list is named.
 * @throws {AirlockError} `key-file` where it is mistyped, `decrypt-failed` where it is another
 */
export async function readPrintedIdentity(text: string, matches: Matches): Promise<string> {
  const identity = looksLikeWords(text) ? await readWords(text, matches) : await readLine(text, matches);
  if (await matches(identity)) return identity;
  throw new AirlockError("decrypt-failed", "it is an identity without a mistake, and not the one that is meant", {
    remedy: "compare the recipient and the date of this kit with those of others: it may be one from before a change",
  });
}

async function readLine(text: string, matches: Matches): Promise<string> {
  const typed = text.replaceAll(/\s/g, "").toUpperCase();
  const prefix = PREFIXES.find((each) => typed.startsWith(each));
  if (prefix === undefined) throw mistyped("it does not begin with AGE-SECRET-KEY-1, nor with a word of the list");
  if (isIdentity(typed)) return typed;
  const data = typed.slice(prefix.length);
  const stranger = data.search(/[^QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]/);
  if (stranger !== -1) {
    throw mistyped(`${placeOf(stranger)}: no identity has this character (nor any of 1, B, I, O)`);
  }
  for (const { candidate, fault } of nearbyLines(data)) {
    if (isIdentity(prefix + candidate) && (await matches(prefix + candidate))) throw mistyped(fault);
  }
  if (data.length !== DATA_CHARACTERS) {
    throw mistyped(`it has ${data.length} characters behind ${prefix}, and ${DATA_CHARACTERS} are printed`);
  }
  throw mistyped("its checksum is wrong, by more than one character: compare it group by group");
}

function isIdentity(text: string): boolean {
  const decoded = bech32.decodeUnsafe(text);
  return decoded !== undefined && bech32.fromWordsUnsafe(decoded.words)?.length === 32;
}

interface Nearby {
  readonly candidate: string;
  readonly fault: string;
}

/** All that one slip of the hand away from this, with what the slip was. */
function* nearbyLines(data: string): Generator<Nearby, void, undefined> {
  for (let index = 0; index <= data.length; index++) {
    const [before, after] = [data.slice(0, index), data.slice(index + 1)];
    const group = `group ${groupOf(index)}`;
    if (data.length > DATA_CHARACTERS) yield { candidate: before + after, fault: `${group}: a character too many` };
    for (const character of ALPHABET) {
      if (data.length < DATA_CHARACTERS) {
        yield { candidate: before + character + data.slice(index), fault: `${group}: a character is missing` };
      } else if (data.length === DATA_CHARACTERS) {
        yield { candidate: before + character + after, fault: `${placeOf(index)} is not the printed one` };
      }
    }
    const swapped = before + data.slice(index + 1, index + 2) + data.slice(index, index + 1) + data.slice(index + 2);
    yield { candidate: swapped, fault: `${group}: two characters have changed places` };
  }
}

/** As numbered on the page. */
function groupOf(index: number): number {
  return Math.floor(Math.min(index, DATA_CHARACTERS - 1) / GROUP_CHARACTERS) + 1;
}

function placeOf(index: number): string {
  return `group ${groupOf(index)}: its ${ORDINALS[index % GROUP_CHARACTERS]} character`;
}

async function readWords(text: string, matches: Matches): Promise<string> {
  const { isPostQuantum, words } = typedWords(text);
  const unknown = words.find(({ known }) => known === null);
  if (unknown !== undefined) {
    const nearest = nearestOf(unknown.typed, wordlist);
    throw mistyped(
      `word ${words.indexOf(unknown) + 1} is not in the list${nearest === null ? "" : `; the nearest that is: ${nearest}`}`,
    );
  }
  if (words.length !== WORD_COUNT) throw mistyped(`it has ${words.length} words, and ${WORD_COUNT} are printed`);
  const numbers = words.map(({ known }) => wordlist.indexOf(known ?? ""));
  const identity = identityOf(numbers, isPostQuantum);
  if (identity !== null) return identity;
  for (const { candidate, fault } of nearbyWords(numbers)) {
    const nearby = identityOf(candidate, isPostQuantum);
    if (nearby !== null && (await matches(nearby))) throw mistyped(fault);
  }
  throw mistyped("the words' checksum is wrong, by more than one word: compare them one by one");
}

interface NearbyWords {
  readonly candidate: readonly number[];
  readonly fault: string;
}

function* nearbyWords(numbers: readonly number[]): Generator<NearbyWords, void, undefined> {
  for (const [index, number] of numbers.entries()) {
    for (let other = 0; other < wordlist.length; other++) {
      yield { candidate: numbers.with(index, other), fault: `word ${index + 1} is not the printed one` };
    }
    for (let later = index + 1; later < numbers.length; later++) {
      const candidate = numbers.with(index, numbers[later] ?? 0).with(later, number);
      yield { candidate, fault: `words ${index + 1} and ${later + 1} have changed places` };
    }
  }
}

/**
 * BIP 39: eleven bits a word, the last eight of which are a checksum. By hand, since fifty thousand sentences are tried
 * for one wrong word. null: the checksum is wrong.
 */
function identityOf(numbers: readonly number[], isPostQuantum: boolean): string | null {
  const bytes = Buffer.from(
    numbers
      .reduce((all, number) => (all << 11n) | BigInt(number), 0n)
      .toString(16)
      .padStart(66, "0"),
    "hex",
  );
  const entropy = bytes.subarray(0, 32);
  const checksum = createHash("sha256").update(entropy).digest().readUInt8(0);
  return checksum === bytes.readUInt8(32) ? identityOfBytes(entropy, isPostQuantum) : null;
}

function mistyped(what: string): AirlockError {
  return new AirlockError("key-file", what, {
    subject: "the typed identity",
    remedy: "look at that place on the paper and type it again; if the paper is wrong, make a new kit",
  });
}
