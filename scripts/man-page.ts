/** A program's manual page, in the language of man(7), from its command line. */
import type { Argument, Command, Option } from "commander";
import { VERSION } from "../shared/version.ts";
import { optionsOf } from "./command-lines.ts";

/** @param exits the table of exit codes, as operations.md has it */
export function manPage(program: Command, files: readonly string[], exits: readonly (readonly string[])[]): string {
  const name = program.name();
  const lines = [
    `.TH ${name.toUpperCase()} 1 "" "airlock ${VERSION}" "Airlock"`,
    ".SH NAME",
    `${escape(name)} \\- ${escape(lowerFirst(program.description()))}`,
    ".SH SYNOPSIS",
    `.B ${escape(name)}`,
    "[options] COMMAND [arguments]",
    ".SH COMMANDS",
    ...program.commands.flatMap((command) => formatCommand(name, command)),
    ".SH OPTIONS",
    "Of every command:",
    ...optionsOf(program).flatMap(formatOption),
    ".SH EXIT STATUS",
    ...exits.flatMap(([exit = "", meaning = ""]) => [".TP", `.B ${escape(exit)}`, escape(meaning.replaceAll("`", ""))]),
    ".SH FILES",
    ...files.flatMap((file) => [".TP", `.I ${escape(file)}`]),
    ".SH SEE ALSO",
    `The documentation in /usr/share/doc/${escape(name)}.`,
  ];
  return `${lines.join("\n")}\n`;
}

function formatCommand(program: string, command: Command): string[] {
  const usage = [program, command.name(), command.usage() || argumentsOf(command)].filter((part) => part !== "");
  return [
    `.SS ${escape(command.name())}`,
    ".PP",
    `.B ${escape(usage.join(" "))}`,
    ".PP",
    escape(command.description()),
    ...command.registeredArguments.filter(({ description }) => description !== "").flatMap(formatArgument),
    ...optionsOf(command).flatMap(formatOption),
  ];
}

function argumentsOf(command: Command): string {
  return command.registeredArguments.map((argument) => argument.name()).join(" ");
}

function formatArgument(argument: Argument): string[] {
  return [".TP", `.I ${escape(argument.name())}`, escape(argument.description)];
}

function formatOption({ flags, description, argChoices, defaultValue }: Option): string[] {
  const choices = argChoices === undefined ? "" : ` (${argChoices.join(", ")})`;
  const byDefault = typeof defaultValue === "string" ? `; default: ${defaultValue}` : "";
  return [".TP", `.B ${escape(flags)}`, escape(`${description}${choices}${byDefault}`)];
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, "");
}

/** A hyphen of a command line is one, and a line that begins with a dot or quote is no request. */
function escape(text: string): string {
  const safe = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("\n", " ").replaceAll("…", "...");
  return /^[.']/.test(safe) ? `\\&${safe}` : safe;
}
