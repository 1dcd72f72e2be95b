import { OUTSIDE, networkMatrix, type Connection, type NetworkPolicyManifest, type PodGroup } from "./network-matrix";

/** A Kubernetes object, as far as its place in the architecture goes. */
export interface ArchitectureObject {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

interface PodTemplate {
  metadata?: { labels?: Record<string, string> };
}

const COMPONENT = "app.kubernetes.io/component";

/** The kinds of Pods of a cell: one for each workload's template. */
export function podGroups(objects: ArchitectureObject[]): PodGroup[] {
  return objects.flatMap(({ kind, metadata, spec }) => {
    const template = podTemplate(kind, spec);
    const labels = template?.metadata?.labels ?? {};
    return template === undefined
      ? []
      : [{ component: labels[COMPONENT] ?? metadata.name, namespace: metadata.namespace ?? "", labels }];
  });
}

function podTemplate(kind: string, spec: unknown): PodTemplate | undefined {
  if (["Deployment", "StatefulSet", "DaemonSet", "Job"].includes(kind))
    return (spec as { template: PodTemplate }).template;
  if (kind === "CronJob")
    return (spec as { jobTemplate: { spec: { template: PodTemplate } } }).jobTemplate.spec.template;
  return undefined;
}

/** Who may reach whom in a cell, computed from its rendered objects. */
export function cellMatrix(objects: ArchitectureObject[]): Connection[] {
  const policies = objects.filter(({ kind }) => kind === "NetworkPolicy") as unknown as NetworkPolicyManifest[];
  return networkMatrix(policies, podGroups(objects)).sort(
    (a, b) => a.from.localeCompare(b.from) || a.to.localeCompare(b.to),
  );
}

/** What the ports of Services are called: the protocol that is spoken there, by component and port. */
export function portNames(objects: ArchitectureObject[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { kind, metadata, spec } of objects) {
    if (kind !== "Service") continue;
    const component = metadata.labels?.[COMPONENT] ?? metadata.name;
    for (const port of (spec as { ports: { name: string; targetPort: number; protocol?: string }[] }).ports)
      names.set(`${component} ${String(port.targetPort)}/${port.protocol ?? "TCP"}`, port.name);
  }
  return names;
}

/** The diagram: what talks to what, with ports and protocols. */
export function diagram(connections: Connection[], names: Map<string, string>): string {
  const node = (name: string) => name.replace(/[^a-z0-9]/gi, "_");
  const all = [...new Set(connections.flatMap(({ from, to }) => [from, to]))].sort();
  const outside = new Set(["outside", "cluster DNS", ...Object.keys(OUTSIDE)]);
  const nodes = all.map((name) => `  ${node(name)}${outside.has(name) ? `([${name}])` : `[${name}]`}`);
  const edges = connections.map(({ from, to, ports }) => {
    const labels = ports.map((port) => [names.get(`${to} ${port}`), port].filter(Boolean).join(" "));
    return `  ${node(from)} -->|${labels.join(", ")}| ${node(to)}`;
  });
  return ["flowchart LR", ...nodes, ...edges].join("\n");
}

/** The matrix: a row for each sender, and what it may reach, port by port. */
export function matrixTable(connections: Connection[], pods: PodGroup[], names: Map<string, string>): string {
  const senders = [...new Set(["outside", ...pods.map(({ component }) => component).sort()])];
  const rows = senders.map((sender) => {
    const reached = connections
      .filter(({ from }) => from === sender)
      .map(({ to, ports }) => {
        const labels = ports.map((port) => [port, names.get(`${to} ${port}`)].filter(Boolean).join(" "));
        return `${to} (${labels.join(", ")})`;
      });
    return `| ${sender} | ${reached.join("<br>") || "nothing"} |`;
  });
  return ["| from | may reach |", "| --- | --- |", ...rows].join("\n");
}
