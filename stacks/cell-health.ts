import type { ClusterReader } from "./cluster-connection";

/** What a Deployment or a StatefulSet tells, as far as it is looked at. */
interface Workload {
  metadata: { name: string; generation?: number };
  spec?: { replicas?: number };
  status?: { observedGeneration?: number; replicas?: number; updatedReplicas?: number; readyReplicas?: number };
}

/** The same of a Pod. */
export interface Pod {
  metadata: { name: string; uid: string; deletionTimestamp?: string; ownerReferences?: { kind: string }[] };
  spec?: { nodeName?: string };
  status?: {
    phase?: string;
    conditions?: { type: string; lastTransitionTime?: string | null }[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

interface ContainerStatus {
  name: string;
  restartCount?: number;
  state?: { waiting?: { reason?: string } };
}

/** The workloads of a cell, as its API server has them. */
export interface CellWorkloads {
  /** By kind and name, as `StatefulSet dev-eu-gateway`. */
  controllers: Map<string, Workload>;
  pods: Pod[];
}

/** How a cell is. */
export interface CellHealth {
  /** Whether every workload is there, and Ready at its current generation with all of its replicas. */
  healthy: boolean;
  /** ISO time since when that holds: when the last Pod became Ready, or ceased to be. Undefined without Pods. */
  at: string | undefined;
  /** What is not as it should be. */
  problems: string[];
}

/**
 * Reads the workloads of a cell.
 * @throws what the reader throws.
 */
export async function readWorkloads(reader: ClusterReader, namespace: string, cell: string): Promise<CellWorkloads> {
  const list = async <T>(api: string, plural: string): Promise<T[]> => {
    const selector = encodeURIComponent(`app.kubernetes.io/instance=${cell}`);
    const path = `${api}/namespaces/${namespace}/${plural}?labelSelector=${selector}`;
    return ((await reader.get(path)) as { items: T[] } | undefined)?.items ?? [];
  };
  const [deployments, statefulSets, pods] = await Promise.all([
    list<Workload>("/apis/apps/v1", "deployments"),
    list<Workload>("/apis/apps/v1", "statefulsets"),
    list<Pod>("/api/v1", "pods"),
  ]);
  const named = (kind: string, workloads: Workload[]) =>
    workloads.map((workload): [string, Workload] => [`${kind} ${workload.metadata.name}`, workload]);
  return { controllers: new Map([...named("Deployment", deployments), ...named("StatefulSet", statefulSets)]), pods };
}

/**
 * Judges a cell by its workloads.
 * @param expected those that it should have, as `StatefulSet dev-eu-gateway`.
 */
export function cellHealth(expected: readonly string[], { controllers, pods }: CellWorkloads): CellHealth {
  const problems = expected.flatMap((name) => {
    const problem = problemOf(controllers.get(name));
    return problem === undefined ? [] : [`${name} ${problem}`];
  });
  // Pods of Jobs come and go.
  const lasting = pods.filter(
    ({ metadata }) =>
      metadata.deletionTimestamp === undefined && metadata.ownerReferences?.some(({ kind }) => kind !== "Job"),
  );
  const times = lasting.flatMap(({ status }) =>
    (status?.conditions ?? []).flatMap(({ type, lastTransitionTime }) =>
      type === "Ready" && lastTransitionTime ? [lastTransitionTime] : [],
    ),
  );
  return { healthy: problems.length === 0, at: times.sort().at(-1), problems };
}

function problemOf(workload: Workload | undefined): string | undefined {
  if (workload === undefined) return "is not there";
  const { metadata, spec = {}, status = {} } = workload;
  const wanted = spec.replicas ?? 1;
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return "has not been looked at since its change";
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0 } = status;
  if (updatedReplicas < wanted) return `has ${String(updatedReplicas)} of ${String(wanted)} Pods updated`;
  if (replicas > wanted) return `has ${String(replicas - wanted)} Pods that should be gone`;
  return readyReplicas < wanted ? `has ${String(readyReplicas)} of ${String(wanted)} Pods Ready` : undefined;
}
