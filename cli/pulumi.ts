import { spawn, type StdioOptions } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FleetError, NotFound } from "../components/errors";
import { ensureTools, preparePulumiHome, pulumiTools } from "../engine/toolchain";
import { checkpointFile, PROJECT } from "../stacks/project";
import {
  backendEnv,
  composeStackFile,
  prepareState,
  processEnv,
  projectRoot,
  saveSalt,
  stateLayout,
  usesLocalBackend,
  type StateLayout,
} from "./workspace";

/** How a child process ended and what it printed, as far as that was asked for. */
export interface RunResult {
  code: number;
  /** Whether it was ended by a signal that it did not handle. */
  killed: boolean;
  stdout: string;
}

/** Pulumi on this machine: the CLI, its plugins, a backend and a passphrase. */
export interface LocalPulumi {
  layout: StateLayout;
  /** The environment of every Pulumi process. */
  env: NodeJS.ProcessEnv;
  /** The real CLI. */
  cli: string;
  /** Runs the CLI in the project; its output goes to this process's, unless it is to be captured. */
  run: (args: string[], options?: { capture?: boolean; cwd?: string; env?: NodeJS.ProcessEnv }) => Promise<RunResult>;
}

/** A child ended with an error of its own, which it has already reported. */
export class ChildFailed extends FleetError {}

/** Finds or builds the toolchain and lays everything out that Pulumi needs. */
export async function openPulumi(env: NodeJS.ProcessEnv = process.env): Promise<LocalPulumi> {
  const layout = stateLayout(env);
  prepareState(layout);
  const tools = await ensureTools([...pulumiTools, "kubectl"]);
  const home = await preparePulumiHome(layout.pulumiHome, tools, { env });
  const pulumiEnv: NodeJS.ProcessEnv = {
    ...env,
    ...home.env,
    ...backendEnv(layout, env),
    CLAWFLEET_STATE: layout.folder,
    ...processEnv(layout, env),
    // The plugins are in place; a missing one is to be an error, not a download.
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
  const cli = join(home.binDir, "pulumi");
  return {
    layout,
    env: pulumiEnv,
    cli,
    run: (args, options = {}) =>
      runChild(cli, args, {
        env: { ...pulumiEnv, ...options.env },
        cwd: options.cwd ?? projectRoot,
        capture: options.capture ?? false,
      }),
  };
}

/** Runs a child and passes an interruption on to it, so that it can finish what it is at. */
export function runChild(
  command: string,
  args: string[],
  options: { env: NodeJS.ProcessEnv; cwd: string; capture: boolean },
): Promise<RunResult> {
  const stdio: StdioOptions = ["inherit", options.capture ? "pipe" : "inherit", "inherit"];
  return new Promise((fulfil, reject) => {
    const child = spawn(command, args, { env: options.env, cwd: options.cwd, stdio });
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    // A terminal sends Ctrl-C to the child as well, and a second one would make Pulumi stop at once: swallow it here.
    const onInterrupt = () => undefined;
    const onTerminate = () => void child.kill("SIGINT");
    process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate);
    const done = () => process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate);
    child.on("error", (error) => {
      done();
      reject(new NotFound({ what: `${command} does not start (${error.message})`, fix: "run `make doctor`" }));
    });
    child.on("close", (code, signal) => {
      done();
      fulfil({ code: code ?? (signal === "SIGINT" ? 130 : 1), killed: code === null, stdout });
    });
  });
}

/** The arguments that make a command work on a stack, with this machine's config file where there is one. */
export function stackArgs(pulumi: LocalPulumi, stack: string): string[] {
  const file = usesLocalBackend(pulumi.env) ? composeStackFile(pulumi.layout, stack) : undefined;
  return ["--stack", stack, ...(file === undefined ? [] : ["--config-file", file])];
}

/** Creates the stack unless it exists, and selects it. Its salt stays out of the tracked file. */
export async function ensureStack(pulumi: LocalPulumi, stack: string): Promise<void> {
  if (!usesLocalBackend(pulumi.env)) {
    await must(pulumi, ["stack", "select", "--create", stack]);
    return;
  }
  await createStack(pulumi, stack);
  await must(pulumi, ["stack", "select", stack]);
}

/** Creates the stack unless it exists. Of the project's own backend it is not selected, so that many can be created at once. */
export async function createStack(pulumi: LocalPulumi, stack: string): Promise<void> {
  if (!usesLocalBackend(pulumi.env)) await must(pulumi, ["stack", "select", "--create", stack]);
  else if (!existsSync(checkpointFile(pulumi.layout.backend, stack))) await initStack(pulumi, stack);
}

/** `pulumi stack init` writes a salt beside the Pulumi.yaml that it finds, so it is shown one of no consequence. */
async function initStack(pulumi: LocalPulumi, stack: string): Promise<void> {
  const folder = mkdtempSync(join(pulumi.layout.stackFiles, "init-"));
  try {
    writeFileSync(join(folder, "Pulumi.yaml"), `name: ${PROJECT}\nruntime: nodejs\n`);
    await must(pulumi, ["stack", "init", stack], folder);
    saveSalt(pulumi.layout, stack, readFileSync(join(folder, `Pulumi.${stack}.yaml`), "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function must(pulumi: LocalPulumi, args: string[], cwd?: string): Promise<void> {
  const { code } = await pulumi.run([...args, "--non-interactive"], {
    capture: true,
    ...(cwd !== undefined && { cwd }),
  });
  if (code !== 0)
    throw new ChildFailed({
      what: `pulumi ${args.join(" ")} ended with ${String(code)}`,
      fix: "see its message above",
    });
}
