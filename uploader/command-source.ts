import { AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { readProgram, runProgram, type Kill, type ProgramOptions } from "./program-output.ts";

export interface CommandOptions {
  readonly command: readonly [string, ...string[]];
  readonly stdin: "inherit" | "ignore";
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly kill: Kill;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** A command's output, whole only if it exits 0. @throws {AirlockError} `command-failed` */
export function readCommand(options: CommandOptions): AsyncIterable<Uint8Array> {
  return readProgram(programOf(options));
}

export interface CommandsOptions extends Omit<CommandOptions, "command" | "stdin"> {
  readonly commands: readonly (readonly [string, ...string[]])[];
}

/** The last command's output, whole only if all exit 0; each begins when the one before has ended. */
export async function* readCommands({
  commands,
  ...options
}: CommandsOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const last = commands.at(-1);
  if (last === undefined) throw new TypeError("no command to run");
  for (const command of commands.slice(0, -1)) await runProgram(programOf({ ...options, command, stdin: "ignore" }));
  yield* readCommand({ ...options, command: last, stdin: "ignore" });
}

function programOf({ command, ...options }: CommandOptions): ProgramOptions {
  const [file, ...args] = command;
  return {
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
  };
}
