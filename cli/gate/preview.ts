import { Environment } from "../../components/environment";
import { readEvents, type EngineRun } from "../../stacks/fleet/check/engine-events";
import type { FleetCell } from "../../stacks/fleet/inventory";
import { policyArgs } from "../local";
import { preloadEnv } from "../pack/preload-env";
import { projectRoot } from "../workspace";
import { runChild } from "./child";
import type { ThrowAway } from "./throw-away";

/** A preview of a stack under the policies. */
export interface PolicedRun extends EngineRun {
  /** Why the engine came to no end of its own; undefined when it did. */
  failure?: string;
}

/** The environment whose level the policies have for a stack: of several the strictest. */
export function environmentOf(cells: readonly FleetCell[]): Environment {
  const strictest = [Environment.Prod, Environment.Stage, Environment.Dev];
  return strictest.find((environment) => cells.some((cell) => cell.environment === environment)) ?? Environment.Prod;
}

/** Previews a stack of the throw-away backend under the policies of an environment. */
export async function previewStack(
  throwAway: ThrowAway,
  stack: string,
  options: { configFile: string; environment: Environment; env?: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<PolicedRun> {
  const { configFile, environment, env, signal } = options;
  const args = ["preview", "--stack", stack, "--config-file", configFile, "--json", ...policyArgs(environment)];
  return policedRun(throwAway, args, { ...env, PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true" }, signal);
}

/** Runs a command of Pulumi that streams its events. */
export async function policedRun(
  { pulumi }: ThrowAway,
  args: string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<PolicedRun> {
  const { code, stdout, stderr } = await runChild(pulumi.cli, [...args, "--non-interactive"], {
    cwd: projectRoot,
    env: { ...pulumi.env, ...env, ...preloadEnv() },
    signal,
  });
  const run = readEvents(stdout);
  const violated = run.policies.some(({ enforcementLevel }) => enforcementLevel === "mandatory");
  // The engine's last word, when nothing but a policy was in the way.
  const errors = run.errors.filter((error) => !violated || error !== "preview failed");
  if (errors.length > 0 || (code !== 0 && !violated) || !run.finished)
    return {
      ...run,
      failure: errors.join("\n") || stderr.trim() || `pulumi ${args[0] ?? ""} ended with ${String(code)}`,
    };
  return run;
}
