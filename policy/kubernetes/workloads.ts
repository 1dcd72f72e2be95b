import type { Field } from "./field";

/** What Pulumi's type of a Kubernetes resource says, for example `kubernetes:apps/v1:Deployment`. */
export interface ResourceType {
  /** API group; `core` for the one without a name. */
  group: string;
  kind: string;
}

/**
 * Reads a Pulumi type.
 * @returns undefined when it is no Kubernetes object's.
 */
export function kubernetesType(type: string): ResourceType | undefined {
  const { group, kind } = /^kubernetes:(?<group>[^/:]+)\/[^:]+:(?<kind>\w+)$/.exec(type)?.groups ?? {};
  return group === undefined || kind === undefined ? undefined : { group, kind };
}

/** Where each workload kind has its Pod spec. */
const POD_SPECS: Record<string, string[]> = {
  "core:Pod": ["spec"],
  "core:ReplicationController": ["spec", "template", "spec"],
  "apps:Deployment": ["spec", "template", "spec"],
  "apps:StatefulSet": ["spec", "template", "spec"],
  "apps:DaemonSet": ["spec", "template", "spec"],
  "apps:ReplicaSet": ["spec", "template", "spec"],
  "batch:Job": ["spec", "template", "spec"],
  "batch:CronJob": ["spec", "jobTemplate", "spec", "template", "spec"],
};

/** The lists of containers that a Pod spec has. */
export type ContainerList = "initContainers" | "containers" | "ephemeralContainers";

/** The Pod spec of a workload; undefined when the resource is no workload. */
export function podSpecOf(type: string, resource: Field): Field | undefined {
  const path = podSpecPath(type);
  if (path !== undefined) return resource.at(...path);
  if (!isCustom(kubernetesType(type)?.group ?? "")) return undefined;
  // A custom resource that runs Pods, for example Argo's Rollout, has their template where a Deployment has it.
  const podSpec = resource.at("spec", "template", "spec");
  return Array.isArray(podSpec.at("containers").read()?.value) ? podSpec : undefined;
}

/** Whether an API group is of custom resources. Kubernetes' own have no dot, or end like `networking.k8s.io`. */
function isCustom(group: string): boolean {
  return group.includes(".") && !group.endsWith(".k8s.io");
}

/** Where a workload of Kubernetes' own has its Pod spec; undefined when the resource is none. */
export function podSpecPath(type: string): string[] | undefined {
  const { group = "", kind = "" } = kubernetesType(type) ?? {};
  // Before apps/v1, Deployments and their like were in `extensions`.
  return POD_SPECS[`${group === "extensions" ? "apps" : group}:${kind}`];
}

/** The metadata of a workload's Pods; undefined when the resource is no workload. */
export function podMetadataOf(type: string, resource: Field): Field | undefined {
  const path = podSpecPath(type);
  return path === undefined ? undefined : resource.at(...path.slice(0, -1), "metadata");
}

/** The containers of a workload; none when the resource is no workload. */
export function containersOf(type: string, resource: Field, lists: readonly ContainerList[]): Field[] {
  const podSpec = podSpecOf(type, resource);
  return podSpec === undefined ? [] : lists.flatMap((list) => podSpec.at(list).items());
}
