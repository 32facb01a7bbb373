/** What a shell offers at the tab key, from a program's command line. */
import type { Command, Option } from "commander";
import { optionsOf, takesPath } from "./command-lines.ts";

export function bashCompletion(program: Command): string {
  const name = program.name();
  const functionName = `_${name.replaceAll("-", "_")}`;
  const all = [program, ...program.commands];
  const valued = uniqueBy(all.flatMap(optionsOf), flagsOf).filter(({ required, optional }) => required || optional);
  const commands = program.commands.map((command) => command.name());
  const perCommand = program.commands.map(
    (command) =>
      `    ${command.name()}) options="$options ${optionsOf(command).flatMap(namesOf).join(" ")}"${takesFiles(command) ? "; files=1" : ""} ;;`,
  );
  const values = valued.map((option) => {
    const action =
      option.argChoices !== undefined
        ? `COMPREPLY=($(compgen -W "${option.argChoices.join(" ")}" -- "$current"))`
        : takesPath(option.flags)
          ? 'COMPREPLY=($(compgen -f -- "$current"))'
          : "COMPREPLY=()";
    return `    ${namesOf(option).join("|")}) ${action}; return ;;`;
  });
  return `# bash completion for ${name}
${functionName}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local commands="${commands.join(" ")}" options="${optionsOf(program).flatMap(namesOf).join(" ")}"
  local command="" files="" word
  COMPREPLY=()
  case "$previous" in
${values.join("\n")}
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ " $commands " == *" $word "* ]] && command="$word" && break
  done
  case "$command" in
${perCommand.join("\n")}
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [[ -z "$command" ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$current"))
  elif [[ -n "$files" ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F ${functionName} ${name}
`;
}

export function zshCompletion(program: Command): string {
  const name = program.name();
  const commands = program.commands.map(
    (command) => `      ${quote(`${command.name()}:${firstLine(command.summary() || command.description())}`)}`,
  );
  const cases = program.commands.map(
    (command) => `        ${command.name()})
          _arguments ${[...optionsOf(program), ...optionsOf(command)].flatMap(zshOption).join(" ")}${takesFiles(command) ? " '*:file:_files'" : ""}
          ;;`,
  );
  return `#compdef ${name}
_${name.replaceAll("-", "_")}() {
  local state line
  _arguments -C ${optionsOf(program).flatMap(zshOption).join(" ")} '1:command:->command' '*::argument:->argument'
  case "$state" in
    command)
      local -a commands=(
${commands.join("\n")}
      )
      _describe command commands
      ;;
    argument)
      case "\${line[1]}" in
${cases.join("\n")}
      esac
      ;;
  esac
}
_${name.replaceAll("-", "_")} "$@"
`;
}

function zshOption(option: Option): string[] {
  const { description, argChoices, flags, required, optional } = option;
  const label = firstLine(description).replaceAll(/[[\]:]/g, " ");
  const values = argChoices !== undefined ? `(${argChoices.join(" ")})` : takesPath(flags) ? "_files" : " ";
  return namesOf(option).map((flag) => quote(`${flag}[${label}]${required || optional ? `:value:${values}` : ""}`));
}

function namesOf({ short, long }: Option): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

function flagsOf({ flags }: Option): string {
  return flags;
}

function takesFiles(command: Command): boolean {
  return command.registeredArguments.some((argument) => takesPath(argument.name()));
}

function uniqueBy<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [keyOf(item), item])).values()];
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
