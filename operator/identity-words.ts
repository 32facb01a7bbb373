import { bech32 } from "@scure/base";
import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { AirlockError } from "../shared/errors.ts";

/**
 * An age identity as words that can be read out, written by hand and typed: its 32 bytes are the entropy of a BIP-39
 * sentence of 24 English words, the last of which holds a checksum of eight bits. A post-quantum identity has the same
 * length, so its sentence begins with `pq`, which is no word of the list.
 * https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki
 */
export const WORD_COUNT = 24;
const POST_QUANTUM = "pq";
const X25519_PREFIX = "AGE-SECRET-KEY-";
const POST_QUANTUM_PREFIX = "AGE-SECRET-KEY-PQ-";
const IDENTITY_BYTES = 32;
/** No two words of the list begin with the same four letters. */
const ABBREVIATION = 4;

const WORDS = new Map(wordlist.flatMap((word) => [word, word.slice(0, ABBREVIATION)].map((key) => [key, word])));

/**
 * @param identity `AGE-SECRET-KEY-1…` or `AGE-SECRET-KEY-PQ-1…`
 * @returns 24 words, or `pq` and 24 words
 * @throws {AirlockError} `key-file` for what is no identity
 */
export function identityToWords(identity: string): readonly string[] {
  const { prefix, bytes } = decodeIdentity(identity);
  const words = entropyToMnemonic(bytes, wordlist).split(" ");
  return prefix === POST_QUANTUM_PREFIX ? [POST_QUANTUM, ...words] : words;
}

/**
 * Reads words as a person types them: in either case, numbered or not, each whole or its first four letters.
 * @returns the identity
 * @throws {AirlockError} `key-file`, which repeats no word
 */
export function wordsToIdentity(text: string, subject: string): string {
  const typed = splitWords(text);
  const isPostQuantum = typed[0] === POST_QUANTUM;
  const words = isPostQuantum ? typed.slice(1) : typed;
  const unknown = words.findIndex((word) => !WORDS.has(word));
  if (unknown !== -1) throw faulty(subject, `word ${unknown + 1} is not in the list of words`);
  if (words.length !== WORD_COUNT)
    throw faulty(subject, `an identity has ${WORD_COUNT} words, and this ${words.length}`);
  const sentence = words.map((word) => WORDS.get(word)).join(" ");
  let entropy: Uint8Array;
  try {
    entropy = mnemonicToEntropy(sentence, wordlist);
  } catch {
    // the library's own error is not kept, lest it repeat what it was given
    throw faulty(subject, "the checksum is wrong: a word is not the printed one, or two have changed places");
  }
  return identityOfBytes(entropy, isPostQuantum);
}

/** @param bytes the 32 that an identity consists of */
export function identityOfBytes(bytes: Uint8Array, isPostQuantum: boolean): string {
  return bech32.encodeFromBytes(isPostQuantum ? POST_QUANTUM_PREFIX : X25519_PREFIX, bytes).toUpperCase();
}

export interface TypedWord {
  readonly typed: string;
  /** The word of the list that is meant; null: none. */
  readonly known: string | null;
}

/** What was typed, word by word, for whoever looks for the mistake in it. */
export function typedWords(text: string): { readonly isPostQuantum: boolean; readonly words: readonly TypedWord[] } {
  const all = splitWords(text);
  const isPostQuantum = all[0] === POST_QUANTUM;
  const words = isPostQuantum ? all.slice(1) : all;
  return { isPostQuantum, words: words.map((typed) => ({ typed, known: WORDS.get(typed) ?? null })) };
}

/** Whether a text is meant as words, finished or not, right or wrong. */
export function looksLikeWords(text: string): boolean {
  const words = splitWords(text);
  const [first = ""] = words;
  return words.every((word) => /^[a-z]+$/.test(word)) && (words.length > 1 || isKnown(first));
}

/** A sentence that is typed bit by bit: the words up to the first unknown one, and whether there is one. */
export interface Typed {
  readonly text: string;
  /** Without `pq`. */
  readonly count: number;
  readonly hasUnknown: boolean;
}

export function keepKnownWords(text: string): Typed {
  const words = splitWords(text);
  const unknown = words.findIndex((word) => !isKnown(word));
  const known = unknown === -1 ? words : words.slice(0, unknown);
  const count = known.filter((word) => word !== POST_QUANTUM).length;
  return { text: known.join(" "), count, hasUnknown: unknown !== -1 };
}

function isKnown(word: string): boolean {
  return word === POST_QUANTUM || WORDS.has(word);
}

/** Numbers, full stops and commas beside the words are those of the paper. */
function splitWords(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[\s,;]+/)
    .map((word) => word.replace(/^\d{1,2}[.):]?/, "").replace(/\.$/, ""))
    .filter((word) => word !== "");
}

interface DecodedIdentity {
  readonly prefix: typeof X25519_PREFIX | typeof POST_QUANTUM_PREFIX;
  readonly bytes: Uint8Array;
}

function decodeIdentity(identity: string): DecodedIdentity {
  let decoded: { readonly prefix: string; readonly bytes: Uint8Array };
  try {
    decoded = bech32.decodeToBytes(identity);
  } catch {
    throw faulty("the identity", "it is not an age identity");
  }
  const prefix = decoded.prefix.toUpperCase();
  if ((prefix !== X25519_PREFIX && prefix !== POST_QUANTUM_PREFIX) || decoded.bytes.length !== IDENTITY_BYTES) {
    throw faulty("the identity", "it is not an age identity");
  }
  return { prefix, bytes: decoded.bytes };
}

function faulty(subject: string, message: string): AirlockError {
  return new AirlockError("key-file", message, {
    subject,
    remedy: `give all ${WORD_COUNT} words of the printed kit in their order, with the \`${POST_QUANTUM}\` before them if there is one`,
  });
}
