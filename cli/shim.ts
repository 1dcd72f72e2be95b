import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { PROJECT } from "../stacks/project";
import {
  composeStackFile,
  processEnv,
  projectRoot,
  saveComposedStackFile,
  stateLayout,
  usesLocalBackend,
} from "./workspace";

/*
 * `pulumi` in the shell of `make env`: the real one, told to use the stack file that has this machine's salt. Without
 * it, every command would write the salt into the tracked file.
 */

/** The commands that read or write a stack's config file. */
const CONFIG_COMMANDS = [
  "config",
  "cfg",
  "up",
  "update",
  "preview",
  "pre",
  "destroy",
  "down",
  "dn",
  "refresh",
  "import",
  "watch",
  "logs",
];

/** What the shim needs to know of a command line. */
export interface CommandLine {
  command: string | undefined;
  stack: string | undefined;
  hasConfigFile: boolean;
}

/** Reads a Pulumi command line as far as the shim needs it. */
export function readCommandLine(args: string[]): CommandLine {
  const line: CommandLine = { command: undefined, stack: undefined, hasConfigFile: false };
  for (const [index, arg] of args.entries()) {
    if (arg === "--") break;
    if (arg === "-s" || arg === "--stack") line.stack = args[index + 1];
    else if (arg.startsWith("--stack=")) line.stack = arg.slice("--stack=".length);
    else if (/^-s./.test(arg)) line.stack = arg.slice(2).replace(/^=/, "");
    else if (/^--config-file(=|$)/.test(arg)) line.hasConfigFile = true;
    else if (!arg.startsWith("-") && !["-s", "--stack", "-C", "--cwd"].includes(args[index - 1] ?? ""))
      line.command ??= arg;
  }
  return line;
}

/** The stack that `pulumi stack select` chose in this project. */
function selectedStack(pulumiHome: string): string | undefined {
  const project = createHash("sha1").update(join(projectRoot, "Pulumi.yaml")).digest("hex");
  try {
    const file = join(pulumiHome, "workspaces", `${PROJECT}-${project}-workspace.json`);
    return (JSON.parse(readFileSync(file, "utf8")) as { stack?: string }).stack;
  } catch {
    return undefined;
  }
}

function main(args: string[]): number {
  const layout = stateLayout();
  const {
    command,
    stack = process.env.PULUMI_STACK ?? selectedStack(layout.pulumiHome),
    hasConfigFile,
  } = readCommandLine(args);
  const applies =
    command !== undefined &&
    CONFIG_COMMANDS.includes(command) &&
    stack !== undefined &&
    !hasConfigFile &&
    usesLocalBackend();
  const file = applies ? composeStackFile(layout, stack) : undefined;
  // The terminal's Ctrl-C reaches Pulumi by itself.
  process.on("SIGINT", () => undefined);
  const { status, error } = spawnSync(
    join(layout.pulumiHome, "bin", "pulumi"),
    [...args, ...(file === undefined ? [] : ["--config-file", file])],
    { stdio: "inherit", env: { ...process.env, ...processEnv(layout) } },
  );
  if (error !== undefined) {
    process.stderr.write(`pulumi does not start: ${error.message}\n  Fix: run \`make env\` again\n`);
    return 127;
  }
  if (file !== undefined && stack !== undefined && /^(config|cfg)$/.test(command ?? ""))
    saveComposedStackFile(layout, stack);
  return status ?? 1;
}

if (require.main === module) process.exitCode = main(process.argv.slice(2));
