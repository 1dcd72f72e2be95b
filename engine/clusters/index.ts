import { existsSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { ValidationFailed } from "../../components/errors";
import { withLock } from "../toolchain/lock";
import { accessOf, isReady, runningProcesses, startCluster, stopProcesses } from "./cluster";
import type { ClusterPrograms } from "./control-plane";
import { kubeconfig } from "./credentials";
import { planIndexes } from "./network";
import { residentMemory } from "./process";
import {
  clusterFolders,
  ClusterFolder,
  clustersFile,
  makePrivateFolder,
  mergedKubeconfig,
  PROCESS_NAMES,
  readClusters,
  writeClusters,
  writePrivateFile,
  type Cluster,
  type ProcessName,
} from "./state";

export { clustersFile, mergedKubeconfig } from "./state";
export type { Cluster, ProcessName } from "./state";
export type { ClusterPrograms } from "./control-plane";

const DEFAULT_NODES = 2;
const MAX_NODES = 64;

export interface StartOptions {
  /** Folder for everything that is kept, such as `<project>/.clawfleet`; made with mode 0700. */
  stateDir: string;
  binaries: ClusterPrograms;
  /** Nodes per cluster, 1 to 64; default 2. Takes effect when a cluster is first started; more can be added later. */
  nodes?: number;
  /** Takes one line of progress per call. */
  log?: (line: string) => void;
  /** On abort what this call started is ended, and the state stays one that the next start recovers from. */
  signal?: AbortSignal;
}

/** A cluster as it is now. */
export interface ClusterStatus extends Cluster {
  /** All processes run and the API server is ready. */
  healthy: boolean;
  /** Resident memory in bytes of each process that runs. */
  memory: Partial<Record<ProcessName, number>>;
  /** Sum of `memory`, bytes. */
  totalMemory: number;
}

/**
 * Starts local clusters in parallel and waits until they are ready. A healthy one is left as it is, a crashed or
 * half-started one is recovered with its data.
 * @returns the clusters in the order of their names.
 * @throws ValidationFailed for a bad name or option; Unreachable or Timeout when a cluster doesn't get ready.
 */
export async function startClusters(names: readonly string[], options: StartOptions): Promise<Cluster[]> {
  const { binaries: programs, nodes = DEFAULT_NODES, log = () => undefined, signal } = options;
  const stateDir = resolve(options.stateDir);
  checkNames(names);
  checkNodes(nodes);
  signal?.throwIfAborted();
  makePrivateFolder(stateDir);
  const healthy = await healthyClusters(stateDir, names);
  if (healthy.length === names.length) return healthy;

  return withLock(
    lockFile(stateDir),
    { purpose: `start local clusters ${names.join(", ")}`, log, signal },
    async () => {
      // The one we waited for may have started them.
      const left = await healthyClusters(stateDir, names);
      const missing = names.filter((name) => !left.some((cluster) => cluster.name === name));
      const indexes = planIndexes(missing, previousIndexes(stateDir));
      const reservedPorts = new Set<number>();
      const starts = await Promise.allSettled(
        [...indexes].map(([name, index]) =>
          startCluster({ name, stateDir, index, reservedPorts, nodes, programs, log, signal }),
        ),
      );
      const done = starts.filter((start) => start.status === "fulfilled").map((start) => start.value);
      if (signal?.aborted) {
        await Promise.all(
          done.map(({ cluster, started }) => stopProcesses(new ClusterFolder(stateDir, cluster.name), started)),
        );
        throw signal.reason;
      }
      record(stateDir, [...left, ...done.map(({ cluster }) => cluster)]);
      const failed = starts.find((start) => start.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      const all = new Map(readClusters(stateDir).map((cluster) => [cluster.name, cluster]));
      return names.flatMap((name) => all.get(name) ?? []);
    },
  );
}

/** The clusters that were started and not stopped, with their present state; none when nothing was started here. */
export async function listClusters(stateDir: string): Promise<ClusterStatus[]> {
  return Promise.all(readClusters(resolve(stateDir)).map((cluster) => statusOf(resolve(stateDir), cluster)));
}

/**
 * Ends clusters, all of the folder by default, also half-started ones, and removes their data unless `keepData`. Only
 * processes that we started are signalled: each is known by its pid and start time.
 * @returns the names of the clusters that were stopped.
 */
export async function stopClusters(
  folder: string,
  names?: readonly string[],
  { keepData = false, log = () => undefined }: { keepData?: boolean; log?: (line: string) => void } = {},
): Promise<string[]> {
  const stateDir = resolve(folder);
  if (names !== undefined) checkNames(names);
  if (!existsSync(stateDir)) return [];
  return withLock(lockFile(stateDir), { purpose: "stop local clusters", log, signal: undefined }, async () => {
    const stopped = clusterFolders(stateDir).filter((name) => names?.includes(name) ?? true);
    await Promise.all(
      stopped.map(async (name) => {
        const cluster = new ClusterFolder(stateDir, name);
        await stopProcesses(cluster, PROCESS_NAMES);
        if (!keepData) rmSync(cluster.path, { recursive: true, force: true });
        log(`${name}: stopped${keepData ? ", data kept" : ""}`);
      }),
    );
    forget(stateDir, stopped);
    return stopped;
  });
}

/** One start or stop at a time per folder: ranges, ports and clusters.json are shared. */
function lockFile(stateDir: string): string {
  return join(stateDir, "clusters.lock");
}

async function healthyClusters(stateDir: string, names: readonly string[]): Promise<Cluster[]> {
  const known = readClusters(stateDir).filter(({ name }) => names.includes(name));
  const states = await Promise.all(known.map((cluster) => isHealthy(stateDir, cluster)));
  const healthy = new Map(known.filter((_, place) => states[place]).map((cluster) => [cluster.name, cluster]));
  return names.flatMap((name) => healthy.get(name) ?? []);
}

async function isHealthy(stateDir: string, cluster: Cluster): Promise<boolean> {
  const folder = new ClusterFolder(stateDir, cluster.name);
  const running = runningProcesses(folder);
  if (!PROCESS_NAMES.every((name) => running[name]?.pid === cluster.pid[name])) return false;
  const access = accessOf(folder, Number(new URL(cluster.server).port));
  return access !== undefined && existsSync(cluster.kubeconfig) && (await isReady(access));
}

async function statusOf(stateDir: string, cluster: Cluster): Promise<ClusterStatus> {
  const running = runningProcesses(new ClusterFolder(stateDir, cluster.name));
  const memory: Partial<Record<ProcessName, number>> = {};
  for (const name of PROCESS_NAMES) {
    const pid = running[name]?.pid;
    if (pid !== undefined) memory[name] = residentMemory(pid);
  }
  const totalMemory = Object.values(memory).reduce((sum, bytes) => sum + bytes, 0);
  return { ...cluster, healthy: await isHealthy(stateDir, cluster), memory, totalMemory };
}

function previousIndexes(stateDir: string): Map<string, number> {
  const indexes = new Map<string, number>();
  for (const name of clusterFolders(stateDir)) {
    const network = new ClusterFolder(stateDir, name).readNetwork();
    if (network !== undefined) indexes.set(name, network.index);
  }
  return indexes;
}

/** Enters clusters into clusters.json and the merged kubeconfig, in place of earlier entries of their names. */
function record(stateDir: string, clusters: readonly Cluster[]): void {
  const others = readClusters(stateDir).filter(({ name }) => !clusters.some((cluster) => cluster.name === name));
  writeState(stateDir, [...others, ...clusters]);
}

function forget(stateDir: string, names: readonly string[]): void {
  writeState(
    stateDir,
    readClusters(stateDir).filter(({ name }) => !names.includes(name)),
  );
}

function writeState(stateDir: string, clusters: readonly Cluster[]): void {
  if (clusters.length === 0) {
    rmSync(clustersFile(stateDir), { force: true });
    rmSync(mergedKubeconfig(stateDir), { force: true });
    return;
  }
  const sorted = clusters.toSorted((a, b) => a.name.localeCompare(b.name));
  const contexts = sorted.flatMap(({ name, server }) => {
    const access = accessOf(new ClusterFolder(stateDir, name), Number(new URL(server).port));
    return access === undefined ? [] : [{ name, access }];
  });
  writePrivateFile(mergedKubeconfig(stateDir), kubeconfig(contexts));
  writeClusters(stateDir, sorted);
}

function checkNames(names: readonly string[]): void {
  for (const name of names) {
    // A node is named after its cluster, and both are DNS labels.
    if (/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name)) continue;
    throw new ValidationFailed({
      what: `"${name}" can't be the name of a local cluster`,
      fix: "use up to 40 of a-z, 0-9 and -, with a letter or digit at both ends",
    });
  }
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice === undefined) return;
  throw new ValidationFailed({ what: `the local cluster "${twice}" is named twice`, fix: "name each cluster once" });
}

function checkNodes(nodes: number): void {
  if (Number.isInteger(nodes) && nodes >= 1 && nodes <= MAX_NODES) return;
  throw new ValidationFailed({
    what: `a local cluster can't have ${nodes} nodes`,
    where: "nodes",
    fix: `give a whole number from 1 to ${MAX_NODES}`,
  });
}
