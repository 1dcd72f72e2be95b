/** What Pulumi's type of a Kubernetes resource says, for example `kubernetes:apps/v1:Deployment`. */
export interface ResourceType {
  /** API group; `core` for the one without a name. */
  group: string;
  kind: string;
}

const known = new Map<string, ResourceType | undefined>();

/**
 * Reads a Pulumi type.
 * @returns undefined when it is no Kubernetes object's.
 */
export function kubernetesType(type: string): ResourceType | undefined {
  // A program has few types, and every policy asks about every resource.
  if (!known.has(type)) known.set(type, parse(type));
  return known.get(type);
}

/** Components of Pulumi's own, which have no object; their children are checked. */
const COMPONENTS = ["helm.sh", "kustomize", "yaml"];

function parse(type: string): ResourceType | undefined {
  const { group, kind } = /^kubernetes:(?<group>[^/:]+)\/[^:]+:(?<kind>\w+)$/.exec(type)?.groups ?? {};
  if (group === undefined || kind === undefined || COMPONENTS.includes(group)) return undefined;
  return { group, kind };
}

/** Whether a Pulumi type is one of these kinds of an API group. */
export function isKind(type: string, group: string, ...kinds: string[]): boolean {
  const resource = kubernetesType(type);
  return resource?.group === group && kinds.includes(resource.kind);
}

/** Whether a Pulumi type is a custom resource's. Kubernetes' own API groups have no dot, or end like `networking.k8s.io`. */
export function isCustom(type: string): boolean {
  const { group = "" } = kubernetesType(type) ?? {};
  return group.includes(".") && !group.endsWith(".k8s.io");
}
