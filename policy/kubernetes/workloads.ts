import type { Field } from "./field";
import { isCustom, kubernetesType } from "./resource-type";

/** Where each workload kind has its Pod spec. */
const POD_SPECS: Record<string, string[]> = {
  "core:Pod": ["spec"],
  "core:PodTemplate": ["template", "spec"],
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

/** All of them. */
export const CONTAINER_LISTS: readonly ContainerList[] = ["initContainers", "containers", "ephemeralContainers"];

/** Where a workload of Kubernetes' own has its Pod spec; undefined when the resource is none. */
export function podSpecPath(type: string): string[] | undefined {
  const { group = "", kind = "" } = kubernetesType(type) ?? {};
  // Before apps/v1, Deployments and their like were in `extensions`.
  return POD_SPECS[`${group === "extensions" ? "apps" : group}:${kind}`];
}

/** A Pod spec, and the metadata that its Pods get; undefined where it has none beside it. */
export interface PodTemplate {
  spec: Field;
  metadata: Field | undefined;
}

/**
 * The Pods that a resource runs: a workload's own, or those of a custom resource, which has them wherever it likes: Argo's
 * Rollout where a Deployment has them, a JobSet in a list. They are known by their shape: an object with a list of
 * containers.
 */
export function podTemplatesOf(type: string, resource: Field): PodTemplate[] {
  const path = podSpecPath(type);
  if (path !== undefined)
    return [{ spec: resource.at(...path), metadata: resource.at(...path.slice(0, -1), "metadata") }];
  if (!isCustom(type)) return [];
  // Where most have them, what is not known yet is to be reported.
  resource.at("spec", "template", "spec").read();
  return resource
    .at("spec")
    .objects()
    .filter((object) => isContainers(object.at("containers").read()?.value))
    .map((spec) => ({ spec, metadata: spec.name === "spec" ? spec.beside("metadata") : undefined }));
}

function isContainers(list: unknown): boolean {
  return Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === "object" && item !== null);
}

/** The Pod specs of a resource; none when it runs no Pods. */
export function podSpecsOf(type: string, resource: Field): Field[] {
  return podTemplatesOf(type, resource).map(({ spec }) => spec);
}

/** The containers of a resource; none when it runs no Pods. */
export function containersOf(
  type: string,
  resource: Field,
  lists: readonly ContainerList[] = CONTAINER_LISTS,
): Field[] {
  return podSpecsOf(type, resource).flatMap((pod) => lists.flatMap((list) => pod.at(list).items()));
}
