import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ValidationFailed } from "../../components/errors";

/** The processes of a cluster in the order in which they start. */
export const PROCESS_NAMES = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"] as const;
export type ProcessName = (typeof PROCESS_NAMES)[number];

const clusterSchema = z.object({
  name: z.string(),
  /** Context of this cluster in both kubeconfigs: its name. */
  context: z.string(),
  /** Path of a kubeconfig with this cluster alone. */
  kubeconfig: z.string(),
  /** URL of the API server. */
  server: z.string(),
  /** Kubernetes version, such as v1.35.4. */
  version: z.string(),
  podCidr: z.string(),
  serviceCidr: z.string(),
  /** UID of the namespace kube-system: the cluster's identity. */
  uid: z.string(),
  pid: z.object({
    etcd: z.number(),
    "kube-apiserver": z.number(),
    "kube-controller-manager": z.number(),
    "kube-scheduler": z.number(),
    kwok: z.number(),
  }),
});

/** A local cluster as clusters.json lists it. */
export type Cluster = z.infer<typeof clusterSchema>;

const networkSchema = z.object({
  /** Place among the clusters of this folder, from 0: decides the address ranges. */
  index: z.number().int().min(0),
  /** Port of the API server on 127.0.0.1. */
  port: z.number().int().min(1).max(65535),
});

/** What a cluster must keep over a restart to be the same one to its users. */
export type Network = z.infer<typeof networkSchema>;

/** `<stateDir>/clusters.json`: the clusters that were started and not stopped. */
export function clustersFile(stateDir: string): string {
  return join(stateDir, "clusters.json");
}

/** `<stateDir>/kubeconfig`: one context per cluster, for `kubectl --context NAME`. */
export function mergedKubeconfig(stateDir: string): string {
  return join(stateDir, "kubeconfig");
}

/** Where everything of one cluster lies: data, credentials, logs, pid files. */
export class ClusterFolder {
  readonly path: string;
  readonly etcdData: string;
  readonly certificates: string;
  readonly serviceAccountKey: string;
  readonly tokens: string;
  readonly kubeconfig: string;
  readonly stages: string;
  readonly #network: string;

  constructor(stateDir: string, name: string) {
    this.path = join(stateDir, "clusters", name);
    this.etcdData = join(this.path, "etcd");
    this.certificates = join(this.path, "certificates");
    this.serviceAccountKey = join(this.path, "service-account.key");
    this.tokens = join(this.path, "tokens.csv");
    this.kubeconfig = join(this.path, "kubeconfig");
    this.stages = join(this.path, "stages.yaml");
    this.#network = join(this.path, "network.json");
  }

  pidFile(name: ProcessName): string {
    return join(this.path, `${name}.pid`);
  }

  logFile(name: ProcessName): string {
    return join(this.path, `${name}.log`);
  }

  /** What an earlier start, also a failed one, chose; undefined when there was none. */
  readNetwork(): Network | undefined {
    const network = networkSchema.safeParse(readJson(this.#network));
    return network.success ? network.data : undefined;
  }

  writeNetwork(network: Network): void {
    writePrivateFile(this.#network, JSON.stringify(network));
  }
}

/** Names of all clusters with a folder, whether they run, were stopped with their data kept, or never got ready. */
export function clusterFolders(stateDir: string): string[] {
  const parent = join(stateDir, "clusters");
  if (!existsSync(parent)) return [];
  const entries = readdirSync(parent, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/**
 * The clusters that clusters.json lists; none when the file is missing.
 * @throws ValidationFailed when the file is not what we wrote.
 */
export function readClusters(stateDir: string): Cluster[] {
  const file = clustersFile(stateDir);
  if (!existsSync(file)) return [];
  const clusters = z.array(clusterSchema).safeParse(readJson(file));
  if (clusters.success) return clusters.data;
  throw new ValidationFailed({
    what: "this is not a list of local clusters",
    where: file,
    fix: "remove the file and run `make up`: clusters that still run are found by their pid files",
  });
}

export function writeClusters(stateDir: string, clusters: readonly Cluster[]): void {
  writePrivateFile(clustersFile(stateDir), `${JSON.stringify(clusters, null, 2)}\n`);
}

/** Makes a folder that nobody else may enter, also when it exists with other rights. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
}

/** Replaces a file in one step, mode 0600: a reader sees the old or the new content, never half of it. */
export function writePrivateFile(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, path);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
