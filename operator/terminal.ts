import { on } from "node:events";
import type { Readable } from "node:stream";
import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import type { IdentityInput } from "./identity.ts";

/** A terminal that can be told not to show what is typed. */
type RawInput = Readable & { setRawMode(raw: boolean): unknown };

export function identityInput(io: Pick<Io, "stdin" | "stdinIsTty" | "stderr" | "abort">): IdentityInput {
  const { stdin } = io;
  const typed = { text: "" };
  return {
    readStdin: (maxBytes) => readAll(stdin, maxBytes),
    askHidden:
      io.stdinIsTty && canHide(stdin) ? (question) => askHidden(stdin, typed, io.stderr, question, io.abort) : null,
  };
}

function canHide(stream: Readable): stream is RawInput {
  return "setRawMode" in stream && typeof stream.setRawMode === "function";
}

async function readAll(stream: Readable, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream) {
    // a stream without an encoding yields Buffers
    const bytes = piece as Buffer;
    length += bytes.length;
    if (length > maxBytes) {
      throw new AirlockError("key-file", `standard input is longer than ${maxBytes} bytes`, {
        remedy: "give the identity alone: the line that begins with AGE-SECRET-KEY-",
      });
    }
    pieces.push(bytes);
  }
  return Buffer.concat(pieces).toString("utf8");
}

const ENTER = /[\r\n]/;
const INTERRUPT = "\u0003";
const END = "\u0004";
const ERASE = new Set(["\u007F", "\b"]);
const MAX_ANSWER = 8192;

/**
 * One line, typed unseen. In raw mode Ctrl-C is a character like any other, so it is looked for here. What came with the
 * line and is behind its end (several lines were pasted) stays in `typed`, for the next question.
 */
async function askHidden(
  stdin: RawInput,
  typed: { text: string },
  output: { write(text: string): unknown },
  question: string,
  signal: AbortSignal,
): Promise<string> {
  stdin.setRawMode(true); // before anybody is asked: what is typed at once is not shown either
  output.write(question);
  stdin.setEncoding("utf8");
  const collect = (text: string): void => {
    // its end is kept, where a Ctrl-C would be
    typed.text = (typed.text + text).slice(-MAX_ANSWER);
  };
  stdin.on("data", collect);
  const arrivals = on(stdin, "data", { signal, close: ["end"] });
  try {
    for (;;) {
      const answer = takeLine(typed);
      if (answer !== null) return answer;
      const { done } = await arrivals.next();
      if (done === true) collect(END);
    }
  } finally {
    await arrivals.return?.();
    stdin.off("data", collect);
    stdin.setRawMode(false);
    stdin.pause();
    output.write("\n");
  }
}

/** null while the line has no end yet. */
function takeLine(typed: { text: string }): string | null {
  const characters = Array.from(typed.text);
  let answer = "";
  for (const [index, character] of characters.entries()) {
    if (ENTER.test(character) || character === END) {
      const isPair = character === "\r" && characters[index + 1] === "\n";
      typed.text = characters.slice(index + (isPair ? 2 : 1)).join("");
      return answer;
    }
    if (character === INTERRUPT) throw new AirlockError("interrupted", "interrupted");
    answer = ERASE.has(character) ? answer.slice(0, -1) : answer + character;
  }
  return null;
}
