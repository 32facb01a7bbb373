import { on } from "node:events";
import type { Readable } from "node:stream";
import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import type { IdentityInput } from "./identity.ts";

/** A terminal that can be told not to show what is typed. */
type RawInput = Readable & { setRawMode(raw: boolean): unknown };

export function identityInput(io: Pick<Io, "stdin" | "stdinIsTty" | "stderr" | "abort">): IdentityInput {
  const { stdin } = io;
  return {
    readStdin: (maxBytes) => readAll(stdin, maxBytes),
    askHidden: io.stdinIsTty && canHide(stdin) ? (question) => askHidden(stdin, io.stderr, question, io.abort) : null,
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

/** One line, typed unseen. In raw mode Ctrl-C is a character like any other, so it is looked for here. */
async function askHidden(
  stdin: RawInput,
  output: { write(text: string): unknown },
  question: string,
  signal: AbortSignal,
): Promise<string> {
  output.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  const typed = on(stdin, "data", { signal, close: ["end"] });
  try {
    let answer = "";
    for await (const [text] of typed) {
      // a stream with an encoding yields strings
      for (const character of text as string) {
        if (ENTER.test(character) || character === END) return answer;
        if (character === INTERRUPT) throw new AirlockError("interrupted", "interrupted");
        if (ERASE.has(character)) answer = answer.slice(0, -1);
        else if (answer.length < MAX_ANSWER) answer += character;
      }
    }
    return answer;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    output.write("\n");
  }
}
