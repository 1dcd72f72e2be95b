import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Environment } from "../components/environment";
import { mergedKubeconfig, startClusters, stopClusters, type Cluster } from "../engine/clusters";
import { clusterTools, ensureManifests, ensureTools, linksMarker } from "../engine/toolchain";
import { readFleet, type FleetCell } from "../stacks/fleet/inventory";
import { locksOf } from "../stacks/fleet/rollout/stack-locks";
import { checkpointFile } from "../stacks/project";
import { cellsOfStack, readStackFiles, stackSettings } from "../stacks/fleet/stacks";
import { ChildFailed, ensureStack, openPulumi, stackArgs, type LocalPulumi } from "./pulumi";
import { forgetUnsaved, hasUnsaved, savedAtEnd } from "./saved-at-end";
import { backendEnv, projectRoot, stateLayout, usesLocalBackend } from "./workspace";
import { summarize } from "./summary";

/** Progress goes to standard error, so that standard output is what was asked for. */
export const progress = (line: string): void => void process.stderr.write(`${line}\n`);

/** What the stack tells of its cells, as `stacks/program.ts` writes it. */
export interface StackCell {
  cluster: string;
  context: string;
  uid?: string;
  namespace: string;
  service: string;
  url: string;
  imagesHash: string;
  configHash: string;
  healthy: boolean;
  /** ISO time since when that holds. */
  at?: string;
}

/** Brings a stack up on its clusters; the embedded ones are started first. */
export async function up(stack: string, signal: AbortSignal): Promise<void> {
  const pulumi = await openPulumi();
  const discarded = await discardUnsaved(pulumi, stack);
  const clusters = await startEmbedded(stack, signal);
  await ensureStack(pulumi, stack);
  clearStaleLocks(pulumi, stack);
  const before = await stackCells(pulumi, stack);
  // A local cluster that was made anew has none of the objects that the state tells of.
  const remade =
    discarded || clusters.some(({ name, uid }) => before[name]?.uid !== undefined && before[name]?.uid !== uid);
  await mustChange(
    pulumi,
    stack,
    [
      "up",
      "--yes",
      "--skip-preview",
      "--non-interactive",
      ...(remade ? ["--refresh"] : []),
      ...stackArgs(pulumi, stack),
    ],
    "some of it may be in place: correct the cause above and run `make up` again",
  );
  const cells = await stackCells(pulumi, stack);
  process.stdout.write(summarize(cells, mergedKubeconfig(pulumi.layout.folder)));
}

/**
 * Shows what `up` would change.
 * @param policy whether the policy pack looks at it, with the config of the stack's environment.
 */
export async function preview(stack: string, policy: boolean, signal: AbortSignal): Promise<void> {
  const pulumi = await openPulumi();
  await startEmbedded(stack, signal);
  await ensureStack(pulumi, stack);
  await mustSucceed(
    pulumi,
    [
      "preview",
      "--non-interactive",
      ...stackArgs(pulumi, stack),
      ...(policy ? policyArgs(trackedCells(stack)[0]?.environment ?? Environment.Prod) : []),
    ],
    "correct the cause above",
  );
}

/** The arguments that apply the project's policy pack at the level of an environment. */
export function policyArgs(environment: Environment): string[] {
  const pack = join(projectRoot, "policy");
  return ["--policy-pack", pack, "--policy-pack-config", join(pack, "config", `${environment}.json`)];
}

/** Destroys the stack, then stops the embedded clusters. What the config says to retain stays until its cluster goes. */
export async function down(stack: string, signal: AbortSignal): Promise<void> {
  const layout = stateLayout();
  if (!usesLocalBackend() || existsSync(checkpointFile(layout.backend, stack))) {
    const pulumi = await openPulumi();
    // A cluster that crashed has to answer for its objects to be deleted.
    await startEmbedded(stack, signal);
    await ensureStack(pulumi, stack);
    clearStaleLocks(pulumi, stack);
    await mustChange(
      pulumi,
      stack,
      ["destroy", "--yes", "--skip-preview", "--non-interactive", ...stackArgs(pulumi, stack)],
      "correct the cause above and run `make down` again",
    );
  }
  await clustersDown();
}

/** Stops the local clusters and nothing else. */
export async function clustersDown(): Promise<void> {
  const stopped = await stopClusters(stateLayout().folder, undefined, { log: progress });
  progress(stopped.length === 0 ? "no local cluster runs" : `stopped ${stopped.join(", ")}`);
}

/** Shell commands that make plain `pulumi` and `kubectl` work on the local stack. */
export async function shellEnv(): Promise<string> {
  const pulumi = await openPulumi();
  const { layout } = pulumi;
  const shim = join(layout.bin, "pulumi");
  // Or a command run in that shell would take the shim for an installed Pulumi, and the shim would start itself for ever.
  writeFileSync(join(layout.bin, linksMarker), "");
  writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${join(__dirname, "shim.js")}" "$@"\n`, { mode: 0o700 });
  const kubeconfig = mergedKubeconfig(layout.folder);
  const variables: Record<string, string | undefined> = {
    ...backendEnv(layout),
    PULUMI_HOME: pulumi.env.PULUMI_HOME,
    PULUMI_IGNORE_AMBIENT_PLUGINS: pulumi.env.PULUMI_IGNORE_AMBIENT_PLUGINS,
    PULUMI_SKIP_UPDATE_CHECK: pulumi.env.PULUMI_SKIP_UPDATE_CHECK,
    CLAWFLEET_STATE: layout.folder,
    ...(existsSync(kubeconfig) && { KUBECONFIG: kubeconfig }),
    PATH: `${layout.bin}:${pulumi.env.PATH ?? ""}`,
  };
  const lines = Object.entries(variables).flatMap(([name, value]) =>
    value === undefined ? [] : [`export ${name}=${quote(value)}`],
  );
  return `${lines.join("\n")}\n`;
}

function quote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

/** The folder of the tracked fleet. */
const fleetFolder = join(projectRoot, "stacks");

/** The cells of a stack, as the tracked files have them. */
function trackedCells(stack: string): FleetCell[] {
  const files = readStackFiles(fleetFolder);
  return cellsOfStack(
    readFleet(fleetFolder),
    files,
    stack,
    files.get(stack) ?? stackSettings({}, `Pulumi.${stack}.yaml`),
  );
}

/** The names of the embedded clusters that a stack has cells on. */
export function embeddedClusters(stack: string): string[] {
  const embedded = trackedCells(stack).filter(({ cluster }) => cluster.embedded);
  return [...new Set(embedded.map(({ cluster }) => cluster.id))];
}

/** Starts the embedded clusters that a stack lists. */
export async function startEmbedded(stack: string, signal: AbortSignal): Promise<Cluster[]> {
  const names = embeddedClusters(stack);
  if (names.length === 0) return [];
  const tools = await ensureTools(clusterTools, { signal });
  const paths = Object.fromEntries(Object.entries(tools).map(([name, { path }]) => [name, path])) as Record<
    keyof typeof tools,
    string
  >;
  const manifests = await ensureManifests({ signal });
  return startClusters(names, {
    stateDir: stateLayout().folder,
    binaries: { ...paths, ...manifests },
    log: progress,
    signal,
  });
}

/** The stack's cells as of its last update; none before the first. */
export async function stackCells(pulumi: LocalPulumi, stack: string): Promise<Record<string, StackCell>> {
  const { code, stdout } = await pulumi.run(["stack", "output", "--json", "--stack", stack, "--non-interactive"], {
    capture: true,
  });
  if (code !== 0)
    throw new ChildFailed({ what: "the stack's outputs cannot be read", fix: "see Pulumi's message above" });
  return (JSON.parse(stdout) as { cells?: Record<string, StackCell> }).cells ?? {};
}

/** A killed run leaves its lock in the project's own backend. It is removed when its process is gone, and only then. */
export function clearStaleLocks({ env, layout }: Pick<LocalPulumi, "env" | "layout">, stack: string): void {
  if (!usesLocalBackend(env)) return;
  // Of those that are held, Pulumi says who has them.
  for (const { file } of locksOf(layout.backend, stack).filter(({ held }) => !held)) {
    progress("an earlier run was killed; removing its lock");
    rmSync(file, { force: true });
  }
}

/** Ends the embedded clusters of a run that was killed before it saved what it had made of them. */
async function discardUnsaved(pulumi: LocalPulumi, stack: string): Promise<boolean> {
  const { layout } = pulumi;
  if (!hasUnsaved(layout, stack) || locksOf(layout.backend, stack).some(({ held }) => held)) return false;
  progress("an earlier run was killed before it saved its state; making its local clusters anew");
  await stopClusters(layout.folder, embeddedClusters(stack), { log: progress });
  forgetUnsaved(layout, stack);
  return true;
}

/** Runs what changes a stack. */
async function mustChange(pulumi: LocalPulumi, stack: string, args: string[], fix: string): Promise<void> {
  const disposable = usesLocalBackend(pulumi.env) && trackedCells(stack).every(({ cluster }) => cluster.embedded);
  const { code } = disposable
    ? await savedAtEnd(pulumi.layout, stack, (env) => pulumi.run(args, { env }))
    : await pulumi.run(args);
  if (code !== 0) throw new ChildFailed({ what: `pulumi ${args[0] ?? ""} ended with ${String(code)}`, fix });
}

async function mustSucceed(pulumi: LocalPulumi, args: string[], fix: string): Promise<void> {
  const { code } = await pulumi.run(args, { cwd: projectRoot });
  if (code !== 0) throw new ChildFailed({ what: `pulumi ${args[0] ?? ""} ended with ${String(code)}`, fix });
}
