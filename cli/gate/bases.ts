import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { FleetError, Unreachable } from "../../components/errors";
import { startClusters } from "../../engine/clusters";
import { clusterTools, ensureManifests, ensureTools } from "../../engine/toolchain";
import { withoutSecrets, type BareCheckpoint } from "../../stacks/fleet/check/checkpoint";
import { usesLocalBackend, projectRoot } from "../workspace";
import { runChild } from "./child";
import type { RenderTasks, Rendering } from "./render-child";
import type { ThrowAway } from "./throw-away";

/** Reads the exported state of a stack in a folder; undefined when it has none there. */
export function exportedCheckpoint(folder: string, stack: string): BareCheckpoint | undefined {
  const file = join(resolve(folder), `${stack}.json`);
  if (!existsSync(file)) return undefined;
  return withoutSecrets(readFileSync(file, "utf8"), file);
}

/** Whether the environment names a backend of the user's own, or has credentials for Pulumi Cloud. */
export function hasBackend(env: NodeJS.ProcessEnv = process.env): boolean {
  return !usesLocalBackend(env) || (env.PULUMI_ACCESS_TOKEN ?? "") !== "";
}

/**
 * Exports a stack's state from the user's own backend, which nothing else here touches.
 * @returns undefined when the backend has no such stack.
 * @throws Unreachable when it does not give the state away.
 */
export async function backendCheckpoint(
  throwAway: ThrowAway,
  stack: string,
  signal: AbortSignal,
): Promise<BareCheckpoint | undefined> {
  const { PULUMI_HOME, PATH, PULUMI_SKIP_UPDATE_CHECK } = throwAway.pulumi.env;
  const { code, stdout, stderr } = await runChild(
    throwAway.pulumi.cli,
    ["stack", "export", "--stack", stack, "--non-interactive"],
    // A login of the user's own is in their home.
    { cwd: projectRoot, env: { PULUMI_HOME, ...process.env, PATH, PULUMI_SKIP_UPDATE_CHECK }, signal },
  );
  if (code === 0) return withoutSecrets(stdout, `the state of ${stack}`);
  if (/no stack named/.test(stderr)) return undefined;
  throw new Unreachable({
    what: `the state of ${stack} cannot be read: ${stderr.trim()}`,
    where: process.env.PULUMI_BACKEND_URL ?? "Pulumi Cloud",
    fix: "correct the credentials, or unset PULUMI_BACKEND_URL and PULUMI_ACCESS_TOKEN to do without",
  });
}

/** MiB for what is young: a rendered cell leaves so much behind that the default of 16 is collected over and over. */
const YOUNG_HEAP = 64;

/** Renders the objects of stacks in a process of its own. */
export async function renderStacks(
  throwAway: ThrowAway,
  tasks: Omit<RenderTasks, "out">,
  name: string,
  signal: AbortSignal,
): Promise<Record<string, Rendering>> {
  if (tasks.stacks.length === 0) return {};
  const out = join(throwAway.folder, `rendered-${name}.json`);
  const { code, stderr } = await runChild(
    process.execPath,
    [
      `--max-semi-space-size=${String(YOUNG_HEAP)}`,
      join(__dirname, "render-child.js"),
      JSON.stringify({ ...tasks, out }),
    ],
    { cwd: tasks.root, env: { ...process.env, CLAWFLEET_STATE: throwAway.offlineState }, signal },
  );
  if (code !== 0)
    throw new FleetError({
      what: `nothing is rendered of the ${name}: ${stderr.trim()}`,
      fix: "correct the cause above",
    });
  return JSON.parse(readFileSync(out, "utf8")) as Record<string, Rendering>;
}

/**
 * Starts embedded clusters for the clusters of a fleet, below the throw-away state.
 * @throws Unreachable when they do not start.
 */
export async function startStandIns(
  throwAway: ThrowAway,
  names: string[],
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const tools = await ensureTools(clusterTools, { signal });
  const binaries = Object.fromEntries(Object.entries(tools).map(([name, { path }]) => [name, path])) as Record<
    keyof typeof tools,
    string
  >;
  const manifests = await ensureManifests({ signal });
  await startClusters(names, {
    stateDir: throwAway.folder,
    binaries: { ...binaries, ...manifests },
    log,
    signal,
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw new Unreachable(
      {
        what: `the embedded clusters for the base do not start: ${error instanceof Error ? error.message : String(error)}`,
        fix: "see `clawfleet doctor`, or leave out --base cluster",
      },
      { cause: error },
    );
  });
}

/**
 * Brings a stack of the base revision up on the embedded clusters.
 * @throws Unreachable when it does not come up: there is nothing to compare with.
 */
export async function applyBase(
  { pulumi }: ThrowAway,
  stack: string,
  options: { root: string; configFile: string; signal: AbortSignal },
): Promise<void> {
  const { code, stdout, stderr } = await runChild(
    pulumi.cli,
    ["up", "--yes", "--skip-preview", "--stack", stack, "--config-file", options.configFile, "--non-interactive"],
    { cwd: options.root, env: pulumi.env, signal: options.signal },
  );
  if (code !== 0)
    throw new Unreachable({
      what: `the base of ${stack} does not come up on embedded clusters:\n${`${stdout}\n${stderr}`.trim().slice(-1500)}`,
      fix: "correct the cause above, give --base-checkpoint, or leave out --base cluster",
    });
}
