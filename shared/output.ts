import type { AirlockError } from "./errors.ts";
import { printable } from "./printable.ts";

/** An error for people: `PROGRAM: what happened (subject)`, the rest of the message and the remedy indented below. */
export function formatError(program: string, error: AirlockError): string {
  const [first = "", ...rest] = error.message.split("\n").map(printable);
  const subject = error.subject === undefined ? "" : ` (${printable(error.subject)})`;
  const below = error.remedy === undefined ? rest : [...rest, printable(error.remedy)];
  return [`${program}: ${first}${subject}`, ...below.map((line) => `  ${line}`)].join("\n") + "\n";
}

/** The same for programs: the value that stands on standard output under `--json`. */
export function errorValue(error: AirlockError): { readonly error: Readonly<Record<string, string | null>> } {
  const { code, message, subject = null, remedy = null } = error;
  return { error: { code, message, subject, remedy } };
}
