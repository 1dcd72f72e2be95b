import type { Command } from "commander";
import { ValidationFailed } from "../components/errors";

/** The shells that there is a completion for. */
const SHELLS = ["bash", "zsh", "fish"];

/**
 * A script that completes commands and options, generated from the commands themselves.
 * @throws ValidationFailed for a shell that it does not know.
 */
export function completion(program: Command, shell: string): string {
  const name = program.name();
  if (shell === "fish") return fish(program);
  if (shell === "bash") return bash(program);
  if (shell === "zsh") return `#compdef ${name}\nautoload -U +X bashcompinit && bashcompinit\n${bash(program)}`;
  throw new ValidationFailed({ what: `there is no completion for ${shell}`, fix: `use one of: ${SHELLS.join(", ")}` });
}

/** A command, and what stands before it on the command line. */
interface Entry {
  path: string[];
  command: Command;
}

function entries(command: Command, path: string[] = []): Entry[] {
  return [{ path, command }, ...command.commands.flatMap((child) => entries(child, [...path, child.name()]))];
}

/** The options with `--help`, which commander adds when it parses. */
function optionsOf(command: Command): { long: string; description: string }[] {
  const visible = command.options.flatMap(({ long, description, hidden }) =>
    long === undefined || hidden ? [] : [{ long: String(long), description }],
  );
  return [...visible, { long: "--help", description: "show its help" }];
}

function bash(program: Command): string {
  const name = program.name();
  const paths = entries(program);
  const cases = paths.map(({ path, command }) => {
    const words = [...command.commands.map((child) => child.name()), ...optionsOf(command).map(({ long }) => long)];
    return `    "${path.join(" ")}") words="${words.join(" ")}" ;;`;
  });
  const known = paths.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(" ")}"`);
  return [
    `_${name}() {`,
    '  local current="${COMP_WORDS[COMP_CWORD]}" path="" words="" word',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    case "${path:+$path }$word" in',
    `      ${known.join("|")}) path="\${path:+$path }$word" ;;`,
    "    esac",
    "  done",
    '  case "$path" in',
    ...cases,
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    `complete -o default -F _${name} ${name}`,
    "",
  ].join("\n");
}

function fish(program: Command): string {
  const name = program.name();
  const lines = entries(program).flatMap(({ path, command }) => {
    const children = command.commands.map((child) => child.name());
    const condition = [
      ...(path.length === 0 ? ["__fish_use_subcommand"] : path.map((word) => `__fish_seen_subcommand_from ${word}`)),
      ...(path.length > 0 && children.length > 0 ? [`not __fish_seen_subcommand_from ${children.join(" ")}`] : []),
    ].join("; and ");
    return [
      ...command.commands.map((child) => [`-f -a ${child.name()}`, child.description()]),
      ...optionsOf(command).map(({ long, description }) => [`-l ${long.slice(2)}`, description]),
    ].map(
      ([what, description]) =>
        `complete -c ${name} -n ${quote(condition)} ${String(what)} -d ${quote(String(description))}`,
    );
  });
  return `${lines.join("\n")}\n`;
}

/** Text in single quotes, which mean the same in every shell but for the quote itself. */
function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
