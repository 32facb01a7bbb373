import { readFile } from "node:fs/promises";
import { Decrypter } from "age-encryption";
import { AirlockError, toAirlockError } from "../shared/errors.ts";
import { keepKnownWords, looksLikeWords, WORD_COUNT, wordsToIdentity } from "./identity-words.ts";

/** A page of identities; no file of them is larger. */
const MAX_IDENTITY_BYTES = 64 * 1024;

/** How the person at the terminal is asked; what is typed is not shown. */
export interface IdentityInput {
  /** All of standard input, refused beyond `maxBytes`. */
  readStdin(maxBytes: number): Promise<string>;
  /** null where nobody can be asked. */
  readonly askHidden: ((question: string) => Promise<string>) | null;
}

/**
 * The age identities to decrypt with: from a file as age-keygen writes it, from standard input (`-`), or typed in. They
 * stay in memory: nothing writes them anywhere, and no error repeats one.
 * @throws {AirlockError} `key-file` or `usage`
 */
export async function readIdentities(from: string | null, input: IdentityInput): Promise<readonly string[]> {
  const subject = from === null ? "what was typed" : from === "-" ? "standard input" : from;
  return parseIdentities(await readIdentityText(from, input), subject);
}

/** The same as it was written or typed, for whoever looks for mistakes in it. @throws {AirlockError} `key-file` or `usage` */
export async function readIdentityText(from: string | null, input: IdentityInput): Promise<string> {
  if (from === null) {
    if (input.askHidden === null) {
      throw new AirlockError("usage", "an identity is needed, and nobody is here to be asked for it", {
        remedy: "give --identity FILE, or --identity - and the identity on standard input; restore --raw asks for none",
      });
    }
    return askForIdentity(input.askHidden);
  }
  if (from === "-") return input.readStdin(MAX_IDENTITY_BYTES);
  try {
    return await readFile(from, "utf8");
  } catch (cause) {
    throw new AirlockError("key-file", `the identity file can't be read: ${toAirlockError(cause).message}`, {
      subject: from,
      remedy: "give the file that holds the line AGE-SECRET-KEY-…",
      cause,
    });
  }
}

/** Words may be typed over several lines; one that is not in the list is asked for again. */
async function askForIdentity(ask: (question: string) => Promise<string>): Promise<string> {
  let text = await ask(`age identity (AGE-SECRET-KEY-…, or its ${WORD_COUNT} words; not shown): `);
  while (looksLikeWords(text)) {
    const known = keepKnownWords(text);
    if (!known.hasUnknown && known.count >= WORD_COUNT) break;
    const next = known.count + 1;
    const more = await ask(
      known.hasUnknown ? `word ${next} is not in the list; from word ${next} on: ` : `from word ${next} on: `,
    );
    if (more === "") break;
    text = `${known.text} ${more}`;
  }
  return text;
}

/**
 * One identity a line, or one as {@link WORD_COUNT} words over any number of lines; empty lines and comments (`#`) are
 * passed over. @throws {AirlockError} `key-file`
 */
export function parseIdentities(text: string, subject: string): readonly string[] {
  const fail = (message: string): AirlockError =>
    new AirlockError("key-file", message, {
      subject,
      remedy:
        "give the line that begins with AGE-SECRET-KEY-, as `airlock keygen` or `age-keygen` printed it, or its words",
    });
  if (text.length > MAX_IDENTITY_BYTES) throw fail(`it is longer than ${MAX_IDENTITY_BYTES} bytes`);
  const lines = [...text.split("\n").entries()]
    .map(([index, raw]) => [index, raw.trim()] as const)
    .filter(([, line]) => line !== "" && !line.startsWith("#"));
  const all = lines.map(([, line]) => line).join("\n");
  if (looksLikeWords(all)) return [wordsToIdentity(all, subject)];
  const identities: string[] = [];
  for (const [index, line] of lines) {
    // Typed from paper, letters come in either case; the format knows upper case only.
    const identity = line.toUpperCase();
    if (!isIdentity(identity)) throw fail(`line ${index + 1} is not an age identity`);
    identities.push(identity);
  }
  if (identities.length === 0) throw fail("it holds no age identity");
  return identities;
}

/** The library's own error would repeat what it was given, so it is not kept. */
function isIdentity(identity: string): boolean {
  try {
    new Decrypter().addIdentity(identity);
    return true;
  } catch {
    return false;
  }
}
