import { AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { readProgram } from "./program-output.ts";

export interface CommandOptions {
  readonly command: readonly [string, ...string[]];
  readonly stdin: "inherit" | "ignore";
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** A command's output, whole only if it exits 0. @throws {AirlockError} `command-failed` */
export function readCommand({ command, ...options }: CommandOptions): AsyncIterable<Uint8Array> {
  const [file, ...args] = command;
  return readProgram({
    ...options,
    file,
    args,
    judge: ({ exitCode, signalName }) => {
      if (exitCode === 0) return;
      const how = signalName === null ? `exited with ${exitCode}` : `was ended by ${signalName}`;
      throw new AirlockError("command-failed", `the command ${how}; nothing was stored`, {
        subject: file,
        remedy: "see what it said above; its output is stored only when it exits with 0",
      });
    },
  });
}
